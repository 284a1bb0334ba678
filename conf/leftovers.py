"""Java that a killed writer left behind: it works on until it finds its writer gone, and may still commit."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from conf.errors import LakehouseError
from conf.home import Home
from conf.objects import address

LONGEST_S = 30
_SCRATCH, _WRITER = "-Djava.io.tmpdir=", "-Dlakehouse.writer="


def marks(scratch: Path) -> list[str]:
    """What to tell a JVM so that it can be told whose it is: its lakehouse's scratch, and this process."""
    return [f"{_SCRATCH}{scratch}", f"{_WRITER}{os.getpid()}"]


def end(home: Home) -> None:
    """End every Java process that works for this lakehouse though its writer is gone; call it while holding
    the lakehouse, and before anything is read.

    Raises LakehouseError when one cannot be ended.
    """
    left = list(_left_behind(home.scratch))
    for java in left:
        try:
            java.kill()
        except psutil.NoSuchProcess:
            continue
        except psutil.AccessDenied:
            raise LakehouseError(_refusal(home, java.pid)) from None
    until = time.monotonic() + LONGEST_S
    while alive := [java for java in left if is_alive(java.pid, java.info["create_time"])]:
        if time.monotonic() > until:
            raise LakehouseError(_refusal(home, alive[0].pid))
        time.sleep(0.05)


def _refusal(home: Home, process: int) -> str:
    return (
        f"{address(home.root)}: a writer was killed, and its Java, process {process}, goes on and cannot be "
        "ended.\nNothing was changed. End it and run again."
    )


def _left_behind(scratch: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter(["cmdline", "create_time"]):
        words = process.info["cmdline"] or []
        of = [word.removeprefix(_SCRATCH) for word in words if word.startswith(_SCRATCH)]
        writers = [word.removeprefix(_WRITER) for word in words if word.startswith(_WRITER)]
        is_ours = of and writers and Path(of[-1]).resolve() == scratch.resolve()
        if is_ours and not is_alive(int(writers[-1]), process.info["create_time"]):
            yield process


def is_alive(number: int, by: float) -> bool:
    """Whether the process that had this number at the time `by`, in unix seconds, is still there."""
    try:
        process = psutil.Process(number)
        # Another may have the number now; clocks are set right by less than a second.
        return process.create_time() <= by + 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
