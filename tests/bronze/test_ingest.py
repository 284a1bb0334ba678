"""Deliveries on their way into bronze.events and bronze.deliveries, on real tables."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
from datetime import UTC, datetime, timedelta

import pytest

import bronze.ingest
from bronze.ingest import arrivals, ingest, judge_all
from bronze.intake import Intake
from conf import warehouse
from conf.tables import BRONZE_DELIVERIES, BRONZE_EVENTS, TABLES

HEADER = b"timestamp,event_type,banner_id,placement_id,page_id,user_id\n"
ROW = b"1772323200,0,b1,pl1,pg1,u1\n"


def take(spark, home):
    arrived = arrivals(home)
    return ingest(spark, home, arrived.batch_id, judge_all(home, arrived))


def held(home, table, *columns):
    """The table's rows, sorted, read without Spark: these tables are small."""
    rows = warehouse.state(home, table).to_pyarrow_table(columns=list(columns)).to_pylist()
    return sorted(tuple(row[column] for column in columns) for row in rows)


def payloads(home):
    return [payload for [payload] in held(home, BRONZE_EVENTS, "payload")]


def versions(home):
    return {table.name: warehouse.state(home, table).version() for table in TABLES}


def test_a_record_and_where_it_came_from(spark, lake, put):
    put("day/a.jsonl", b'{"n":1}\n')
    before = datetime.now(UTC)
    intake = take(spark, lake)
    after = datetime.now(UTC)

    [event] = warehouse.state(lake, BRONZE_EVENTS).to_pyarrow_table().to_pylist()
    taken_at = event["ingested_at"]
    assert before <= taken_at <= after
    assert event == {
        "payload": '{"n":1}',
        "valid_utf8": True,
        "source": "day/a.jsonl",
        "source_offset": None,
        "ingested_at": taken_at,
        "ingest_date": taken_at.date(),
        "batch_id": 1,
    }
    assert warehouse.state(lake, BRONZE_DELIVERIES).to_pyarrow_table().to_pylist() == [
        {
            "source": "day/a.jsonl",
            "fingerprint": "cedf74272c9fc8db5448283a93277e7e7eb7534b71df3bd8ab35fd9b1b73404c",
            "bytes": 8,
            "format": "jsonl",
            "status": "taken",
            "reason": None,
            "ingested_at": taken_at,
            "batch_id": 1,
            "first_offset": None,
            "end_offset": None,
        }
    ]
    assert (intake.batch_id, intake.files, intake.records, intake.bytes) == (1, 1, 1, 8)
    assert (intake.set_aside, intake.unreadable) == ([], [])


def test_a_second_run_finds_nothing_and_commits_nothing(spark, lake, put):
    put("a.jsonl", b"1\n")
    put("b.csv", HEADER + ROW)
    put("empty.jsonl")
    take(spark, lake)
    before = versions(lake)

    arrived = arrivals(lake)
    assert arrived.found == []
    assert ingest(spark, lake, arrived.batch_id, judge_all(lake, arrived)) == Intake()
    assert versions(lake) == before
    assert not lake.staging.exists() or not any(lake.staging.iterdir())


def test_what_is_a_new_delivery(spark, lake, put):
    """One lakehouse, day after day: each step says what was done to landing and what was taken for it."""
    put("a.jsonl", b"1\n")
    put("b.jsonl", b"1\n")
    os.utime(put("old.jsonl", b"old\n"), (0, 0))
    os.utime(put("future.jsonl", b"future\n"), (4102444800, 4102444800))
    take(spark, lake)
    assert payloads(lake) == ["1", "1", "future", "old"]

    os.utime(lake.landing / "a.jsonl")
    put("b.jsonl", b"1\n")
    [touched, rewritten] = arrivals(lake).found
    assert (touched.source, rewritten.source) == ("a.jsonl", "b.jsonl")
    assert take(spark, lake).batch_id is None, "the same content is no new delivery"
    assert arrivals(lake).found == []

    put("a.jsonl", b"1\n2\n")
    assert take(spark, lake).batch_id == 2
    assert payloads(lake) == ["1", "1", "1", "2", "future", "old"], "other content under the same name is"

    put("a.jsonl", b"1\n")
    assert take(spark, lake).batch_id is None, "what was taken once from a source is known for good"

    lake.stamps.unlink()
    assert len(arrivals(lake).found) == 4
    assert take(spark, lake).batch_id is None, "lost stamps cost reading, never a record"
    assert arrivals(lake).found == []

    (lake.landing / "a.jsonl").rename(lake.landing / "c.jsonl")
    (lake.landing / "b.jsonl").unlink()
    assert take(spark, lake).batch_id == 3, "another name is another source"
    assert held(lake, BRONZE_DELIVERIES, "batch_id", "source") == [
        (1, "a.jsonl"),
        (1, "b.jsonl"),
        (1, "future.jsonl"),
        (1, "old.jsonl"),
        (2, "a.jsonl"),
        (3, "c.jsonl"),
    ]


class KilledError(Exception):
    """Stands for the end of the process."""


def killed(*_args, **_kwargs):
    raise KilledError


def test_killed_between_the_plan_and_the_records(spark, lake, put, monkeypatch):
    """The plan is replaced by what the next run finds; batch 1 comes out as if it had been the first."""
    put("a.jsonl", b"1\n")
    put("withdrawn.jsonl", b"never seen again\n")
    put("bad.csv", b"x\n")
    with monkeypatch.context() as patch:
        patch.setattr(bronze.ingest, "_write_records", killed)
        with pytest.raises(KilledError):
            take(spark, lake)
    assert len(held(lake, BRONZE_DELIVERIES, "source")) == 3
    assert held(lake, BRONZE_EVENTS, "payload") == []
    assert len(arrivals(lake).found) == 3, "a plan without its records is not in force"

    (lake.landing / "withdrawn.jsonl").unlink()
    put("b.jsonl", b"2\n")
    assert take(spark, lake).batch_id == 1
    assert payloads(lake) == ["1", "2"]
    assert held(lake, BRONZE_DELIVERIES, "batch_id", "source", "status") == [
        (1, "a.jsonl", "taken"),
        (1, "b.jsonl", "taken"),
        (1, "bad.csv", "set_aside"),
    ]
    assert arrivals(lake).found == []

    put("c.jsonl", b"3\n")
    assert take(spark, lake).batch_id == 2
    assert payloads(lake) == ["1", "2", "3"]
    assert [source for _, source in held(lake, BRONZE_DELIVERIES, "batch_id", "source")] == [
        "a.jsonl",
        "b.jsonl",
        "bad.csv",
        "c.jsonl",
    ]


@pytest.mark.parametrize("step", ["_set_aside", "remember"])
def test_killed_after_the_records(spark, lake, put, monkeypatch, step):
    put("a.jsonl", b"1\n")
    put("bad.csv", b"x\n")
    arrived = arrivals(lake)
    judged = judge_all(lake, arrived)
    with monkeypatch.context() as patch:
        patch.setattr(bronze.ingest, step, killed)
        with pytest.raises(KilledError):
            ingest(spark, lake, arrived.batch_id, judged)
    assert payloads(lake) == ["1"]

    take(spark, lake)
    assert payloads(lake) == ["1"]
    assert arrivals(lake).found == []
    assert (lake.set_aside / "bad.csv").read_bytes() == b"x\n"


def test_a_bad_file_is_set_aside_whole_and_the_others_go_through(spark, lake, put):
    """And, corrected and put back, it goes through."""
    bad = HEADER + ROW + b'1772323200,0,b1,pl1,pg1,"u2\n'
    put("sender 1/day/bad.csv", bad)
    put("half.jsonl.gz", gzip.compress(b"x\n" * 9)[:-4])
    put("good.jsonl", b"1\n")
    intake = take(spark, lake)

    assert (intake.files, intake.records, intake.bytes) == (1, 1, 2)
    truncated, unclosed = "its gzip content is truncated", "line 3 is not CSV (unexpected end of data)"
    assert intake.set_aside == [
        ("half.jsonl.gz", lake.set_aside / "half.jsonl.gz", truncated),
        ("sender 1/day/bad.csv", lake.set_aside / "sender 1" / "day" / "bad.csv", unclosed),
    ]
    assert held(lake, BRONZE_DELIVERIES, "source", "format", "bytes", "status", "reason") == [
        ("good.jsonl", "jsonl", 2, "taken", None),
        ("half.jsonl.gz", "jsonl.gz", len(gzip.compress(b"x\n" * 9)) - 4, "set_aside", truncated),
        ("sender 1/day/bad.csv", "csv", len(bad), "set_aside", unclosed),
    ]
    assert payloads(lake) == ["1"]
    assert (lake.set_aside / "sender 1" / "day" / "bad.csv").read_bytes() == bad
    assert [path.name for path in lake.landing.rglob("*") if path.is_file()] == ["good.jsonl"]

    put("sender 1/day/bad.csv", bad)
    again = take(spark, lake)
    place = lake.set_aside / "sender 1" / "day" / f"{hashlib.sha256(bad).hexdigest()[:8]}-bad.csv"
    assert again.set_aside == [("sender 1/day/bad.csv", place, unclosed)], "uncorrected, it is refused again"
    assert (again.files, again.records) == (0, 0)
    assert place.read_bytes() == (lake.set_aside / "sender 1" / "day" / "bad.csv").read_bytes() == bad

    put("sender 1/day/bad.csv", HEADER + ROW + b'1772323200,0,b1,pl1,pg1,"u2"\n')
    corrected = take(spark, lake)
    assert (corrected.batch_id, corrected.records, corrected.set_aside) == (3, 2, [])
    assert held(lake, BRONZE_EVENTS, "batch_id", "source") == [
        (1, "good.jsonl"),
        (3, "sender 1/day/bad.csv"),
        (3, "sender 1/day/bad.csv"),
    ]


def test_a_bad_file_that_cannot_be_moved_is_told_of_once(spark, lake, put, monkeypatch):
    put("read-only/bad.csv", b"x\n")
    put("good.jsonl", b"1\n")

    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(shutil, "move", refused)
    [(source, place, reason)] = take(spark, lake).set_aside
    assert (source, place) == ("read-only/bad.csv", lake.landing / "read-only" / "bad.csv")
    assert reason.endswith("; it could not be moved out of landing (Permission denied)")
    assert payloads(lake) == ["1"]
    assert arrivals(lake).found == []

    put("read-only/bad.csv", HEADER + ROW)
    assert take(spark, lake).records == 1


def test_a_bad_file_replaced_before_it_is_moved_is_left_for_the_next_run(spark, lake, put):
    put("a.csv", b"x\n")
    arrived = arrivals(lake)
    judged = judge_all(lake, arrived)
    put("a.csv", HEADER + ROW)
    [(_, place, reason)] = ingest(spark, lake, arrived.batch_id, judged).set_aside
    assert place == lake.landing / "a.csv"
    assert reason.endswith("; it was replaced since, what is there now is left for the next run")
    assert not lake.set_aside.exists()
    assert take(spark, lake).records == 1


def test_what_cannot_be_read_is_told_and_left(spark, lake, put):
    put("good.jsonl", b"1\n")
    (lake.landing / "dangling.jsonl").symlink_to("gone.jsonl")
    os.mkfifo(lake.landing / "pipe.csv")
    told = [("dangling.jsonl", "No such file or directory"), ("pipe.csv", "it is no regular file")]

    intake = take(spark, lake)
    assert (intake.records, intake.unreadable) == (1, told)
    before = versions(lake)
    assert take(spark, lake) == Intake(unreadable=told), "told again, as long as it lies there"
    assert versions(lake) == before

    put("gone.jsonl", b"2\n")
    (lake.landing / "pipe.csv").unlink()
    assert take(spark, lake).records == 2
    assert payloads(lake) == ["1", "2", "2"]


def test_files_withdrawn_in_the_middle_do_not_stop_the_others(spark, lake, put):
    put("before-reading.jsonl", b"1\n")
    put("after-reading.jsonl", b"2\n")
    put("bad-after-reading.csv", b"x\n")
    put("stays.jsonl", b"3\n")
    arrived = arrivals(lake)
    (lake.landing / "before-reading.jsonl").unlink()
    judged = judge_all(lake, arrived)
    (lake.landing / "after-reading.jsonl").unlink()
    (lake.landing / "bad-after-reading.csv").unlink()
    intake = ingest(spark, lake, arrived.batch_id, judged)

    assert payloads(lake) == ["2", "3"], "what was read is taken though it was withdrawn since"
    assert [source for source, _, _ in intake.set_aside] == ["bad-after-reading.csv"]
    assert intake.unreadable == []
    assert arrivals(lake).found == []


class ClockSetBack(datetime):
    """A machine that believes it is 2001."""

    @classmethod
    def now(cls, tz=None):
        return datetime(2001, 1, 1, tzinfo=tz)


def test_a_clock_set_back_does_not_reorder_deliveries(spark, lake, put, monkeypatch):
    put("a.jsonl", b"1\n")
    take(spark, lake)
    [(first,)] = held(lake, BRONZE_EVENTS, "ingested_at")

    monkeypatch.setattr(bronze.ingest, "datetime", ClockSetBack)
    put("b.jsonl", b"2\n")
    take(spark, lake)
    assert held(lake, BRONZE_EVENTS, "ingested_at", "source", "ingest_date") == [
        (first, "a.jsonl", first.date()),
        (first + timedelta(microseconds=1), "b.jsonl", first.date()),
    ]


def test_a_lakehouse_that_lost_its_deliveries_goes_on(spark, lake, empty_lake, put):
    """What was taken is then taken once more, which silver counts as delivered again."""
    put("a.jsonl", b"1\n")
    take(spark, lake)
    shutil.rmtree(lake.table(BRONZE_DELIVERIES))
    shutil.copytree(empty_lake.table(BRONZE_DELIVERIES), lake.table(BRONZE_DELIVERIES))
    assert take(spark, lake).batch_id == 2
    assert payloads(lake) == ["1", "1"]
    assert arrivals(lake).found == []


def test_landing_behind_a_link_to_another_disk(spark, lake, tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refused)
    elsewhere = tmp_path / "another disk [1]"
    elsewhere.mkdir()
    lake.landing.rmdir()
    lake.landing.symlink_to(elsewhere)
    (elsewhere / "a.jsonl").write_bytes(b"1\n")
    (elsewhere / "a.jsonl.gz").write_bytes(gzip.compress(b"2\n"))
    (elsewhere / "bad.csv").write_bytes(b"x\n")
    intake = take(spark, lake)
    assert payloads(lake) == ["1", "2"]
    assert intake.set_aside[0][1] == lake.set_aside / "bad.csv"
    assert sorted(path.name for path in elsewhere.iterdir()) == ["a.jsonl", "a.jsonl.gz"]
    assert arrivals(lake).found == []
