"""Upkeep: few files, and every state of the last thirty days still there."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from conf import upkeep, warehouse
from conf.home import Home
from conf.tables import BRONZE_DELIVERIES, PLACEMENT_DAILY, SILVER_VOLUME, TABLES

DAY = 86_400
MOMENTS = {"inCommitTimestamp", "timestamp", "deletionTimestamp", "modificationTime"}
HOUR = datetime(2026, 3, 1, tzinfo=UTC)


def add(spark, home: Home, *batches: int) -> None:
    for batch in batches:
        rows = [{"batch_id": batch, "hour": HOUR + timedelta(hours=batch), "accepted": 1}]
        frame = warehouse.local(spark, home, SILVER_VOLUME, rows)
        warehouse.append(frame, home, SILVER_VOLUME, "source", batch)


def aged(home: Home, days: int) -> None:
    """The table as it would be had everything in it happened so many days earlier: files and commits."""
    past = days * DAY
    for pattern in ("*.crc", "*.checkpoint*.parquet", "_last_checkpoint"):
        for file in Path(home.table(SILVER_VOLUME)).rglob(pattern):
            file.unlink()
    for file in Path(home.table(SILVER_VOLUME), "_delta_log").glob("*.json"):
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        for line in lines:
            for action in line.values():
                for name in MOMENTS & action.keys():
                    action[name] -= past * 1000
        file.write_text("\n".join(map(json.dumps, lines)))
    for file in Path(home.table(SILVER_VOLUME)).rglob("*"):
        os.utime(file, (time.time() - past,) * 2)


@pytest.fixture
def volume(spark, home: Home) -> Home:
    """One table of four small files."""
    warehouse._create(spark, home, SILVER_VOLUME)
    add(spark, home, 1, 2, 3, 4)
    return home


def at_version(spark, home: Home, version: int) -> int:
    return int(warehouse.read_version(spark, home, SILVER_VOLUME, version).count())


def test_small_files_are_put_together_and_their_states_kept(spark, volume):
    [kept] = upkeep.maintain(spark, volume, {})
    assert (kept.table, kept.before.files, kept.after.files) == ("silver.volume", 4, 1)
    assert (kept.before.files_kept, kept.after.files_kept) == (4, 5)
    assert [at_version(spark, volume, version) for version in range(6)] == [0, 1, 2, 3, 4, 4]
    assert Path(volume.table(SILVER_VOLUME), "_delta_log", f"{5:020}.checkpoint.parquet").exists() or list(
        Path(volume.table(SILVER_VOLUME), "_delta_log").glob("*5.checkpoint*.parquet")
    )


def test_what_every_run_reads_is_folded_once_its_files_are_many(spark, volume):
    warehouse._create(spark, volume, BRONZE_DELIVERIES)
    rows = warehouse.read(spark, volume, SILVER_VOLUME)
    many = rows.limit(1).crossJoin(spark.range(0, upkeep.MANY_FILES - 4, 1, 60)).drop("id")
    warehouse.append(many, volume, SILVER_VOLUME, "source", 5)
    assert upkeep.size(volume, SILVER_VOLUME).files == upkeep.MANY_FILES == 64
    upkeep.fold(spark, volume)
    assert warehouse.state(volume, SILVER_VOLUME).version() == 5
    add(spark, volume, 6)
    upkeep.fold(spark, volume)
    assert upkeep.size(volume, SILVER_VOLUME).files == 1
    assert [at_version(spark, volume, version) for version in (5, 6, 7)] == [64, 65, 65]
    assert warehouse.state(volume, BRONZE_DELIVERIES).version() == 0


def test_again_there_is_nothing_to_do(spark, volume):
    upkeep.maintain(spark, volume, {})
    version = warehouse.state(volume, SILVER_VOLUME).version()
    [kept] = upkeep.maintain(spark, volume, {})
    assert kept.before == kept.after
    assert warehouse.state(volume, SILVER_VOLUME).version() == version


@pytest.mark.parametrize(("days", "left"), [(29, 5), (32, 1)])
def test_only_what_is_past_the_window_goes(spark, volume, days, left):
    """Four files were put together so many days ago; today the newest state has one."""
    upkeep.maintain(spark, volume, {})
    aged(volume, days)
    [kept] = upkeep.maintain(spark, volume, {})
    assert kept.after.files_kept == left
    assert warehouse.read(spark, volume, SILVER_VOLUME).count() == 4


def test_a_state_29_days_old_is_there_by_version_and_by_time(spark, volume):
    """Its commits moved into the past: the clock cannot be."""
    aged(volume, 29)
    add(spark, volume, 5)
    upkeep.maintain(spark, volume, {})
    then = datetime.now(UTC) - timedelta(days=28)
    path = volume.table(SILVER_VOLUME)
    by_time = spark.read.format("delta").option("timestampAsOf", f"{then:%Y-%m-%d %H:%M:%S}").load(path)
    assert by_time.count() == 4
    assert at_version(spark, volume, 2) == 2


def test_what_waits_to_be_read_is_left(spark, volume):
    upkeep.maintain(spark, volume, {})
    aged(volume, 32)
    [kept] = upkeep.maintain(spark, volume, {SILVER_VOLUME: "gold has still to read it"})
    assert (kept.waits, kept.after.files_kept) == ("gold has still to read it", 5)


def test_no_two_tables_write_their_checkpoints_in_one_batch(empty_lake):
    """A batch commits once to each: with one interval for all, every tenth took half as long again."""
    intervals = [
        int(warehouse.state(empty_lake, table).metadata().configuration["delta.checkpointInterval"])
        for table in TABLES
    ]
    assert sorted(set(intervals)) == sorted(intervals)
    assert 10 <= min(intervals) <= max(intervals) <= 25


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_promised_window_is_a_property_of_every_table(empty_lake, table):
    properties = warehouse.state(empty_lake, table).metadata().configuration
    assert properties["delta.deletedFileRetentionDuration"] == "interval 30 days"
    assert properties["delta.logRetentionDuration"] == "interval 31 days"
    assert ("delta.enableInCommitTimestamps" in properties) == (table not in warehouse.WITHOUT_SPARK)
    assert properties.get("delta.enableInCommitTimestamps", "true") == "true"


def test_a_lost_file_is_named(volume):
    lost, *_ = Path(volume.table(SILVER_VOLUME)).glob("*.parquet")
    assert upkeep.lost_files(volume, SILVER_VOLUME) == []
    lost.unlink()
    [found] = upkeep.lost_files(volume, SILVER_VOLUME)
    assert (found.table, found.where) == ("silver.volume", {"file": lost.name})
    assert upkeep.lost_files(volume, PLACEMENT_DAILY) == []


def test_sessions_settings_are_as_before(spark, volume):
    upkeep.maintain(spark, volume, {})
    assert spark.conf.get("spark.databricks.delta.optimize.maxFileSize", "7") == "7"
