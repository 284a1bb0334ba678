"""Counts drawn by hand, at the edges of hours and days."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import functions as F

from conf.tables import PAGE_DAILY, PAGE_HOURLY, PLACEMENT_DAILY, PLACEMENT_HOURLY, Table
from gold import statistics

VIEW, CLICK = 0, 1
EVENTS = pa.schema(
    {
        "event_time": pa.timestamp("us", "UTC"),
        "event_date": pa.date32(),
        "event_type": pa.int32(),
        **dict.fromkeys(["placement_id", "page_id", "user_id"], pa.string()),
    }
)
#    time                   type   placement  page  user
DRAWN = """
    2026-02-28T23:59:59     view   p1         g1    ann
    2026-03-01T00:00:00     view   p1         g1    ann
    2026-03-01T00:59:59     click  p1         g1    ann
    2026-03-01T00:59:59     view   p1         g2    bob
    2026-03-01T01:00:00     click  p1         g2    bob
    2026-03-01T01:00:00     view   p1         g2    eve
    2026-03-01T23:59:59     click  p2         g2    eve
    2026-03-02T00:00:00     click  p2         g2    eve
    2026-03-02T00:00:01     click  p2         g2    eve
    1969-12-31T23:59:59     view   p3         g3    old
"""
FIRST, SECOND = date(2026, 3, 1), date(2026, 3, 2)
FEBRUARY, OLD = date(2026, 2, 28), date(1969, 12, 31)


def hour(day: date, number: int) -> datetime:
    return datetime(day.year, day.month, day.day, number)  # noqa: DTZ001 - as Spark in UTC shows it


COUNTED: dict[Table, list[tuple[Any, ...]]] = {
    PLACEMENT_HOURLY: [
        ("p1", hour(FEBRUARY, 23), 1, 0, 1),
        ("p1", hour(FIRST, 0), 2, 1, 2),
        ("p1", hour(FIRST, 1), 1, 1, 2),
        ("p2", hour(FIRST, 23), 0, 1, 1),
        ("p2", hour(SECOND, 0), 0, 2, 1),
        ("p3", hour(OLD, 23), 1, 0, 1),
    ],
    PLACEMENT_DAILY: [
        ("p1", FEBRUARY, 1, 0, 1),
        ("p1", FIRST, 2 + 1, 1 + 1, 3),  # bob is in both hours, and one user
        ("p2", FIRST, 0, 1, 1),
        ("p2", SECOND, 0, 2, 1),
        ("p3", OLD, 1, 0, 1),
    ],
    PAGE_HOURLY: [
        ("g1", hour(FEBRUARY, 23), 1, 0, 1),
        ("g1", hour(FIRST, 0), 1, 1, 1),
        ("g2", hour(FIRST, 0), 1, 0, 1),
        ("g2", hour(FIRST, 1), 1, 1, 2),
        ("g2", hour(FIRST, 23), 0, 1, 1),
        ("g2", hour(SECOND, 0), 0, 2, 1),
        ("g3", hour(OLD, 23), 1, 0, 1),
    ],
    PAGE_DAILY: [
        ("g1", FEBRUARY, 1, 0, 1),
        ("g1", FIRST, 1, 1, 1),
        ("g2", FIRST, 1 + 1, 1 + 1, 2),
        ("g2", SECOND, 0, 2, 1),
        ("g3", OLD, 1, 0, 1),
    ],
}


@pytest.fixture(scope="module")
def happened(spark):
    """The visits of the drawing."""
    rows: list[dict[str, Any]] = []
    for line in DRAWN.split("\n"):
        if line.strip():
            time, kind, placement, page, user = line.split()
            moment = datetime.fromisoformat(time).replace(tzinfo=UTC)
            ids = {"placement_id": placement, "page_id": page, "user_id": user}
            times = {"event_time": moment, "event_date": moment.date()}
            rows.append({**times, **ids, "event_type": VIEW if kind == "view" else CLICK})
    return statistics.visits(spark.createDataFrame(pa.Table.from_pylist(rows, EVENTS)))


@pytest.mark.parametrize("table", COUNTED, ids=lambda table: table.name)
def test_summaries(happened, table):
    summary = statistics.summarise(happened).transform(statistics.of_table, table).drop("gone")
    assert summary.columns == [*table.key, "views", "clicks", "distinct_users"]
    assert sorted(tuple(row) for row in summary.collect()) == sorted(COUNTED[table])


@pytest.mark.parametrize("table", COUNTED, ids=lambda table: table.name)
def test_buckets_asked_for_are_whole_and_alone(happened, table):
    """Of what one visit touches, every visit counts; what it does not touch is not there."""
    touched = statistics.buckets(happened.where("user_id = 'bob' AND hour = '2026-03-01 01:00:00'"))
    summary = statistics.summarise(happened, touched).transform(statistics.of_table, table).drop("gone")
    asked = [("p1", hour(FIRST, 1)), ("p1", FIRST), ("g2", hour(FIRST, 1)), ("g2", FIRST)]
    expected = [row for row in COUNTED[table] if row[:2] in asked]
    assert len(expected) == 1
    assert [tuple(row) for row in summary.collect()] == expected


@pytest.mark.parametrize("table", COUNTED, ids=lambda table: table.name)
def test_buckets_are_the_keys_of_the_summaries(happened, table):
    held = statistics.buckets(happened).distinct().where(F.col("table_name") == table.name)
    unit = "day" if table.key[-1] == "day" else "bucket"
    assert sorted((row.key, row[unit]) for row in held.collect()) == sorted(row[:2] for row in COUNTED[table])


def test_ids_are_compared_as_they_are(spark):
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    ids = ["p", "P", "p ", "e\u0301", "\u00e9"]
    rows = [
        {"event_time": moment, "event_date": FIRST, "event_type": 0, "placement_id": one, "user_id": one}
        for one in ids
    ]
    visits = statistics.visits(spark.createDataFrame(pa.Table.from_pylist(rows, EVENTS)))
    assert statistics.summarise(visits).where(F.col("table_name") == PLACEMENT_DAILY.name).count() == 5


DAILY = pa.schema(
    {"table_name": pa.string(), "key": pa.string(), "bucket": pa.timestamp("us", "UTC"), "day": pa.date32()}
    | {"views": pa.int64(), "clicks": pa.int64(), "distinct_users": pa.int64()}
)


def daily(spark, *rows: tuple[Any, ...]):
    made = [
        dict(zip(DAILY.names, (PLACEMENT_DAILY.name, key, hour(day, 0), day, *numbers), strict=True))
        for key, day, *numbers in rows
    ]
    return spark.createDataFrame(pa.Table.from_pylist(made, DAILY))


def test_differences(spark):
    fresh = daily(
        spark,
        ("equal", FIRST, 1, 2, 3),
        ("more views", FIRST, 2, 2, 3),
        ("more clicks", FIRST, 1, 3, 3),
        ("more users", FIRST, 1, 2, 4),
        ("another day", SECOND, 1, 2, 3),
        ("new", FIRST, 9, 9, 9),
    )
    published = daily(
        spark,
        ("equal", FIRST, 1, 2, 3),
        ("more views", FIRST, 1, 2, 3),
        ("more clicks", FIRST, 1, 2, 3),
        ("more users", FIRST, 1, 2, 3),
        ("another day", FIRST, 1, 2, 3),
        ("gone", FIRST, 1, 2, 3),
    )
    changed = statistics.differences(fresh, published)
    assert changed.columns[:4] == ["table_name", "key", "bucket", "day"]
    assert changed.columns[4:7] == ["views", "clicks", "distinct_users"]
    assert changed.columns[7:] == ["old_views", "old_clicks", "old_distinct_users"]
    rows = changed.collect()
    assert [row.bucket for row in rows] == [hour(row.day, 0) for row in rows]
    assert sorted(((row.key, *row[3:]) for row in rows), key=repr) == [
        ("another day", FIRST, None, None, None, 1, 2, 3),
        ("another day", SECOND, 1, 2, 3, None, None, None),
        ("gone", FIRST, None, None, None, 1, 2, 3),
        ("more clicks", FIRST, 1, 3, 3, 1, 2, 3),
        ("more users", FIRST, 1, 2, 4, 1, 2, 3),
        ("more views", FIRST, 2, 2, 3, 1, 2, 3),
        ("new", FIRST, 9, 9, 9, None, None, None),
    ]


def test_equal_tables_do_not_differ(spark):
    rows = [("p1", FIRST, 1, 2, 3), ("p2", FIRST, 0, 0, 0)]
    same = statistics.differences(daily(spark, *rows), daily(spark, *rows[::-1]))
    assert same.collect() == []
