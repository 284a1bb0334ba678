"""Deliveries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from conf.home import Home

Put = Callable[..., Path]


@pytest.fixture
def put(home: Home) -> Put:
    """Delivers a file: `put(name, content)`."""

    def delivered(name: str, content: bytes = b"") -> Path:
        path = home.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return delivered
