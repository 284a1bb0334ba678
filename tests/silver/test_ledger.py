"""Counting what became of records."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from silver import ledger

DAY = datetime(2026, 3, 29, tzinfo=UTC)
JUDGED = pa.schema(
    {
        "delivery": pa.int32(),
        "refused": pa.bool_(),
        "timestamp_seconds": pa.int64(),
        "extra_fields": pa.list_(pa.string()),
        "rules": pa.list_(pa.string()),
        "payload": pa.string(),
    }
)
FINE: dict[str, Any] = {
    "delivery": 0,
    "refused": False,
    "timestamp_seconds": 100,
    "extra_fields": None,
    "rules": [],
    "payload": "{}",
}


def judged(spark, *differs: dict[str, Any]):
    return spark.createDataFrame(pa.Table.from_pylist([{**FINE, **one} for one in differs], JUDGED))


def test_delivered_counts(spark):
    rows = judged(
        spark,
        {},
        {"timestamp_seconds": 300},
        {"timestamp_seconds": 200, "extra_fields": ["a", "\u2713"]},
        {"refused": True, "payload": "\u00f6\u00f6", "timestamp_seconds": 5, "rules": ["one", "two"]},
        {"refused": True, "timestamp_seconds": None, "rules": ["two"]},
        {"delivery": 1, "refused": True, "timestamp_seconds": 7, "rules": ["two"]},
        {"delivery": None, "timestamp_seconds": 9},
    )
    counted = {row.delivery: row.asDict() for row in ledger.delivered_counts(rows, ["one", "two"]).collect()}
    assert counted == {
        0: {
            "delivery": 0,
            "delivered": 5,
            "quarantined": 2,
            "first_second": 100,
            "last_second": 300,
            "drifted": True,
            "bytes_aside": len("a") + 3 + 4 + len("{}"),
            "one": 1,
            "two": 2,
        },
        1: {
            "delivery": 1,
            "delivered": 1,
            "quarantined": 1,
            "first_second": None,
            "last_second": None,
            "drifted": False,
            "bytes_aside": 2,
            "one": 0,
            "two": 1,
        },
        None: {
            "delivery": None,
            "delivered": 1,
            "quarantined": 0,
            "first_second": 9,
            "last_second": 9,
            "drifted": False,
            "bytes_aside": 0,
            "one": 0,
            "two": 0,
        },
    }


def test_day_spans(spark):
    seconds = [86_399, 86_400, 90_000, 100_000, -1]
    spans = ledger.day_spans(judged(spark, *[{"timestamp_seconds": second} for second in seconds])).collect()
    epoch = datetime(1970, 1, 1)  # noqa: DTZ001 - as the session's zone, UTC, shows it
    assert sorted((row.day, row["first"] - epoch, row["last"] - epoch) for row in spans) == [
        (date(1969, 12, 31), timedelta(seconds=-1), timedelta(seconds=-1)),
        (date(1970, 1, 1), timedelta(seconds=86_399), timedelta(seconds=86_399)),
        (date(1970, 1, 2), timedelta(seconds=86_400), timedelta(seconds=100_000)),
    ]


def test_accepted_by_hour(spark):
    events = [
        (1, "a", DAY),
        (1, "a", DAY + timedelta(minutes=59, seconds=59)),
        (1, "a", DAY + timedelta(hours=1)),
        (1, "b", DAY),
        (2, "a", DAY),
    ]
    columns = zip(*events, strict=True)
    frame = spark.createDataFrame(
        pa.table([*map(pa.array, columns)], names=["batch_id", "source", "event_time"])
    )
    rows = ledger.accepted_by_hour(frame).collect()
    assert sorted((row.batch_id, row.source, row.hour.hour, row.accepted) for row in rows) == [
        (1, "a", 0, 2),
        (1, "a", 1, 1),
        (1, "b", 0, 1),
        (2, "a", 0, 1),
    ]


def test_unknown_fields(spark):
    rows = judged(
        spark,
        {},
        {"extra_fields": ["a"]},
        {"extra_fields": ["a", "b"]},
        {"extra_fields": ["a"], "refused": True},
        {"extra_fields": ["a"], "delivery": 1},
    )
    numbered = pa.table(
        {"delivery": pa.array([0, 1], pa.int32()), "source": ["x", "y"], "batch_id": [4, 5]},
    )
    unknown = ledger.unknown_fields(rows, spark.createDataFrame(numbered))
    assert unknown.columns == ["batch_id", "source", "field", "records"]
    assert sorted(tuple(row) for row in unknown.collect()) == [
        (4, "x", "a", 3),
        (4, "x", "b", 1),
        (5, "y", "a", 1),
    ]


def at(day: int, hour: int = 10) -> int:
    """An hour so many days before DAY, counted from 1970."""
    return int((DAY + timedelta(hours=hour) - timedelta(days=day)).timestamp()) // 3600


VOLUMES = {
    "as usual": ({at(0): 10, at(1): 10, at(2): 10}, 1.0),
    "twice as much": ({at(0): 30, at(1): 10, at(2): 20}, 2.0),
    "nothing to compare": ({at(0): 10}, None),
    "days that have none are left out": ({at(0): 10, at(5): 20, at(27): 30}, 0.4),
    "28 days ago counts": ({at(0): 10, at(28): 40}, 0.25),
    "29 days ago does not": ({at(0): 10, at(29): 40}, None),
    "28 and 29 days ago": ({at(0): 10, at(28): 5, at(29): 500}, 2.0),
    "other hours do not count": ({at(0): 10, at(1, 9): 500, at(1): 20}, 0.5),
    "later days do not count": ({at(0): 10, at(-1): 500, at(1): 20}, 0.5),
}


@pytest.mark.parametrize("case", VOLUMES)
def test_volume_ratio_of_an_hour(case):
    volume, ratio = VOLUMES[case]
    assert ledger.volume_ratios(volume, [at(0)]).get(at(0)) == ratio


def test_volume_ratios_of_several_hours():
    volume = {at(0, 23): 6, at(1, 23): 3, at(1, 0): 8, at(2, 0): 2, at(2, 7): 1}
    ratios = ledger.volume_ratios(volume, [at(0, 23), at(1, 0), at(2, 7)])
    assert ratios == {at(0, 23): 2.0, at(1, 0): 4.0}


def test_the_first_hour_of_the_calendar_has_a_ratio():
    """A suite may let any year pass; there is nothing before year 1 to compare with."""
    first = int(datetime(1, 1, 1, tzinfo=UTC).timestamp()) // 3600
    assert ledger.volume_ratios({first: 4, first + 24: 2}, [first, first + 24]) == {first + 24: 0.5}
