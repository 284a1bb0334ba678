"""Disks that are full or read-only, and programs of a user who may do little; all for a while."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs")
"""Put before a command, it runs as a user who owns nothing."""


def _mounted(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(
            f"this user may not mount ({done.stderr.strip()}), so no disk can be made small or read-only"
        )


@contextmanager
def small_disk(place: Path, kib: int) -> Iterator[None]:
    """Within it the folder, which must be empty, is a disk of its own of that size."""
    _mounted("-t", "tmpfs", "-o", f"size={kib}k", "none", str(place))
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@contextmanager
def read_only(place: Path) -> Iterator[None]:
    """Within it nobody can write below the folder, root neither."""
    _mounted("--bind", str(place), str(place))
    try:
        _mounted("-o", "remount,bind,ro", str(place))
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(place: Path, kib_left: int) -> Path:
    """Take room on the disk until so much is left; the file that took it."""
    ballast = place / "ballast"
    free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize - (kib_left << 10)
    assert free >= 0, f"{place} has less than {kib_left} KiB left as it is"
    with ballast.open("wb") as file:
        while free > 0:
            free -= file.write(b"\0" * min(free, 1 << 20))
    return ballast


def may_become_nobody() -> bool:
    """Whether a program can be started as another user, who can read this checkout."""
    tried = [*AS_NOBODY, "test", "-r", __file__]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0
