"""How large files are, beside the sizes the disk tells; and what follows for the plan."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conf import cluster, notes, sizes, warehouse
from conf.home import Home
from conf.tables import SILVER_EVENTS

FIRST = datetime(2026, 3, 1, 10, tzinfo=UTC)
SECOND = FIRST + timedelta(days=1)


def event(moment: datetime, batch: int) -> dict[str, Any]:
    ids = dict.fromkeys(["banner_id", "placement_id", "page_id", "user_id"], "x")
    return {**ids, "event_time": moment, "event_date": moment.date(), "event_type": 0, "batch_id": batch}


@pytest.fixture
def held(spark, lake: Home) -> Home:
    """Two days, the second in two batches."""
    notes.run_is(spark, "run")
    for batch, moments in ((1, [FIRST, SECOND]), (2, [SECOND + timedelta(hours=1)])):
        rows = warehouse.local(spark, lake, SILVER_EVENTS, [event(moment, batch) for moment in moments])
        warehouse.append(rows, lake, SILVER_EVENTS, "source", batch)
    return lake


def on_disk(home: Home, *days: datetime) -> list[int]:
    """File sizes of these days."""
    folder = home.warehouse / "silver" / "events"
    return sorted(
        file.stat().st_size for day in days for file in folder.glob(f"event_date={day.date()}/*.parquet")
    )


def test_of_all_files(held):
    assert sizes.of_table(held, SILVER_EVENTS) == sum(on_disk(held, FIRST, SECOND))


def test_of_days(held):
    assert sizes.of_days(held, SILVER_EVENTS, [SECOND.date()]) == sum(on_disk(held, SECOND))
    assert sizes.of_days(held, SILVER_EVENTS, [FIRST.date(), SECOND.date()]) == sum(
        on_disk(held, FIRST, SECOND)
    )
    assert sizes.of_days(held, SILVER_EVENTS, []) == 0


def test_past_a_batch(held):
    assert sizes.past(held, SILVER_EVENTS, "batch_id", 0) == sum(on_disk(held, FIRST, SECOND))
    assert sizes.past(held, SILVER_EVENTS, "batch_id", 1) in on_disk(held, SECOND)
    assert sizes.past(held, SILVER_EVENTS, "batch_id", 2) == 0


def test_of_the_files_of_a_span_of_days(held):
    spans = {
        (-3, -1): 0,
        (-1, 0): sum(on_disk(held, FIRST)),
        (0, 0): sum(on_disk(held, FIRST)),
        (1, 1): sum(on_disk(held, SECOND)),
        (0, 1): sum(on_disk(held, FIRST, SECOND)),
        (1, 5): sum(on_disk(held, SECOND)),
        (2, 5): 0,
    }
    found = {
        (first, last): sizes.of_span(
            held,
            SILVER_EVENTS,
            "event_time",
            (FIRST + timedelta(first)).date(),
            (FIRST + timedelta(last)).date(),
        )
        for first, last in spans
    }
    assert found == spans


def test_written_since_a_version(held):
    version = warehouse.state(held, SILVER_EVENTS).version()
    assert sizes.written_since(held, SILVER_EVENTS, version) == 0
    assert sizes.written_since(held, SILVER_EVENTS, version - 1) in on_disk(held, SECOND)


def test_a_commit_that_does_not_say_counts_as_everything(held):
    """The first version is the table's creation."""
    everything = sizes.of_table(held, SILVER_EVENTS)
    assert sizes.written_since(held, SILVER_EVENTS, -1) == everything


def test_an_empty_table_has_no_bytes(lake):
    assert sizes.of_table(lake, SILVER_EVENTS) == 0
    assert sizes.of_days(lake, SILVER_EVENTS, [FIRST.date()]) == 0
    assert sizes.past(lake, SILVER_EVENTS, "batch_id", 0) == 0
    assert sizes.of_span(lake, SILVER_EVENTS, "event_time", FIRST.date(), SECOND.date()) == 0


@pytest.mark.parametrize(("size", "adaptive"), [(0, "false"), (cluster.FEW_BYTES, "true")])
def test_a_few_bytes_are_planned_without_adaptive_execution(spark, size, adaptive):
    name = "spark.sql.adaptive.enabled"
    before = spark.conf.get(name)
    spark.conf.set(name, "true")
    try:
        with cluster.planned_for(spark, size):
            assert spark.conf.get(name) == adaptive
        assert spark.conf.get(name) == "true"
    finally:
        spark.conf.set(name, before)
