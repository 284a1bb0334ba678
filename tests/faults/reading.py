"""The live tables as the oracle states them, read by delta-rs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from conf import warehouse
from conf.home import Home
from conf.tables import (
    EVENT_IDENTITY,
    PAGE_DAILY,
    PAGE_HOURLY,
    PLACEMENT_DAILY,
    PLACEMENT_HOURLY,
    SILVER_EVENTS,
    SILVER_LEDGER,
    SILVER_QUARANTINE,
    STATISTICS,
    TABLES,
    Table,
)
from tests.faults.oracle import State

COUNTS = ("delivered", "accepted", "duplicate", "quarantined")


def state(home: Home) -> State:
    """What the tables hold now."""
    first = rows(home, SILVER_EVENTS, (*EVENT_IDENTITY, "source"))
    refused = rows(home, SILVER_QUARANTINE, ("payload", "source", "rules"))
    return State(
        silver=[row[:-1] for row in first],
        first=first,
        quarantine=sorted((payload, source, tuple(rules)) for payload, source, rules in refused),
        ledger=_ledger(home),
        **{
            table.short_name: rows(home, table, (*table.key, *STATISTICS))
            for table in (PLACEMENT_HOURLY, PLACEMENT_DAILY, PAGE_HOURLY, PAGE_DAILY)
        },
    )


def rows(
    home: Home, table: Table, columns: Iterable[str], version: int | None = None
) -> list[tuple[Any, ...]]:
    """The table's rows, sorted, as it stands or as that version left it."""
    names = list(columns)
    held = warehouse.state(home, table, version).to_pyarrow_table(columns=names).to_pylist()
    return sorted(tuple(row[name] for name in names) for row in held)


def versions(home: Home) -> dict[str, int]:
    """By table, its version; -1 where there is none yet."""
    return {
        table.name: warehouse.state(home, table).version() if warehouse.exists(home, table) else -1
        for table in TABLES
    }


def unbalanced(home: Home) -> list[tuple[Any, ...]]:
    """Rows of the ledger whose parts are not their whole."""
    held = rows(home, SILVER_LEDGER, ("batch_id", "source", *COUNTS))
    return [row for row in held if row[2] != sum(row[3:])]


def _ledger(home: Home) -> list[tuple[Any, ...]]:
    """By source, the sums of its batches, and its first and last event time."""
    columns = ("source", "batch_id", *COUNTS, "min_event_time", "max_event_time")
    held = warehouse.state(home, SILVER_LEDGER).to_pyarrow_table(columns=list(columns)).to_pylist()
    found = []
    for source in sorted({row["source"] for row in held}):
        of_source = [row for row in held if row["source"] == source]
        counts = [sum(row[name] for row in of_source) for name in COUNTS]
        first = min((row["min_event_time"] for row in of_source if row["min_event_time"]), default=None)
        last = max((row["max_event_time"] for row in of_source if row["max_event_time"]), default=None)
        found.append((source, *counts, first, last))
    return found
