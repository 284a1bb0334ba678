"""Every change of a published number is logged: which, from what, to what, why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from delta.tables import DeltaTable

from conf import cluster, notes, tables, warehouse
from conf.home import Home
from conf.tables import GOLD, GOLD_RESTATEMENTS, PLACEMENT_DAILY, SILVER_EVENTS, Table
from gold import preview, progress, publish, restatements, statistics, verify
from tests.gold.events import TEN, event

DAY = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOTHING = (None, None, None)


def add(spark, home: Home, *events: dict[str, Any], **note: Any) -> None:
    frame = warehouse.local(spark, home, SILVER_EVENTS, list(events))
    writer = frame.write.format("delta").mode("append")
    writer.option("userMetadata", notes.of(spark, **note)).save(home.table(SILVER_EVENTS))


def silver(spark, home: Home) -> DeltaTable:
    return DeltaTable.forPath(spark, home.table(SILVER_EVENTS))


def published(home: Home) -> dict[tuple[str, str, datetime], tuple[int, int, int]]:
    """Every bucket of gold and its numbers."""
    held = {}
    for table in GOLD:
        for row in warehouse.state(home, table).to_pyarrow_table().to_pylist():
            key, bucket, *numbers = row.values()
            moment = (
                bucket
                if isinstance(bucket, datetime)
                else datetime(bucket.year, bucket.month, bucket.day, tzinfo=UTC)
            )
            held[table.name, key, moment] = tuple(numbers)
    return held


def start(bucket: date) -> datetime:
    return (
        bucket
        if isinstance(bucket, datetime)
        else datetime(bucket.year, bucket.month, bucket.day, tzinfo=UTC)
    )


def logged(home: Home) -> list[dict[str, Any]]:
    """The log, in the order it was written: a restatement tells the version of silver it comes from."""
    held = warehouse.state(home, GOLD_RESTATEMENTS).to_pyarrow_table().to_pylist()
    return sorted(held, key=lambda row: row["restated_at"])


def numbers(row: dict[str, Any], age: str) -> tuple[int | None, ...]:
    return tuple(row[f"{age}_{name}"] for name in tables.STATISTICS)


@pytest.fixture(scope="module", params=[cluster.PARTITION_BYTES, 1], ids=["small", "large"])
def empty(spark, tmp_path_factory, request) -> Iterator[Home]:
    """What is a batch of few bytes is in the second large: Spark writes its restatements."""
    home = Home(tmp_path_factory.mktemp("restated") / "home")
    for table in (SILVER_EVENTS, GOLD_RESTATEMENTS, *GOLD):
        warehouse._create(spark, home, table)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "PARTITION_BYTES", request.param)
        yield home


STEPS = [
    pytest.param(lambda spark, home: add(spark, home, event("u1"), event("u2")), id="first"),
    pytest.param(lambda spark, home: add(spark, home, event("u3", kind=1, source="late")), id="late"),
    pytest.param(lambda spark, home: add(spark, home, event("u3", TEN + HOUR, source="late")), id="hour"),
    pytest.param(lambda spark, home: silver(spark, home).delete("source = 'late'"), id="taken-back"),
    pytest.param(
        lambda spark, home: add(spark, home, event("u9", TEN + HOUR, source="b"), cause="rule_change"),
        id="again",
    ),
]


@pytest.fixture(scope="module")
def story(spark, empty) -> tuple[Home, dict[Any, Any]]:
    """The steps, one after another; and what each bucket was when it was first published."""
    first: dict[Any, Any] = {}
    for step in STEPS:
        step.values[0](spark, empty)  # type: ignore[operator]
        publish.publish(spark, empty)
        first = published(empty) | first
    return empty, first


def test_spark_writes_the_restatements_of_a_large_batch_alone(story):
    *commits, _ = warehouse.state(story[0], GOLD_RESTATEMENTS).history()
    engine = "delta-rs" if cluster.PARTITION_BYTES > 1 else "Apache-Spark"
    assert len(commits) == 4
    assert {commit["engineInfo"].startswith(engine) for commit in commits} == {True}


def test_the_log_tells_every_change(story):
    hours = [row for row in logged(story[0]) if row["table_name"] == "gold.page_hourly"]
    told = [
        (
            row["silver_version"],
            row["bucket"],
            numbers(row, "old"),
            numbers(row, "new"),
            row["cause"],
            row["sources"],
        )
        for row in hours
    ]
    assert sorted(told, key=lambda row: row[:2]) == [
        (2, TEN, (2, 0, 2), (2, 1, 3), "late", ["late"]),
        (4, TEN, (2, 1, 3), (2, 0, 2), "late", ["late"]),
        (4, TEN + HOUR, (1, 0, 1), NOTHING, "late", ["late"]),
        (5, TEN + HOUR, NOTHING, (1, 0, 1), "rule_change", ["b"]),
    ]


def test_replayed_over_the_first_published_it_gives_todays_gold(story):
    home, first = story
    replayed = dict(first)
    for row in logged(home):
        place = row["table_name"], row["key"], row["bucket"]
        assert (replayed.get(place) or NOTHING) == numbers(row, "old")
        replayed[place] = numbers(row, "new")
    assert {place: held for place, held in replayed.items() if held != NOTHING} == published(home)


def test_it_says_which_version_of_silver_and_when(story):
    rows = logged(story[0])
    assert [row["silver_version"] for row in rows] == sorted(row["silver_version"] for row in rows)
    assert {row["silver_version"] for row in rows} == {2, 3, 4, 5}
    assert all(row["restated_at"].tzinfo for row in rows)


def test_nothing_restated_nothing_written(spark, story):
    """A new hour of another day is published, and is news, no restatement."""
    home = story[0]
    before = warehouse.state(home, GOLD_RESTATEMENTS).version()
    add(spark, home, event("u1", TEN + 48 * HOUR))
    publish.publish(spark, home)
    assert warehouse.state(home, GOLD_RESTATEMENTS).version() == before


def test_silver_touched_and_nothing_changed_is_taken_once(spark, story):
    home = story[0]
    silver(spark, home).update("user_id = 'u1'", {"source": "'z'"})
    publish.publish(spark, home)
    assert progress.waiting(home)[0] == progress.waiting(home)[1]
    assert set(progress.taken(home).values()) == {warehouse.state(home, SILVER_EVENTS).version()}
    assert verify.verify(spark, home) == []


@pytest.fixture
def falsified(spark, story) -> tuple[Home, Table]:
    """One number of gold changed by hand."""
    home = story[0]
    table = DeltaTable.forPath(spark, home.table(PLACEMENT_DAILY))
    table.update("day = DATE '2026-03-01'", {"views": "views + 4"})
    return home, PLACEMENT_DAILY


def test_a_number_changed_by_hand_is_found_and_put_right(spark, falsified):
    home, table = falsified
    [found] = verify.verify(spark, home)
    assert found.table == table.name
    assert found.where == {"placement_id": "p", "day": date(2026, 3, 1)}
    assert found.found == {"views": 7, "clicks": 0, "distinct_users": 3}
    assert found.expected == {"views": 3, "clicks": 0, "distinct_users": 3}
    publish.recount(spark, home, DAY + 24 * HOUR, DAY + 48 * HOUR)
    assert len(verify.verify(spark, home)) == 1  # another day was asked for
    assert publish.recount(spark, home, DAY + 5 * HOUR, DAY + 6 * HOUR) == [publish.Published(table.name, 1)]
    assert verify.verify(spark, home) == []
    [*_, last] = logged(home)
    assert (numbers(last, "old"), numbers(last, "new")) == ((7, 0, 3), (3, 0, 3))
    assert (last["cause"], last["sources"], last["silver_version"]) == ("reprocess", [], None)


def test_a_preview_is_what_comes(spark, story):
    """u2 goes and u5 comes in silver: gold shows beforehand what it will publish."""
    home = story[0]
    go = (
        warehouse.read(spark, home, SILVER_EVENTS)
        .where("user_id = 'u2'")
        .selectExpr("*", "true AS gone", "false AS unknown")
    )
    come = warehouse.local(spark, home, SILVER_EVENTS, [event("u5", TEN + 2 * HOUR, kind=1)])
    come = come.selectExpr("*", "false AS gone", "true AS unknown")
    changes = preview.preview(spark, home, go.unionByName(come))
    hours = [one for one in changes.largest if one.table_name == "gold.page_hourly"]
    assert {one.bucket.hour: (one.before, one.after) for one in hours} == {
        10: ([2, 0, 2], [1, 0, 1]),
        12: (None, [0, 1, 1]),
    }
    assert {one.table_name: (one.buckets, one.views, one.clicks) for one in changes.totals} == {
        "gold.page_daily": (1, -1, 1),
        "gold.page_hourly": (2, -1, 1),
        "gold.placement_daily": (1, -1, 1),
        "gold.placement_hourly": (2, -1, 1),
    }


def test_a_crash_between_log_and_tables_is_finished_as_it_was_logged(spark, story):
    """More arrives before the next run: the log's values were published, and then the newer ones."""
    home = story[0]
    count = len(logged(home))
    add(spark, home, event("u20"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish, "_merge", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            publish.publish(spark, home)
    add(spark, home, event("u21"))
    publish.publish(spark, home)
    hours = [row for row in logged(home)[count:] if row["table_name"] == "gold.page_hourly"]
    assert [(numbers(row, "old"), numbers(row, "new")) for row in hours] == [
        ((2, 0, 2), (3, 0, 3)),
        ((3, 0, 3), (4, 0, 4)),
    ]
    assert verify.verify(spark, home) == []


@pytest.mark.parametrize(
    ("causes", "named"),
    [
        ({}, "late"),
        ({2: "reprocess"}, "reprocess"),
        ({1: "rule_change", 2: "reprocess"}, "rule_change"),
        ({9: "rule_change"}, "late"),
    ],
)
def test_the_gravest_cause_is_named(spark, causes, named):
    schema = (
        "_commit_version bigint, placement_id string, page_id string, hour timestamp, day date, source string"
    )
    touched = spark.createDataFrame(
        [(1, "p", "g", DAY, DAY.date(), "a"), (2, "p", "g", DAY, DAY.date(), "b")], schema
    )
    caused = touched.transform(restatements.caused, causes)
    why = restatements.reasons(statistics.buckets(caused, "source", "cause"))
    assert {restatements.CAUSES[row.cause] for row in why.collect()} == {named}
    assert {tuple(row.sources) for row in why.collect()} == {("a", "b")}
