"""Promises of gold, kept on tables: recounted where silver changed, and nowhere else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from delta.tables import DeltaTable

from conf import tables, warehouse
from conf.errors import LakehouseError
from conf.home import Home
from conf.tables import (
    GOLD,
    GOLD_RESTATEMENTS,
    PAGE_DAILY,
    PAGE_HOURLY,
    PLACEMENT_DAILY,
    PLACEMENT_HOURLY,
    SILVER_EVENTS,
    Table,
)
from gold import progress, publish
from tests.gold.events import TEN, event

LATE = TEN - timedelta(days=365)


def kept_jobs(spark) -> int:
    """Queries whose jobs, plans and broadcasts Spark holds on to."""
    return int(spark.sparkContext._jsc.sc().dagScheduler().activeQueryToJobs().size())


def add(spark, home: Home, *events: dict[str, Any]) -> None:
    frame = warehouse.local(spark, home, SILVER_EVENTS, list(events))
    frame.write.format("delta").mode("append").save(home.table(SILVER_EVENTS))


def rows(home: Home, table: Table) -> list[tuple[Any, ...]]:
    held = warehouse.state(home, table).to_pyarrow_table().to_pylist()
    return sorted(tuple(row.values()) for row in held)


def gold(home: Home) -> dict[str, list[tuple[Any, ...]]]:
    return {table.short_name: rows(home, table) for table in GOLD}


def versions(home: Home) -> list[int]:
    return [warehouse.state(home, table).version() for table in GOLD]


def buckets(published: list[publish.Published]) -> list[int]:
    return [one.buckets for one in published]


@pytest.fixture(scope="module")
def copy_of(tmp_path_factory) -> Callable[[Home], Home]:
    """A lakehouse of the same content in a place of its own."""

    def copy(home: Home) -> Home:
        place = tmp_path_factory.mktemp("lake") / "home"
        shutil.copytree(home.root, place)
        return Home(place)

    return copy


@pytest.fixture(scope="module")
def empty(spark, tmp_path_factory) -> Home:
    """silver.events and gold, empty."""
    home = Home(tmp_path_factory.mktemp("empty") / "home")
    for table in (SILVER_EVENTS, GOLD_RESTATEMENTS, *GOLD):
        warehouse._create(spark, home, table)
    return home


@pytest.fixture(scope="module")
def counted(spark, empty, copy_of: Callable[[Home], Home]) -> Home:
    """Two days, counted from scratch."""
    home = copy_of(empty)
    yesterday = TEN - timedelta(days=1)
    add(spark, home, event("u1"), event("u1", kind=1), event("u2", page="g2"), event("u1", yesterday))
    assert buckets(publish.publish(spark, home)) == [2, 2, 3, 3]
    return home


def test_from_scratch(counted):
    saturday, sunday = date(2026, 2, 28), date(2026, 3, 1)
    yesterday = TEN - timedelta(days=1)
    assert gold(counted) == {
        "placement_hourly": [("p", yesterday, 1, 0, 1), ("p", TEN, 2, 1, 2)],
        "placement_daily": [("p", saturday, 1, 0, 1), ("p", sunday, 2, 1, 2)],
        "page_hourly": [("g", yesterday, 1, 0, 1), ("g", TEN, 1, 1, 1), ("g2", TEN, 1, 0, 1)],
        "page_daily": [("g", saturday, 1, 0, 1), ("g", sunday, 1, 1, 1), ("g2", sunday, 1, 0, 1)],
    }


def test_nothing_new_commits_nothing(spark, counted):
    before = versions(counted)
    assert progress.waiting(counted) == (1, 1)
    assert publish.publish(spark, counted) == []
    assert versions(counted) == before


def test_a_commit_of_silver_that_holds_no_event_wakes_nothing(spark, counted, copy_of):
    home = copy_of(counted)
    warehouse.append(warehouse.local(spark, home, SILVER_EVENTS, []), home, SILVER_EVENTS, "s", 1)
    before = versions(home)
    assert progress.waiting(home) == (2, 2)
    assert publish.publish(spark, home) == []
    assert versions(home) == before


def test_no_silver_at_all(home):
    assert progress.waiting(home) == (0, 0)


def test_a_touched_bucket_is_recounted_whole(spark, counted, copy_of):
    """A user known in the bucket counts once; the day is recounted, its other hour is left."""
    home = copy_of(counted)
    eleven = TEN + timedelta(hours=1)
    add(spark, home, event("u1", TEN.replace(minute=30)), event("u1", eleven), event("u3", eleven))
    assert buckets(publish.publish(spark, home)) == [2, 1, 2, 1]
    assert rows(home, PLACEMENT_HOURLY)[1:] == [("p", TEN, 3, 1, 2), ("p", eleven, 2, 0, 2)]
    assert rows(home, PLACEMENT_DAILY)[1:] == [("p", date(2026, 3, 1), 5, 1, 3)]
    assert rows(home, PAGE_HOURLY)[1:] == [
        ("g", TEN, 2, 1, 1),
        ("g", eleven, 2, 0, 2),
        ("g2", TEN, 1, 0, 1),
    ]
    assert rows(home, PAGE_DAILY)[1:] == [("g", date(2026, 3, 1), 4, 1, 2), ("g2", date(2026, 3, 1), 1, 0, 1)]


@pytest.fixture(scope="module")
def step_by_step(spark, counted, copy_of) -> tuple[Home, dict[str, set[str]], dict[str, set[str]]]:
    """A late event a year old, counted on top; and the files of each table before and after."""
    home = copy_of(counted)
    before = {table.short_name: files(home, table) for table in GOLD}
    add(spark, home, event("u9", LATE, kind=1))
    assert buckets(publish.publish(spark, home)) == [1, 1, 1, 1]
    return home, before, {table.short_name: files(home, table) for table in GOLD}


def files(home: Home, table: Table) -> set[str]:
    return set(warehouse.state(home, table).file_uris())


def test_a_late_event_touches_its_buckets_alone(step_by_step, counted):
    added = {"hourly": ("p", LATE, 0, 1, 1), "daily": ("p", LATE.date(), 0, 1, 1)}
    before, after = gold(counted), gold(step_by_step[0])
    for name, held in after.items():
        subject, bucket = name.split("_")
        late = added[bucket] if subject == "placement" else ("g", *added[bucket][1:])
        assert held == sorted([*before[name], late])


def test_a_late_event_rewrites_no_other_file(step_by_step):
    _, before, after = step_by_step
    assert {name: before[name] - after[name] for name in before} == {name: set() for name in before}


def test_counted_in_steps_or_at_once_is_the_same(spark, step_by_step, copy_of):
    """Gold thrown away is counted again from silver."""
    home = copy_of(step_by_step[0])
    shutil.rmtree(home.warehouse / "gold")
    for table in (*GOLD, GOLD_RESTATEMENTS):
        warehouse._create(spark, home, table)
    publish.publish(spark, home)
    assert gold(home) == gold(step_by_step[0])


def test_an_event_taken_out_of_silver_leaves_gold(spark, counted, copy_of):
    home = copy_of(counted)
    silver = DeltaTable.forPath(spark, home.table(SILVER_EVENTS))
    silver.delete("event_date = DATE '2026-02-28' OR user_id = 'u2'")
    publish.publish(spark, home)
    sunday = date(2026, 3, 1)
    assert gold(home) == {
        "placement_hourly": [("p", TEN, 1, 1, 1)],
        "placement_daily": [("p", sunday, 1, 1, 1)],
        "page_hourly": [("g", TEN, 1, 1, 1)],
        "page_daily": [("g", sunday, 1, 1, 1)],
    }
    assert publish.publish(spark, home) == []


def test_an_event_taken_out_and_put_back_changes_no_number(spark, counted, copy_of):
    """Silver rewritten to the same is touched, and counts the same: no table gains a version."""
    home = copy_of(counted)
    DeltaTable.forPath(spark, home.table(SILVER_EVENTS)).delete("user_id = 'u2'")
    add(spark, home, event("u2", page="g2"))
    before = versions(home)
    assert buckets(publish.publish(spark, home)) == [0, 0, 0, 0]
    assert versions(home) == before


@pytest.mark.parametrize("older", [False, True], ids=["lost", "older"])
def test_that_silver_gave_a_table_nothing_is_not_said_of_a_copy_of_it(spark, counted, copy_of, older):
    """Page tables alone have changed last, then none has: noted for each as it was then."""
    home = copy_of(counted)
    DeltaTable.forPath(spark, home.table(SILVER_EVENTS)).update("page_id = 'g2'", {"page_id": "'g3'"})
    assert buckets(publish.publish(spark, home)) == [0, 0, 2, 2]
    DeltaTable.forPath(spark, home.table(SILVER_EVENTS)).update("user_id = 'u2'", {"source": "'b'"})
    assert buckets(publish.publish(spark, home)) == [0, 0, 0, 0]
    assert progress.waiting(home) == (3, 3)
    right = gold(home)
    for table in (PAGE_DAILY, PLACEMENT_HOURLY):
        shutil.rmtree(home.table(table))
        if older:
            shutil.copytree(counted.table(table), home.table(table))
        else:
            warehouse._create(spark, home, table)
    publish.publish(spark, home)
    assert gold(home) == right
    assert publish.publish(spark, home) == []


def crashed(spark, home: Home, *dying: Table) -> None:
    """The process dies while these tables have not taken their buckets, and the others have."""
    merge = publish._merge

    def merged_or_dead(spark, home, table, *rest):
        if table in dying:
            raise KeyboardInterrupt
        merge(spark, home, table, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish, "_merge", merged_or_dead)
        with pytest.raises(KeyboardInterrupt):
            publish.publish(spark, home)


def test_a_crash_between_two_tables_heals(spark, counted, copy_of):
    """Dies when one table is done, then when two more are: the third attempt does what is left."""
    home = copy_of(counted)
    add(spark, home, event("u1", TEN.replace(minute=30)), event("u4", kind=1))
    crashed(spark, home, PLACEMENT_DAILY, PAGE_HOURLY, PAGE_DAILY)
    crashed(spark, home, PAGE_DAILY)
    between = versions(home)
    assert buckets(publish.publish(spark, home)) == [0, 0, 0, 1]
    assert versions(home)[:3] == between[:3]
    assert rows(home, PLACEMENT_HOURLY)[1:] == [("p", TEN, 3, 2, 3)]
    assert rows(home, PLACEMENT_DAILY)[1:] == [("p", date(2026, 3, 1), 3, 2, 3)]
    assert rows(home, PAGE_HOURLY)[1:] == [("g", TEN, 2, 2, 2), ("g2", TEN, 1, 0, 1)]
    assert rows(home, PAGE_DAILY)[1:] == [("g", date(2026, 3, 1), 2, 2, 2), ("g2", date(2026, 3, 1), 1, 0, 1)]
    assert publish.publish(spark, home) == []


def test_a_silver_older_than_gold_is_told(spark, counted, copy_of):
    home = copy_of(counted)
    for file in (home.warehouse / "silver" / "events" / "_delta_log").glob("*1.*"):
        file.unlink()
    before = versions(home)
    with pytest.raises(LakehouseError, match="silver is an older copy") as refused:
        publish.publish(spark, home)
    assert "ends at version 0, but gold was counted from version 1" in str(refused.value)
    assert versions(home) == before


def test_a_silver_made_anew_is_counted_anew(spark, counted, copy_of):
    """What the old one held is gone from gold, although the new one has no more versions than it."""
    home = copy_of(counted)
    shutil.rmtree(home.table(SILVER_EVENTS))
    warehouse._create(spark, home, SILVER_EVENTS)
    add(spark, home, event("u7"))
    publish.publish(spark, home)
    assert rows(home, PAGE_HOURLY) == [("g", TEN, 1, 0, 1)]
    assert rows(home, PLACEMENT_DAILY) == [("p", date(2026, 3, 1), 1, 0, 1)]


@pytest.mark.usefixtures("counted", "step_by_step")
def test_nothing_stays_in_memory(spark):
    assert spark._jsparkSession.sharedState().cacheManager().isEmpty()


def test_the_four_tables_are_the_ones_declared():
    assert [table.name for table in tables.GOLD] == [
        "gold.placement_hourly",
        "gold.placement_daily",
        "gold.page_hourly",
        "gold.page_daily",
    ]


def test_nothing_of_a_publication_is_kept_in_memory(spark, lake):
    """A stream would fill its heap: 14 MB of each of its intervals were kept once."""
    before = kept_jobs(spark)
    for number in range(3):
        add(spark, lake, event(f"u{number}"))
        publish.publish(spark, lake)
    assert kept_jobs(spark) == before
