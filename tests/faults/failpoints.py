"""The program with points at which it kills itself, its Java or both:
`python -m tests.faults.failpoints run …`.

A point is a moment (before, within, after) of one commit of one table; `within` is when the first data file
of the commit lies in the table's folder, or the first file of its log where the table is made. FAULT_POINTS
is a JSON object of points and whom to kill there; the first that is reached kills, once it has written its
line to the file FAULT_LOG. Without it nothing happens.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from pyspark import SparkContext

import lakehouse
import silver.rebuilt
import silver.reprocess
import silver.rules
import silver.suites
from conf import entries, upkeep, warehouse
from conf.home import Home
from conf.tables import (
    BRONZE_DELIVERIES,
    BRONZE_EVENTS,
    GOLD,
    GOLD_RESTATEMENTS,
    SILVER_DRIFT,
    SILVER_EVENTS,
    SILVER_LEDGER,
    SILVER_QUALITY,
    SILVER_QUARANTINE,
    SILVER_SUITES,
    SILVER_VOLUME,
    TABLES,
    Table,
)

GROUP, PYTHON, JVM = KINDS = ("group", "python", "jvm")
"""Whom a kill ends: the whole process group, Python alone, the JVM alone."""

STOPPED = "python, jvm stopped"
"""Python alone, while its JVM is held still and cannot notice: it would work on when it is woken."""

MOMENTS = ("before", "within", "after")
RUN = (
    *(BRONZE_DELIVERIES, BRONZE_EVENTS, SILVER_SUITES, SILVER_QUARANTINE, SILVER_EVENTS, SILVER_VOLUME),
    *(SILVER_DRIFT, SILVER_QUALITY, SILVER_LEDGER, GOLD_RESTATEMENTS, *GOLD),
)
"""The tables a run commits to, in its order."""

COMMITS = (*(table.name for table in RUN), *(f"fold {table.name}" for table in upkeep.READ_WHOLE))
CREATIONS = tuple(f"create {table.name}" for table in TABLES)
UPKEEP = tuple(f"maintain {table.name}" for table in TABLES)
REPROCESS = (
    *("silver.suites", "silver.events", "silver.volume", "silver.ledger", "rebuild silver.quarantine"),
    *("rebuild silver.quality", "finish silver.suites", "gold.restatements", *(table.name for table in GOLD)),
)

DATA, LOG = "**/*.parquet", "_delta_log/*"

Place = tuple[str, Path, str]
"""What a commit is called, its table's folder, and which files come there first."""


class Trap:
    """Kills at the first of the points that is reached; `points` says whom, `log` takes one line first."""

    def __init__(self, points: dict[str, str], log: Path) -> None:
        self._points, self._log, self._lock = points, log, threading.Lock()

    @contextmanager
    def commit(self, name: str, folder: Path, files: str) -> Iterator[None]:
        """Around one commit."""
        self._reach(f"before {name}")
        over = threading.Event()
        if f"within {name}" in self._points:
            watched = (name, folder, files, _present(folder, files), over)
            threading.Thread(target=self._watch, args=watched, daemon=True).start()
        try:
            yield
        finally:
            over.set()
        self._reach(f"after {name}")

    def _watch(self, name: str, folder: Path, files: str, held: set[Path], over: threading.Event) -> None:
        while not over.is_set():
            if _present(folder, files) - held:
                self._reach(f"within {name}")
                return
            time.sleep(0.002)

    def _reach(self, point: str) -> None:
        with self._lock:
            kind = self._points.get(point)
            if kind is None:
                return
            self._points.clear()
            java: int = SparkContext._gateway.proc.pid  # type: ignore[union-attr]
            noted = {"point": point, "kind": kind, "python": os.getpid(), "java": java}
            with self._log.open("a") as log:
                log.write(json.dumps(noted) + "\n")
                log.flush()
                os.fsync(log.fileno())
            if kind == JVM:
                os.kill(java, signal.SIGKILL)
                return
            if kind == STOPPED:
                os.kill(java, signal.SIGSTOP)
            (os.killpg if kind == GROUP else os.kill)(os.getpid(), signal.SIGKILL)
            time.sleep(60)


def _present(folder: Path, files: str) -> set[Path]:
    try:
        return set(folder.glob(files))
    except FileNotFoundError:
        # What an earlier creation left may be removed while it is listed.
        return set()


def set_trap(trap: Trap) -> None:
    """Lead every function that commits through the trap."""

    def around(module: ModuleType, name: str, place: Callable[..., Place]) -> None:
        commits = getattr(module, name)
        signature = inspect.signature(commits)

        @functools.wraps(commits)
        def trapped(*given: Any, **named: Any) -> Any:
            with trap.commit(*place(**signature.bind(*given, **named).arguments)):
                return commits(*given, **named)

        setattr(module, name, trapped)

    for name in ("append", "replace_after", "merge"):
        around(warehouse, name, lambda home, table, **_: _commit(home, table))
    for name in ("append", "replace_after"):
        around(entries, name, lambda home, table, **_: _commit(home, table))
    around(warehouse, "_create", lambda home, table, **_: (f"create {table.name}", home.folder(table), LOG))
    around(silver.suites, "_write", lambda home, **_: _commit(home, SILVER_SUITES))
    around(silver.suites, "finish", lambda home, **_: _commit(home, SILVER_SUITES, "finish "))
    around(silver.rebuilt, "quarantine", lambda window, **_: _rebuild(window, SILVER_QUARANTINE))
    around(silver.reprocess, "_write_quality", lambda window, **_: _rebuild(window, SILVER_QUALITY))
    around(upkeep, "_compact", lambda home, table, **_: _commit(home, table, "fold "))
    around(upkeep, "_maintain", lambda home, table, **_: _commit(home, table, "maintain "))


def _commit(home: Home, table: Table, kind: str = "") -> Place:
    return f"{kind}{table.name}", home.folder(table), DATA


def _rebuild(window: Any, table: Table) -> Place:
    return _commit(window.home, table, "rebuild ")


def main() -> None:
    """The program, trapped where the environment says so; FAULT_SUITES is where its suites lie instead.

    Two files are many here, so that a chain of a few batches comes by that as well.
    """
    upkeep.MANY_FILES = 2
    if suites := os.environ.get("FAULT_SUITES"):
        silver.rules.load.__defaults__ = (Path(suites),)
    if points := os.environ.get("FAULT_POINTS"):
        set_trap(Trap(json.loads(points), Path(os.environ["FAULT_LOG"])))
    lakehouse.main()


if __name__ == "__main__":
    main()
