"""Rows written without Spark: once, in place of what was begun, and as Spark would read them."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from conf import entries, notes, runs, warehouse
from conf.home import Home
from conf.tables import BRONZE_EVENTS, SILVER_VOLUME

HOUR = datetime(2026, 3, 1, 10, tzinfo=UTC)
SOURCE = "bronze.events/one"
ROW = {"batch_id": 1, "hour": HOUR, "accepted": 7}


def rows(*batches: int) -> list[dict[str, object]]:
    return [{**ROW, "batch_id": batch} for batch in batches]


def held(spark, home: Home) -> list[tuple[object, ...]]:
    """Every row, as Spark reads it."""
    return sorted(tuple(row) for row in warehouse.read(spark, home, SILVER_VOLUME).collect())


def batches(spark, home: Home) -> list[object]:
    return [batch for batch, *_ in held(spark, home)]


@pytest.fixture(params=["plain", "a [home] | it's ^ mine"])
def volume(spark, tmp_path, request) -> Home:
    """A lakehouse whose one table is silver.volume; delta-rs does not write below the second name."""
    home = Home(tmp_path / request.param)
    warehouse._create(spark, home, SILVER_VOLUME)
    return home


def version(home: Home) -> int:
    return warehouse.state(home, SILVER_VOLUME).version()


def test_the_same_append_twice_is_one(spark, volume):
    for upto in (2, 2, 1):
        entries.append([ROW], volume, SILVER_VOLUME, SOURCE, upto)
    assert held(spark, volume) == [(1, HOUR.replace(tzinfo=None), 7)]
    assert (version(volume), warehouse.marker(volume, SILVER_VOLUME, SOURCE)) == (1, 2)


def test_an_append_of_another_source_is_another(spark, volume):
    entries.append(rows(1), volume, SILVER_VOLUME, SOURCE, 1)
    entries.append(rows(2), volume, SILVER_VOLUME, "bronze.events/two", 1)
    assert batches(spark, volume) == [1, 2]


def test_an_append_of_no_rows_is_noted(spark, volume):
    entries.append([], volume, SILVER_VOLUME, SOURCE, 5)
    assert held(spark, volume) == []
    assert warehouse.marker(volume, SILVER_VOLUME, SOURCE) == 5


def test_a_column_that_is_lacking_is_null(spark, volume):
    entries.append([{"batch_id": 3}], volume, SILVER_VOLUME, SOURCE, 1)
    assert held(spark, volume) == [(3, None, None)]


def test_rows_that_spark_counted(spark, volume):
    counted = spark.sql("SELECT 5L AS accepted, timestamp'2026-03-01 10:00:00' AS hour, 4L AS batch_id")
    entries.append(counted.toArrow(), volume, SILVER_VOLUME, SOURCE, 1)
    assert held(spark, volume) == [(4, HOUR.replace(tzinfo=None), 5)]


def test_replace_after(spark, volume):
    for taken, upto, new in ((0, 1, [1]), (1, 3, [2, 3]), (1, 4, [3, 4])):
        entries.replace_after(rows(*new), volume, SILVER_VOLUME, SOURCE, taken, upto)
    assert batches(spark, volume) == [1, 3, 4]


def test_replacing_by_nothing_removes_what_was_begun(spark, volume):
    entries.replace_after(rows(1), volume, SILVER_VOLUME, SOURCE, 0, 1)
    entries.replace_after(rows(2), volume, SILVER_VOLUME, SOURCE, 1, 2)
    entries.replace_after([], volume, SILVER_VOLUME, SOURCE, 1, 2)
    assert batches(spark, volume) == [1]


def test_the_commit_notes_its_run_and_what_it_added(spark, volume):
    with notes.noting(spark, run="20260301T000000Z-abcd", verb="run", who="ann"):
        entries.append(rows(1, 2), volume, SILVER_VOLUME, SOURCE, 9)
    commit, _ = runs.commits(volume, SILVER_VOLUME)
    assert (commit.run, commit.verb, commit.who, commit.batch) == ("20260301T000000Z-abcd", "run", "ann", 9)
    assert (commit.added, commit.changed, commit.removed) == (2, 0, 0)
    table = volume.table(SILVER_VOLUME)
    told = spark.sql(f"DESCRIBE HISTORY delta.`{table}`").select("userMetadata").first()[0]
    assert '"run": "20260301T000000Z-abcd"' in told


def test_every_version_can_be_asked_for_by_its_time(spark, volume):
    for batch in (1, 2):
        entries.append(rows(batch), volume, SILVER_VOLUME, SOURCE, batch)
    moment = datetime.now(UTC).replace(tzinfo=None)
    entries.append(rows(3), volume, SILVER_VOLUME, SOURCE, 3)
    there = volume.table(SILVER_VOLUME)
    assert warehouse.read_version(spark, volume, SILVER_VOLUME, 1).count() == 1
    assert spark.sql(f"SELECT * FROM delta.`{there}` TIMESTAMP AS OF '{moment}'").count() == 2


def test_a_checkpoint_is_written_as_often_as_the_table_says(spark, volume):
    every = int(warehouse.state(volume, SILVER_VOLUME).metadata().configuration["delta.checkpointInterval"])
    for batch in range(1, every + 1):
        entries.append(rows(batch), volume, SILVER_VOLUME, SOURCE, batch)
    log = volume.folder(SILVER_VOLUME) / "_delta_log"
    assert len(list(log.glob("*.checkpoint.parquet"))) == 1
    assert batches(spark, volume) == list(range(1, every + 1))


@pytest.mark.parametrize("table", warehouse.WITHOUT_SPARK, ids=lambda table: table.name)
def test_a_table_of_an_earlier_version_is_opened_to_delta_rs(spark, home, monkeypatch, table):
    with monkeypatch.context() as earlier:
        earlier.setattr(warehouse, "WITHOUT_SPARK", ())
        warehouse._create(spark, home, table)
    warehouse.append(warehouse.local(spark, home, table, [{}]), home, table, SOURCE, 1)
    made = warehouse.identity(home, table)
    warehouse._make_complete(spark, home, table)
    assert warehouse.identity(home, table) == made
    assert warehouse.marker(home, table, SOURCE) == 1
    entries.append([{}, {}], home, table, SOURCE, 2)
    assert warehouse.read(spark, home, table).count() == 3
    opened = warehouse.state(home, table).version()
    warehouse._make_complete(spark, home, table)
    assert warehouse.state(home, table).version() == opened


def test_a_table_that_spark_alone_writes_is_left_as_it_was(spark, home):
    warehouse._create(spark, home, BRONZE_EVENTS)
    nothing = pa.table({field.name: [] for field in warehouse.state(home, BRONZE_EVENTS).schema().fields})
    with pytest.raises(Exception, match="InCommitTimestamp"):
        entries.append(nothing, home, BRONZE_EVENTS, SOURCE, 1)
    assert warehouse.state(home, BRONZE_EVENTS).version() == 0
