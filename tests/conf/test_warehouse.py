"""Tables as places: made as declared, appended to exactly once."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from delta.tables import DeltaTable
from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException

from conf import feed, tables, warehouse
from conf.home import Home
from conf.tables import SILVER_DRIFT, SILVER_QUARANTINE, SILVER_VOLUME, Table

HOUR = datetime(2026, 3, 1, 10, tzinfo=UTC)
SOURCE = "bronze.events/one"


def drifts(spark, home: Home, *batches: int):
    rows = [{"batch_id": batch, "source": "a", "field": f"f{batch}", "records": 1} for batch in batches]
    return warehouse.local(spark, home, SILVER_DRIFT, rows)


def held(home: Home, table: Table = SILVER_DRIFT) -> list[tuple[int, str]]:
    """(batch_id, field) of every row."""
    rows = warehouse.state(home, table).to_pyarrow_table().to_pylist()
    return sorted((row["batch_id"], row["field"]) for row in rows)


def version(home: Home, table: Table = SILVER_DRIFT) -> int:
    return warehouse.state(home, table).version()


@pytest.fixture
def drift(spark, home: Home) -> Home:
    """A lakehouse whose one table is silver.drift."""
    warehouse._create(spark, home, SILVER_DRIFT)
    return home


def test_a_table_of_an_earlier_version_gains_the_columns_it_lacks(spark, lake):
    """Made before refused records told their time."""
    shutil.rmtree(lake.table(SILVER_QUARANTINE))
    older = replace(SILVER_QUARANTINE, ddl="payload STRING, source STRING, rules ARRAY<STRING>")
    warehouse._create(spark, lake, older)
    warehouse.create_missing(spark, lake)
    columns = {
        field.name: str(field.type) for field in warehouse.state(lake, SILVER_QUARANTINE).schema().fields
    }
    assert sorted(columns) == sorted(
        ["payload", "source", "ingested_at", "batch_id", "rules", "event_time", "valid_utf8"]
    )
    assert "timestamp" in columns["event_time"]
    made = version(lake, SILVER_QUARANTINE)
    warehouse.create_missing(spark, lake)
    assert version(lake, SILVER_QUARANTINE) == made


def test_every_table_is_made_as_declared(lake):
    for table in tables.TABLES:
        made = warehouse.state(lake, table)
        facts, fields = made.metadata(), made.schema().fields
        assert facts.description == f"One row per {table.grain}"
        assert facts.partition_columns == list(table.partition)
        assert [field.name for field in fields if not field.metadata.get("comment")] == []
        assert facts.configuration["delta.deletedFileRetentionDuration"] == "interval 30 days"
        assert facts.configuration["delta.logRetentionDuration"] == "interval 31 days"
        assert facts.configuration.get("delta.enableChangeDataFeed") == (
            "true" if table.change_feed else None
        )


def test_other_readers_can_read_every_table(lake):
    """Deletion vectors, column mapping and the like are refused, or worse, read as nulls."""
    read_by_all = {"changeDataFeed", "inCommitTimestamp", "appendOnly", "invariants"}
    for table in tables.TABLES:
        protocol = warehouse.state(lake, table).protocol()
        assert protocol.min_reader_version == 1
        assert set(protocol.writer_features or []) <= read_by_all


def test_making_them_again_changes_nothing(spark, lake):
    before = {table.name: warehouse.identity(lake, table) for table in tables.TABLES}
    warehouse.create_missing(spark, lake)
    assert {table.name: warehouse.identity(lake, table) for table in tables.TABLES} == before
    assert {version(lake, table) for table in tables.TABLES} == {0}


@pytest.mark.parametrize("left", ["_delta_log/_staged_commits/", f"_delta_log/.{0:020}.json.1f.tmp"])
def test_a_creation_that_ended_half_way_is_begun_again(spark, home, left):
    """As a full disk leaves it: Delta takes such a folder for a table, and finds none in it."""
    place = home.folder(SILVER_DRIFT) / left
    place.parent.mkdir(parents=True)
    place.mkdir() if left.endswith("/") else place.touch()
    warehouse._create(spark, home, SILVER_DRIFT)
    assert warehouse.state(home, SILVER_DRIFT).version() == 0


@pytest.mark.parametrize("name", ["part-0.parquet", "notes.txt", f"_delta_log/{9:020}.checkpoint.parquet"])
def test_a_folder_that_holds_anything_else_is_left_alone(spark, home, name):
    data = home.folder(SILVER_DRIFT) / name
    data.parent.mkdir(parents=True)
    data.write_bytes(b"PAR1")
    with pytest.raises((AnalysisException, Py4JJavaError)):
        warehouse._create(spark, home, SILVER_DRIFT)
    assert data.read_bytes() == b"PAR1"


def test_a_table_made_anew_is_another(spark, drift):
    first = warehouse.identity(drift, SILVER_DRIFT)
    warehouse.append(drifts(spark, drift, 1), drift, SILVER_DRIFT, SOURCE, 1)
    assert warehouse.identity(drift, SILVER_DRIFT) == first
    shutil.rmtree(drift.table(SILVER_DRIFT))
    assert not warehouse.exists(drift, SILVER_DRIFT)
    assert warehouse.marker(drift, SILVER_DRIFT, SOURCE) == 0
    warehouse._create(spark, drift, SILVER_DRIFT)
    assert warehouse.identity(drift, SILVER_DRIFT) != first
    assert first.startswith("silver.drift/")


def test_the_same_append_twice_is_one(spark, drift):
    for _ in range(2):
        warehouse.append(drifts(spark, drift, 1), drift, SILVER_DRIFT, SOURCE, 1)
    assert held(drift) == [(1, "f1")]
    assert version(drift) == 1
    assert warehouse.marker(drift, SILVER_DRIFT, SOURCE) == 1


def test_an_append_of_another_source_is_another(spark, drift):
    warehouse.append(drifts(spark, drift, 1), drift, SILVER_DRIFT, SOURCE, 1)
    warehouse.append(drifts(spark, drift, 2), drift, SILVER_DRIFT, "bronze.events/two", 1)
    warehouse.append(drifts(spark, drift, 3), drift, SILVER_DRIFT, SOURCE, 3)
    assert held(drift) == [(1, "f1"), (2, "f2"), (3, "f3")]
    assert warehouse.marker(drift, SILVER_DRIFT, SOURCE) == 3
    assert warehouse.marker(drift, SILVER_DRIFT, "bronze.events/two") == 1
    assert warehouse.marker(drift, SILVER_DRIFT, "nobody") == 0


def test_an_append_of_no_rows_is_noted(spark, drift):
    warehouse.append(drifts(spark, drift), drift, SILVER_DRIFT, SOURCE, 5)
    assert held(drift) == []
    assert warehouse.marker(drift, SILVER_DRIFT, SOURCE) == 5


def test_replace_after(spark, drift):
    warehouse.replace_after(drifts(spark, drift, 1), drift, SILVER_DRIFT, SOURCE, 0, 1)
    warehouse.replace_after(drifts(spark, drift, 2, 3), drift, SILVER_DRIFT, SOURCE, 1, 3)
    assert held(drift) == [(1, "f1"), (2, "f2"), (3, "f3")]
    warehouse.replace_after(drifts(spark, drift, 3, 4), drift, SILVER_DRIFT, SOURCE, 1, 4)
    assert held(drift) == [(1, "f1"), (3, "f3"), (4, "f4")]


def test_replacing_by_nothing_removes_what_was_begun(spark, drift):
    warehouse.append(drifts(spark, drift, 1), drift, SILVER_DRIFT, SOURCE, 1)
    warehouse.replace_after(drifts(spark, drift, 2), drift, SILVER_DRIFT, SOURCE, 1, 2)
    warehouse.replace_after(drifts(spark, drift), drift, SILVER_DRIFT, SOURCE, 1, 2)
    assert held(drift) == [(1, "f1")]


def test_marking_leaves_nothing_behind(spark, drift):
    names = ["txnAppId", "txnVersion"]
    settings = [f"spark.databricks.delta.write.{name}" for name in names]
    with warehouse.marking(spark, SOURCE, 7):
        assert [spark.conf.get(name) for name in settings] == [SOURCE, "7"]
    with pytest.raises(ZeroDivisionError), warehouse.marking(spark, SOURCE, 7):
        raise ZeroDivisionError
    assert [spark.conf.get(name, None) for name in settings] == [None, None]
    for batch in (1, 2):
        drifts(spark, drift, batch).write.format("delta").mode("append").save(drift.table(SILVER_DRIFT))
    assert held(drift) == [(1, "f1"), (2, "f2")]


def test_marking_notes_a_merge_and_never_silences_the_next(spark, drift):
    for batch in (1, 2):
        merge = (
            DeltaTable.forPath(spark, drift.table(SILVER_DRIFT))
            .alias("old")
            .merge(drifts(spark, drift, batch).alias("new"), "old.batch_id = new.batch_id")
            .whenNotMatchedInsertAll()
        )
        with warehouse.marking(spark, SOURCE, batch):
            merge.execute()
        assert warehouse.marker(drift, SILVER_DRIFT, SOURCE) == batch
    drifts(spark, drift, 3).write.format("delta").mode("append").save(drift.table(SILVER_DRIFT))
    assert held(drift) == [(1, "f1"), (2, "f2"), (3, "f3")]


def test_changes_are_told_without_spark(spark, home):
    warehouse._create(spark, home, tables.PAGE_DAILY)
    table = tables.PAGE_DAILY
    row = {"page_id": "g", "day": HOUR.date(), "views": 1, "clicks": 0, "distinct_users": 1}
    warehouse.append(warehouse.local(spark, home, table, [row]), home, table, SOURCE, 1)
    warehouse.append(warehouse.local(spark, home, table, []), home, table, SOURCE, 2)
    assert feed.has_changes(home, table, 0, 1)
    assert feed.has_changes(home, table, 0, 2)
    assert not feed.has_changes(home, table, 1, 2)
    assert not feed.has_changes(home, table, 1, 1)
    assert [kept.page_id for kept in feed.changes(spark, home, table, 0, 2).collect()] == ["g"]
    assert warehouse.read_version(spark, home, table, 0).count() == 0


def test_local_rows_have_the_tables_columns(spark, home):
    warehouse._create(spark, home, SILVER_VOLUME)
    rows = warehouse.local(spark, home, SILVER_VOLUME, [{"batch_id": 1, "hour": HOUR}])
    assert rows.dtypes == [("batch_id", "bigint"), ("hour", "timestamp"), ("accepted", "bigint")]
    assert [tuple(row) for row in rows.collect()] == [(1, HOUR.replace(tzinfo=None), None)]
