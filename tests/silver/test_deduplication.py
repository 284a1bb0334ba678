"""One event, however often and in whatever order it is delivered."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from silver import deduplication

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONE = datetime(2026, 3, 1, 13, tzinfo=UTC)
EVENT = {
    "event_time": NOON,
    "event_type": 0,
    "banner_id": "b",
    "placement_id": "p",
    "page_id": "g",
    "user_id": "u",
}
SCHEMA = pa.schema(
    {
        "event_time": pa.timestamp("us", "UTC"),
        "event_type": pa.int32(),
        **dict.fromkeys(["banner_id", "placement_id", "page_id", "user_id"], pa.string()),
        "delivery": pa.int32(),
    }
)
OTHERS = [
    pytest.param({"event_time": NOON.replace(second=1)}, id="a-second-later"),
    pytest.param({"event_type": 1}, id="click-after-view"),
    pytest.param({"banner_id": "b2"}, id="another-banner"),
    pytest.param({"placement_id": "p2"}, id="another-placement"),
    pytest.param({"page_id": "g2"}, id="another-page"),
    pytest.param({"user_id": "u2"}, id="another-user"),
    pytest.param({"user_id": "U"}, id="another-case"),
    pytest.param({"user_id": "u "}, id="a-space-after"),
    pytest.param({"user_id": "e\u0301"}, id="decomposed"),
]


def events(spark, *differs: dict[str, Any]):
    rows = [{**EVENT, "delivery": 0, **one} for one in differs]
    return spark.createDataFrame(pa.Table.from_pylist(rows, SCHEMA))


def kept(frame) -> list[tuple[str, int]]:
    return sorted((row.user_id, row.delivery) for row in frame.collect())


@pytest.mark.parametrize("second", OTHERS)
def test_another_event_is_kept(spark, second):
    assert deduplication.first_delivery(events(spark, {}, second)).count() == 2


def test_the_first_delivery_stands_for_all(spark):
    delivered: list[dict[str, Any]] = [
        {"delivery": 3},
        {"delivery": 1},
        {"delivery": 2},
        {"user_id": "v", "delivery": 2},
    ]
    for order in itertools.islice(itertools.permutations(delivered), 0, None, 7):
        assert kept(deduplication.first_delivery(events(spark, *order))) == [("u", 1), ("v", 2)]


def test_the_same_event_twice_in_one_delivery_is_one(spark):
    assert kept(deduplication.first_delivery(events(spark, {}, {}, {}))) == [("u", 0)]


@pytest.mark.parametrize("known", OTHERS)
def test_another_known_event_hides_nothing(spark, known):
    distinct = events(spark, {})
    assert kept(deduplication.unseen(distinct, events(spark, known))) == [("u", 0)]


def test_a_known_event_is_not_new(spark):
    distinct = events(spark, {}, {"user_id": "v", "delivery": 1})
    assert kept(deduplication.unseen(distinct, events(spark, {"delivery": 9}))) == [("v", 1)]


def test_what_cannot_repeat_is_left_out(spark):
    known = events(spark, {"user_id": "v"}, {"event_type": 1}, {"delivery": 9})
    assert kept(deduplication.alike(known, events(spark, {}, {"user_id": "w"}))) == [("u", 9)]


def test_nothing_is_known_at_first(spark):
    assert kept(deduplication.unseen(events(spark, {}), events(spark))) == [("u", 0)]


def test_records_become_events(spark):
    valid = spark.sql(
        "SELECT 1772366400L timestamp_seconds, 1 event_type, 'b' banner_id, 'p' placement_id, 'g' page_id, "
        "'u' user_id, 4 delivery"
    )
    [row] = deduplication.events(valid).collect()
    assert row.asDict() == {
        "event_time": datetime(2026, 3, 1, 12),  # noqa: DTZ001 - as the session's zone, UTC, shows it
        "event_type": 1,
        "banner_id": "b",
        "placement_id": "p",
        "page_id": "g",
        "user_id": "u",
        "delivery": 4,
    }


def test_an_accepted_event_says_where_it_came_from(spark):
    columns = {
        "delivery": pa.array([0, 1], pa.int32()),
        "source": ["a.jsonl", "b.jsonl"],
        "ingested_at": pa.array([NOON, ONE], pa.timestamp("us", "UTC")),
        "batch_id": pa.array([1, 2], pa.int64()),
    }
    late = {"event_time": datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC), "delivery": 1}
    accepted = deduplication.accepted(events(spark, late), spark.createDataFrame(pa.table(columns)))
    [row] = accepted.collect()
    assert accepted.columns == [*EVENT, "event_date", "source", "ingested_at", "batch_id"]
    assert (row.event_date, row.source, row.batch_id) == (date(2026, 2, 28), "b.jsonl", 2)
    assert row.ingested_at.replace(tzinfo=UTC) == ONE
