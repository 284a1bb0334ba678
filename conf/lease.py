"""One writer at a time in object storage: a lease, for want of an operating system that knows its holder.

The lease is one object, made and renewed by conditional writes alone (If-None-Match, If-Match): of two
writers the store itself lets one through. Its holder renews it every few seconds; one that has not been
renewed for LAPSE seconds by the store's own clock is nobody's, and the next writer takes it. A holder on this
machine whose process is gone loses it at once. Whoever finds that the lease it held is another's ends
without another commit.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from conf.errors import LakehouseError
from conf.objects import address, near

if TYPE_CHECKING:
    from upath import UPath

BEAT = 10.0
"""Seconds between renewals."""

LAPSE = 60.0
"""Seconds after which a lease that was not renewed is nobody's."""


class HeldError(Exception):
    """Another process holds the lease; the argument is what it wrote of itself."""


@dataclass(frozen=True)
class _Seen:
    """The lease as it lies there."""

    etag: str
    by: dict[str, Any]
    age: float


@contextmanager
def held(lock: UPath, by: dict[str, Any], lost: Callable[[], None]) -> Iterator[None]:
    """Hold the lease at `lock` as `by`; `lost` is called, from another thread, when it is another's.

    Raises HeldError when somebody holds it, LakehouseError when the store ignores conditions: no lease
    would keep two writers apart there.
    """
    by = by | {"token": secrets.token_hex(8), "machine": _machine(), "started": _started(os.getpid())}
    etag = _taken(lock, by)
    _check_conditions(lock, by)
    over = threading.Event()
    keeper = threading.Thread(target=_keep, args=(lock, by, etag, over, lost), daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()
        if (seen := _seen(lock)) and _is_by(seen, by):
            lock.fs.call_s3("delete_object", **_named(lock))


def _taken(lock: UPath, by: dict[str, Any]) -> str:
    """Take the lease; the ETag it then has."""
    try:
        return _put(lock, by, IfNoneMatch="*")
    except FileExistsError:
        seen = _seen(lock)
    if seen is None:
        return _taken(lock, by)
    if _is_by(seen, by):
        # The store took it and its answer was lost on the way.
        return seen.etag
    if seen.age < LAPSE and not _is_gone(seen.by):
        raise HeldError(seen.by)
    try:
        return _put(lock, by, IfMatch=seen.etag)
    except OSError:
        raise HeldError((_seen(lock) or seen).by) from None


def _check_conditions(lock: UPath, by: dict[str, Any]) -> None:
    try:
        _put(lock, by, IfNoneMatch="*")
    except FileExistsError:
        return
    lock.fs.call_s3("delete_object", **_named(lock))
    raise LakehouseError(
        f"{address(near(lock))}: this object storage overwrites where it is told not to (If-None-Match), so "
        "nothing keeps two writers apart.\nNothing was changed. Use a store that knows conditional writes."
    )


def _keep(
    lock: UPath, by: dict[str, Any], etag: str, over: threading.Event, lost: Callable[[], None]
) -> None:
    renewed = time.monotonic()
    beat = 0
    while not over.wait(BEAT):
        beat += 1
        try:
            etag = _put(lock, by | {"beat": beat}, IfMatch=etag)
            renewed = time.monotonic()
        except Exception:  # noqa: BLE001 - whatever the network does, what counts is whose lease it is
            etag = _still(lock, by, etag)
            if not etag or time.monotonic() - renewed > LAPSE - 2 * BEAT:
                lost()
                return


def _still(lock: UPath, by: dict[str, Any], etag: str) -> str:
    """The ETag to renew by: another than `etag` when an answer was lost on the way, the same when the store
    does not answer, and empty when the lease is another's.
    """
    try:
        seen = _seen(lock)
    except Exception:  # noqa: BLE001 - see _keep
        return etag
    return seen.etag if seen and _is_by(seen, by) else ""


def _is_by(seen: _Seen, by: dict[str, Any]) -> bool:
    return bool(seen.by.get("token") == by["token"])


def _seen(lock: UPath) -> _Seen | None:
    """The lease as it lies there, its age by the store's own clock; None when nobody left one."""
    try:
        answer = lock.fs.call_s3("head_object", **_named(lock))
        body = lock.fs.cat_file(lock.path)
    except FileNotFoundError:
        return None
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    now = parsedate_to_datetime(headers["date"])
    try:
        by = json.loads(body)
    except ValueError:
        by = {}
    return _Seen(
        answer["ETag"], by if isinstance(by, dict) else {}, (now - answer["LastModified"]).total_seconds()
    )


def _put(lock: UPath, by: dict[str, Any], **condition: str) -> str:
    answer = lock.fs.call_s3("put_object", **_named(lock), Body=json.dumps(by).encode(), **condition)
    return str(answer["ETag"])


def _named(lock: UPath) -> dict[str, str]:
    bucket, _, key = lock.path.partition("/")
    return {"Bucket": bucket, "Key": key}


def _machine() -> str:
    """Names the processes whose numbers mean the same as ours; empty where no such name is known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(process: int) -> float:
    try:
        return psutil.Process(process).create_time()
    except psutil.Error:
        return 0.0


def _is_gone(by: dict[str, Any]) -> bool:
    """Whether the holder was a process of this machine that has ended, whoever has its number now."""
    if not by.get("machine") or by["machine"] != _machine():
        return False
    return not psutil.pid_exists(by["process"]) or abs(_started(by["process"]) - by["started"]) > 1
