"""Deliveries, and lakehouses made by copying one: creating every table takes seconds, copying none."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from conf import warehouse
from conf.home import Home

Put = Callable[..., Path]


@pytest.fixture(scope="session")
def empty_lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A lakehouse with every table declared and empty, to copy from."""
    home = Home(tmp_path_factory.mktemp("empty-lake"))
    warehouse.create_missing(spark, home)
    return home


@pytest.fixture
def lake(empty_lake: Home, home: Home) -> Home:
    """A lakehouse with every table declared and empty."""
    shutil.copytree(empty_lake.warehouse, home.warehouse)
    return home


@pytest.fixture
def put(home: Home) -> Put:
    """Delivers a file: `put(name, content)`."""

    def delivered(name: str, content: bytes = b"") -> Path:
        path = home.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return delivered
