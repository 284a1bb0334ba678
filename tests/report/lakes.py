"""Lakehouses written by hand, without Spark, for the report to be made from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from deltalake import write_deltalake

from conf import settings
from conf.home import Home
from conf.settings import Settings
from conf.tables import GOLD, SILVER_EVENTS, Table
from gold.report import reading
from gold.report.reading import Lake

NOON = datetime(2026, 3, 20, 12, tzinfo=UTC)
Rows = list[dict[str, Any]]


def write(home: Home, table: Table, rows: Rows, mode: str = "append") -> None:
    """Rows into a table; a column a row lacks is null."""
    held = pl.DataFrame(rows, schema=reading.schema(table)).to_arrow()
    write_deltalake(home.table(table), held, mode=mode, partition_by=list(table.partition) or None)  # type: ignore[call-overload]


def lake(home: Home) -> Lake:
    return Lake(home, reading.newest(home))


def settings_of(home: Home) -> Settings:
    return settings.load(home=home.root)


def event(at: datetime = NOON, late: timedelta = timedelta(minutes=5), **changed: Any) -> dict[str, Any]:
    """One accepted event; each case names only what it changes."""
    row = {
        "event_time": at,
        "event_type": 0,
        "banner_id": "b1",
        "placement_id": "pl1",
        "page_id": "pg1",
        "user_id": "u1",
        "event_date": at.date(),
        "source": "a.jsonl",
        "ingested_at": at + late,
        "batch_id": 1,
    }
    return row | changed


def check(rule: str = "well_formed", batch: int = 1, **changed: Any) -> dict[str, Any]:
    """One expectation that held on one published batch."""
    row = {
        "batch_id": batch,
        "validated_at": NOON + timedelta(hours=batch),
        "suite": "events",
        "rule": rule,
        "expectation_type": "expect_column_values_to_be_in_set",
        "column_name": "well_formed",
        "severity": "row",
        "evaluated": 1000,
        "unexpected": 10,
        "threshold": 0.9,
        "success": True,
        "blocking": True,
        "published": True,
    }
    return row | changed


def entry(source: str = "a.jsonl", batch: int = 1, **changed: Any) -> dict[str, Any]:
    """One source in the ledger."""
    row = {
        "batch_id": batch,
        "source": source,
        "delivered": 1000,
        "accepted": 970,
        "duplicate": 20,
        "quarantined": 10,
        "min_event_time": NOON,
        "max_event_time": NOON + timedelta(minutes=59),
        "ingested_at": NOON + timedelta(hours=batch),
    }
    return row | changed


def refused(payload: str, rule: str = "well_formed", **changed: Any) -> dict[str, Any]:
    """One refused record."""
    row = {"payload": payload, "source": "a.jsonl", "ingested_at": NOON, "batch_id": 1, "rules": [rule]}
    return row | changed


def publish(home: Home, events: Rows) -> None:
    """Silver's events, and the gold they give, counted the plain way."""
    write(home, SILVER_EVENTS, events)
    for table in GOLD:
        subject, bucket = table.key
        buckets: dict[tuple[Any, Any], Rows] = {}
        for one in events:
            at: datetime = one["event_time"]
            when = at.date() if bucket == "day" else at.replace(minute=0, second=0)
            buckets.setdefault((one[subject], when), []).append(one)
        counted = [
            {
                subject: item,
                bucket: when,
                "views": sum(one["event_type"] == 0 for one in held),
                "clicks": sum(one["event_type"] == 1 for one in held),
                "distinct_users": len({one["user_id"] for one in held}),
            }
            for (item, when), held in buckets.items()
        ]
        write(home, table, counted)


def busy_days(days: int, items: tuple[str, ...] = ("pl1", "pl2", "pl3")) -> Rows:
    """Two views and a click an hour in each placement, by three users, over whole UTC days up to NOON's."""
    start = NOON.replace(hour=0) - timedelta(days=days - 1)
    return [
        event(
            start + timedelta(hours=hour, minutes=10 * number),
            placement_id=item,
            page_id=f"page of {item}",
            user_id=f"user-{number}",
            event_type=int(number == 2),
        )
        for hour in range(24 * days)
        for item in items
        for number in range(3)
    ]
