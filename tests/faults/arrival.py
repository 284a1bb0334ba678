"""What arrives: files put into landing, each whole."""

from __future__ import annotations

from collections.abc import Mapping

from conf.home import Home

ARRIVING = ".arriving"


def deliver(home: Home, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Put each into landing under its name, whatever lies there; the batch as the oracle takes it."""
    home.landing.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        place = home.landing / name
        place.parent.mkdir(parents=True, exist_ok=True)
        (home.landing / ARRIVING).write_bytes(content)
        (home.landing / ARRIVING).replace(place)
    return dict(files)
