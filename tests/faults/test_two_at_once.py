"""Two writers started together, locks that the dead left, and readers while others write."""

from __future__ import annotations

import itertools
import os
import random
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime

import pytest

from conf import warehouse
from conf.home import Home
from conf.tables import BRONZE_EVENTS, GOLD, STATISTICS
from tests.faults.arrival import deliver
from tests.faults.complete import Readings, Rows, complete, reading
from tests.faults.drawn import delivery, seconds_of
from tests.faults.oracle import expected
from tests.faults.processes import Ended, Started, ended, started
from tests.faults.reading import state, unbalanced, versions

HOURS = ("--from", "2026-03-01T00:00", "--to", "2026-03-02T00:00")
VERBS = {
    "run": ("run",),
    "reprocess": ("reprocess", *HOURS),
    "maintain": ("maintain",),
    "verify": ("verify",),
    "stream": ("stream", "--interval", "1s"),
}
REFUSED = re.compile(
    r"(?P<home>\S+): held by `lakehouse (?P<verb>\w+)`, process (?P<process>\d+) on (?P<host>\S+), "
    r"since (?P<since>\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}) UTC\.\n"
    r"Nothing was changed\. Run again when it is done\.\n"
)


def told(refused: Ended, home: Home, holder: Started) -> None:
    """The refused one names the holder, and since when, and says nothing else."""
    assert (refused.status, refused.out) == (1, "")
    said = REFUSED.fullmatch(refused.err)
    assert said, refused.err
    assert said["home"] == str(home.root)
    assert int(said["process"]) == holder.process.pid
    assert said["host"] == os.uname().nodename
    since = datetime.fromisoformat(f"{said['since']}+00:00").timestamp()
    assert 0 <= time.time() - since < 600


def first_over(two: tuple[Started, Started]) -> tuple[Started, Started]:
    """The one that ends first, and the other."""
    while not any(one.is_over for one in two):
        time.sleep(0.02)
    return two if two[0].is_over else (two[1], two[0])


def test_two_runs_together_and_others_meanwhile_and_readers_all_along(home):
    seed = 41
    print(f"seed {seed}")
    drawn = random.Random(seed)
    batches = [deliver(home, {"a.jsonl": delivery(drawn, seconds_of(drawn))})]
    readings = Readings()
    with ExitStack() as at_work:
        first, second = (at_work.enter_context(started(home, "run")) for _ in range(2))
        refused, holder = first_over((first, second))
        told(refused.ended(), home, holder)
        for verb in ("reprocess", "maintain"):
            told(ended(home, *VERBS[verb]), home, holder)
        wait_until(lambda: all(warehouse.exists(home, table) for table in GOLD), holder)
        with reading(home, readings, threads=2):
            worked = holder.ended()
    assert (worked.status, worked.is_plain) == (0, True), worked.err
    assert state(home).differs(expected(batches, int(time.time()))) == {}
    assert_complete(home, readings, at_least=50)


def wait_for_batch(home: Home, batch: int, holder: Started) -> None:
    wait_until(lambda: warehouse.marker(home, BRONZE_EVENTS, warehouse.LANDING) >= batch, holder)


def wait_until(is_so, holder: Started) -> None:
    while not is_so():
        assert not holder.is_over, holder.ended().err
        time.sleep(0.05)


def assert_complete(home: Home, readings: Readings, at_least: int) -> None:
    """Every reading was of a version that was committed, and more than one version was seen."""
    assert readings.failed == []
    assert readings.count >= at_least
    held = complete(home)
    torn = [table for table, read in readings.seen if read not in held[table]]
    assert torn == []
    print(f"{readings.count} readings of {len(readings.seen)} versions")
    assert len(readings.seen) > len(GOLD)


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("one", "other"),
    [*itertools.combinations_with_replacement(("run", "reprocess", "maintain"), 2), ("stream", "run")],
)
def test_two_verbs_together(home, one, other, seed):
    """The refused one started at the same moment or a little later; then it comes to its turn."""
    print(f"seed {seed}")
    drawn = random.Random(f"{one} {other} {seed}")
    batches = [deliver(home, {"a.jsonl": delivery(drawn, seconds_of(drawn))})]
    assert ended(home, "run").status == 0
    batches.append(deliver(home, {"b.jsonl": delivery(drawn, seconds_of(drawn))}))
    with ExitStack() as at_work:
        first = at_work.enter_context(started(home, *VERBS[one]))
        time.sleep(seed and drawn.random())
        two = (first, at_work.enter_context(started(home, *VERBS[other])))
        refused, holder = first_over(two)
        told(refused.ended(), home, holder)
        if one == "stream" and holder is first:
            wait_for_batch(home, 2, holder)
            holder.end(signal.SIGTERM, alone=True)
        worked = holder.ended()
    assert (worked.status, worked.is_plain) == (0, True), worked.err
    for verb in (one, other, "run"):
        if verb != "stream":
            again = ended(home, *VERBS[verb])
            assert again.status == 0, again.err
    assert state(home).differs(expected(batches, int(time.time()))) == {}
    assert unbalanced(home) == []
    assert ended(home, "verify").status == 0


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_of_two_that_find_nothing_new_none_is_harmed(home):
    """The race for the lock itself, over and over: whoever is refused names who was there before."""
    seed = 43
    print(f"seed {seed}")
    drawn = random.Random(seed)
    batch = deliver(home, {"a.jsonl": delivery(drawn, seconds_of(drawn))})
    assert ended(home, "run").status == 0
    before, refusals = versions(home), 0
    for _ in range(50):
        with ExitStack() as at_work:
            two = [at_work.enter_context(started(home, "run")) for _ in range(3)]
            over = [one.ended() for one in two]
        for one in over:
            assert one.is_plain
            if one.status:
                named = REFUSED.fullmatch(one.err)
                assert named, one.err
                assert int(named["process"]) in {other.process for other in over} - {one.process}
                refusals += 1
        assert sum(one.status == 0 for one in over) >= 1
    print(f"{refusals} refusals")
    assert refusals > 0
    assert versions(home) == before
    assert state(home).differs(expected([batch], int(time.time()))) == {}


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("alone", [True, False], ids=["python-alone", "whole-group"])
@pytest.mark.parametrize("verb", ["run", "reprocess", "maintain", "stream"])
def test_a_lock_that_a_dead_process_left_needs_no_person(home, verb, alone):
    seed = f"{verb} {alone}"
    print(f"seed {seed!r}")
    drawn = random.Random(seed)
    batches = [deliver(home, {"a.jsonl": delivery(drawn, seconds_of(drawn))})]
    assert ended(home, "run").status == 0
    batches.append(deliver(home, {"b.jsonl": delivery(drawn, seconds_of(drawn))}))
    with started(home, *VERBS[verb]) as doomed:
        wait_until(home.holder.exists, doomed)
        time.sleep(drawn.uniform(0, 8))
        assert not doomed.is_over
        doomed.end(signal.SIGKILL, alone=alone)
        doomed.process.wait()
        assert home.holder.exists()
        # What it left behind names a process that may have got its number since: any living one will do.
        home.holder.write_text(
            re.sub(r'"process": \d+', f'"process": {os.getpid()}', home.holder.read_text("utf-8")), "utf-8"
        )
        healed = ended(home, "run")
    assert (healed.status, healed.is_plain) == (0, True), healed.err
    assert state(home).differs(expected(batches, int(time.time()))) == {}
    assert not home.holder.exists()


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_ten_thousand_readings_each_see_a_complete_version(home):
    """By delta-rs from threads and by one long spark-sql, while a stream and runs take a delivery after the
    other.
    """
    seed, asked = 47, 400
    print(f"seed {seed}")
    drawn = random.Random(seed)
    batches = [deliver(home, {"0.jsonl": delivery(drawn, seconds_of(drawn))})]
    assert ended(home, "run").status == 0
    readings = Readings()
    with (
        started(home, "sql", ";\n".join(_statements(asked))) as spark_sql,
        reading(home, readings, threads=3),
    ):
        with started(home, *VERBS["stream"]) as stream:
            while readings.count < 9_500 or not spark_sql.is_over:
                assert not stream.is_over, stream.ended().err
                number = len(batches)
                batches.append(deliver(home, {f"{number}.jsonl": delivery(drawn, seconds_of(drawn, 50))}))
                wait_for_batch(home, number + 1, stream)
            stream.end(signal.SIGTERM, alone=True)
            assert stream.ended().status == 0
        assert ended(home, "run").status == 0
        assert ended(home, "maintain").status == 0
        printed = spark_sql.ended().out
    by_spark = list(_read(printed))
    assert len(by_spark) == asked
    print(f"{len(by_spark)} readings by spark-sql, of {len(set(by_spark))} versions")
    assert len(set(by_spark)) > len(GOLD)
    assert_complete(home, readings, at_least=9_600)
    committed = {
        (table, frozenset("\t".join(map(_as_printed, row)) for row in held))
        for table, of_table in complete(home).items()
        for held in of_table
    }
    assert set(by_spark) <= committed
    assert state(home).differs(expected(batches, int(time.time()))) == {}


MARK = "#read"


def _statements(count: int) -> Iterator[str]:
    for number in range(count):
        table = GOLD[number % len(GOLD)]
        yield f"SELECT '{MARK}', '{table.name}'"
        yield f"SELECT {', '.join([*table.key, *STATISTICS])} FROM {table.name}"
    yield f"SELECT '{MARK}', 'end'"


def _read(printed: str) -> Iterator[tuple[str, frozenset[str]]]:
    """(table, its rows) of each reading, as spark-sql printed them."""
    parts = printed.split(f"{MARK}\t")[1:]
    for part in parts[:-1]:
        table, _, held = part.partition("\n")
        lines = held.splitlines()
        assert len(lines) == len(set(lines))
        yield table, frozenset(lines)


def _as_printed(value: object) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value)


def test_what_spark_sql_printed_is_told_apart():
    printed = f"{MARK}\tgold.a\nx\t1\ny\t2\n{MARK}\tgold.b\n{MARK}\tend\n"
    assert list(_read(printed)) == [("gold.a", frozenset({"x\t1", "y\t2"})), ("gold.b", frozenset())]


def test_a_torn_reading_is_found(home, monkeypatch):
    readings = Readings()
    whole: Rows = (("p", 1, 1, 0, 1), ("q", 1, 1, 0, 1))
    monkeypatch.setattr("tests.faults.test_two_at_once.complete", lambda _: {GOLD[0].name: {whole: 1}})
    readings.add(GOLD[0].name, whole[:1])
    with pytest.raises(AssertionError):
        assert_complete(home, readings, at_least=1)
