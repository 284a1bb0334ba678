"""One writer at a time: the lock of a lakehouse, and what must be true before anything is written."""

from __future__ import annotations

import errno
import functools
import json
import os
import pwd
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import filelock
import psutil

from conf import console, lease, leftovers, objects
from conf.errors import LakehouseError, UsageError
from conf.home import Home
from conf.objects import address, far
from conf.tables import TABLES

MIB = 1 << 20
LONGEST_UNNAMED_S = 1
"""How long a new holder may take to write down who it is, before nobody can tell."""

_SINCE = "%Y-%m-%d %H:%M:%S"
MISREAD = re.compile(r"[#?\\\x00-\x1f\x7f\ud800-\udfff]|%[0-9A-Fa-f]{2}")


def usable(home: Home, min_free_mib: int) -> None:
    """Make the home when it is not there; raise when this user cannot write it or its disk is full.

    Of a home in object storage the bucket must be there.
    """
    _check_path(home.root)
    _check_path(home.here)
    _make(home.here)
    for place in _folders(home):
        if place.exists() and not place.is_dir():
            raise UsageError(
                f"{place}: is a file, not a folder. Nothing was changed. Move it away and run again."
            )
        if place.exists() and not os.access(place, os.W_OK | os.X_OK):
            raise UsageError(
                _not_ours(place, os.strerror(errno.EROFS if _is_read_only(place) else errno.EACCES))
            )
    free = shutil.disk_usage(home.here).free // MIB
    if free < min_free_mib:
        raise LakehouseError(
            f"{home.here}: {free:,} MiB are free on its disk, {min_free_mib:,} MiB are needed to start "
            "(setting min_free_mib).\nNothing was changed. Make room and run again."
        )
    objects.check(home.root)


def _folders(home: Home) -> Iterator[Path]:
    """The folders of this machine's disks that a verb writes in; each may be of another owner or disk."""
    folders = [home.root, home.warehouse, home.landing]
    for table in TABLES:
        folder = home.folder(table)
        folders += [folder.parent, folder, folder / "_delta_log"]
    here = [home.logs, home.staging.parent, home.metrics.parent]
    yield from dict.fromkeys(folder for folder in [*folders, *here] if not far(folder))


def _is_read_only(place: Path) -> bool:
    return bool(os.statvfs(place).f_flag & os.ST_RDONLY)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UsageError(f"{folder}: is a file, not a folder. Name another home with --home.") from None
    except OSError as failed:
        raise UsageError(_not_ours(folder, failed.strerror or "")) from None


def _check_path(root: Path) -> None:
    """Raise UsageError for a path that not every reader of the tables takes as it is written."""
    if found := MISREAD.search(address(root)):
        raise UsageError(
            f"{address(root)!r}: the path of a home may not hold {found[0]!r}: some readers of the "
            "tables take a path for an address, where that means something else.\n"
            "Nothing was changed. Name another home with --home."
        )


def _not_ours(place: Path, reason: str) -> str:
    existing = next(folder for folder in (place, *place.parents) if _exists(folder))
    owner, me = _name(existing.stat().st_uid), _name(os.geteuid())
    # On a read-only disk nobody writes, its owner neither.
    is_theirs = owner != me and reason != os.strerror(errno.EROFS)
    whose = f": {existing} belongs to {owner}, this is {me}" if is_theirs else ""
    advice = f"Run as {owner}, or name" if is_theirs else "Make it writable, or name"
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

    The lock is the operating system's: it ends with its process, however that ends. In object storage it is
    a lease, see there. In both the machine's own part is locked too: two homes never share it.
    """
    by = {
        "process": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).strftime(_SINCE),
        "verb": verb,
        "run": run,
    }
    with ExitStack() as locks:
        locks.enter_context(_locked_here(home, by))
        if there := far(home.lease):
            try:
                locks.enter_context(lease.held(there, by, functools.partial(_end, home)))
            except lease.HeldError as held_:
                raise LakehouseError(_refusal(home, _who(held_.args[0]))) from None
        yield


@contextmanager
def _locked_here(home: Home, by: dict[str, Any]) -> Iterator[None]:
    lock = filelock.FileLock(home.lock)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise LakehouseError(_refusal(home, _holder(home))) from None
    try:
        objects.write_whole(home.holder, json.dumps(by))
        leftovers.end(home)
        yield
    finally:
        home.holder.unlink(missing_ok=True)
        lock.release()


def _refusal(home: Home, holder: str) -> str:
    return f"{address(home.root)}: {holder}\nNothing was changed. Run again when it is done."


def _holder(home: Home) -> str:
    """Who holds it. One that was killed left its name, until the next has written its own."""
    until = time.monotonic() + LONGEST_UNNAMED_S
    while _is_gone(by := _written(home)) and time.monotonic() < until:
        time.sleep(0.02)
    return _who({} if _is_gone(by) else by)


def _written(home: Home) -> dict[str, Any]:
    try:
        by = json.loads(home.holder.read_text("utf-8"))
        return by if isinstance(by, dict) else {}
    except (OSError, ValueError):
        return {}


def _is_gone(by: dict[str, Any]) -> bool:
    """Whether that is nobody, or was a process of this machine that has ended."""
    try:
        since = datetime.strptime(by["since"], _SINCE).replace(tzinfo=UTC)
        is_here = by["host"] == socket.gethostname()
        return is_here and not leftovers.is_alive(int(by["process"]), since.timestamp())
    except (KeyError, TypeError, ValueError):
        return True


def _who(by: dict[str, Any]) -> str:
    try:
        holder = f"`lakehouse {by['verb']}`, process {by['process']} on {by['host']}"
        return f"held by {holder}, since {by['since']} UTC."
    except KeyError:
        return "held by another lakehouse process that has just started."


def _end(home: Home) -> None:
    """End this process and its Spark before either commits anything more: the lease is another's."""
    for child in psutil.Process().children(recursive=True):
        child.kill()
    console.fail(
        f"{address(home.root)}: another writer has this lakehouse now; this one could not renew its lease in "
        "time.\nIt ended at once. What was committed is whole, nothing is lost: run again."
    )
    os._exit(LakehouseError.status)
