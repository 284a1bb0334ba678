"""One writer at a time: the lock of a lakehouse, and what must be true before anything is written."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import filelock

from conf.errors import LakehouseError, UsageError
from conf.home import Home

MIB = 1 << 20
MISREAD = re.compile(r"[#?\\\x00-\x1f\x7f\ud800-\udfff]|%[0-9A-Fa-f]{2}")


def usable(home: Home, min_free_mib: int) -> None:
    """Make the home when it is not there; raise when this user cannot write it or its disk is full."""
    _check_path(home.root)
    try:
        home.root.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UsageError(f"{home.root}: is a file, not a folder. Name another home with --home.") from None
    except OSError as failed:
        raise UsageError(_not_ours(home.root, failed.strerror or "")) from None
    for place in (home.root, home.warehouse, home.landing):
        if place.exists() and not place.is_dir():
            raise UsageError(
                f"{place}: is a file, not a folder. Nothing was changed. Move it away and run again."
            )
        if place.exists() and not os.access(place, os.W_OK | os.X_OK):
            raise UsageError(_not_ours(place, "Permission denied"))
    free = shutil.disk_usage(home.root).free // MIB
    if free < min_free_mib:
        raise LakehouseError(
            f"{home.root}: {free:,} MiB are free on its disk, {min_free_mib:,} MiB are needed to start "
            "(setting min_free_mib).\nNothing was changed. Make room and run again."
        )


def _check_path(root: Path) -> None:
    """Raise UsageError for a path that not every reader of the tables takes as it is written."""
    if found := MISREAD.search(str(root)):
        raise UsageError(
            f"{str(root)!r}: the path of a home may not hold {found[0]!r}: some readers of the "
            "tables take a path for an address, where that means something else.\n"
            "Nothing was changed. Name another home with --home."
        )


def _not_ours(place: Path, reason: str) -> str:
    existing = next(folder for folder in (place, *place.parents) if _exists(folder))
    owner, me = _name(existing.stat().st_uid), _name(os.geteuid())
    whose = f": {existing} belongs to {owner}, this is {me}" if owner != me else ""
    advice = f"Run as {owner}, or name" if owner != me else "Make it writable, or name"
    return (
        f"{place}: cannot be written ({reason}){whose}.\n"
        f"Nothing was changed. {advice} another home with --home."
    )


def _exists(folder: Path) -> bool:
    try:
        return folder.exists()
    except OSError:
        return False


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


@contextmanager
def held(home: Home, verb: str, run: str) -> Iterator[None]:
    """Hold the lakehouse; raises LakehouseError naming who holds it otherwise.

    The lock is the operating system's: it ends with its process, however that ends.
    """
    lock = filelock.FileLock(home.lock)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise LakehouseError(
            f"{home.root}: {_holder(home)}\nNothing was changed. Run again when it is done."
        ) from None
    try:
        home.holder.parent.mkdir(parents=True, exist_ok=True)
        since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        held_by = {
            "process": os.getpid(),
            "host": socket.gethostname(),
            "since": since,
            "verb": verb,
            "run": run,
        }
        home.holder.write_text(json.dumps(held_by), "utf-8")
        yield
    finally:
        home.holder.unlink(missing_ok=True)
        lock.release()


def _holder(home: Home) -> str:
    try:
        by = json.loads(home.holder.read_text("utf-8"))
        holder = f"`lakehouse {by['verb']}`, process {by['process']} on {by['host']}"
        return f"held by {holder}, since {by['since']} UTC."
    except (OSError, ValueError, KeyError):
        return "held by another lakehouse process that has just started."
