"""Gold read while it is written, and which of its versions each reading was of."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from conf import warehouse
from conf.home import Home
from conf.tables import GOLD, SILVER_EVENTS, STATISTICS, Table
from tests.faults.reading import rows as rows_of

Rows = tuple[tuple[Any, ...], ...]


def rows(home: Home, table: Table, version: int | None = None) -> Rows:
    """All rows of a statistics table, sorted, as it stands or as that version left it; read by delta-rs."""
    return tuple(rows_of(home, table, (*table.key, *STATISTICS), version))


class Readings:
    """How often which rows of which table were read."""

    def __init__(self) -> None:
        self.seen: Counter[tuple[str, Rows]] = Counter()
        self.failed: list[BaseException] = []
        self._lock = threading.Lock()

    def add(self, table: str, read: Rows) -> None:
        """One reading more."""
        with self._lock:
            self.seen[table, read] += 1

    @property
    def count(self) -> int:
        """Readings so far."""
        return self.seen.total()


@contextmanager
def reading(home: Home, readings: Readings, threads: int) -> Iterator[None]:
    """Within it, so many threads read the statistics tables, one after the other, over and over."""
    over = threading.Event()

    def read() -> None:
        try:
            while not over.is_set():
                for table in GOLD:
                    readings.add(table.name, rows(home, table))
        except BaseException as failed:  # noqa: BLE001 - told by the test's own thread
            readings.failed.append(failed)

    readers = [threading.Thread(target=read) for _ in range(threads)]
    for reader in readers:
        reader.start()
    try:
        yield
    finally:
        over.set()
        for reader in readers:
            reader.join()


def complete(home: Home) -> dict[str, dict[Rows, int]]:
    """By table, the rows of every version it ever had, with the version of silver.events each says it counts.

    Raises AssertionError for a version that is not what that version of silver.events gives: such a version
    would itself be torn.
    """
    source = warehouse.identity(home, SILVER_EVENTS)
    counted: dict[int, dict[str, Rows]] = {}
    found: dict[str, dict[Rows, int]] = {}
    for table in GOLD:
        for version in range(warehouse.state(home, table).version() + 1):
            taken = warehouse.state(home, table, version).transaction_version(source) or 0
            if taken not in counted:
                counted[taken] = _counted(home, taken)
            held = rows(home, table, version)
            assert held == counted[taken][table.name], f"{table.name} {version} is not silver's {taken}"
            found.setdefault(table.name, {})[held] = taken
    return found


def _counted(home: Home, version: int) -> dict[str, Rows]:
    """What the statistics tables must hold by that version of silver.events, counted in plain Python."""
    held = warehouse.state(home, SILVER_EVENTS, version)
    columns = ["event_time", "event_type", "placement_id", "page_id", "user_id"]
    views: Counter[tuple[str, Any, Any]] = Counter()
    clicks: Counter[tuple[str, Any, Any]] = Counter()
    users: dict[tuple[str, Any, Any], set[str]] = {}
    for event in held.to_pyarrow_table(columns=columns).to_pylist():
        hour = event["event_time"].replace(minute=0, second=0)
        for table in GOLD:
            subject, unit = table.key
            bucket = (table.name, event[subject], hour if unit == "hour" else hour.date())
            (clicks if event["event_type"] else views)[bucket] += 1
            users.setdefault(bucket, set()).add(event["user_id"])
    return {
        table.name: tuple(
            sorted(
                (key, bucket, views[name, key, bucket], clicks[name, key, bucket], len(held))
                for (name, key, bucket), held in users.items()
                if name == table.name
            )
        )
        for table in GOLD
    }
