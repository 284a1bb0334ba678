"""Lines nobody should send: each becomes exactly what the oracle says, and is accounted for once."""

from __future__ import annotations

import gzip
import random

import pytest

from conf.home import Home
from tests.faults import mutator, oracle, reading
from tests.faults.arrival import deliver
from tests.faults.in_process import latest, take
from tests.faults.processes import ended
from tests.faults.small import AS_SHIPPED

SHORT, FULL, FILES = 20_000, 1_000_000, 8
SEED = 20261125
MIB = 1 << 20


def files(seed: int, count: int) -> dict[str, bytes]:
    """So many lines over some files; one in four of these is compressed."""
    chance = random.Random(seed)
    print(f"seed {seed}, {count:,} lines")
    held = {f"{number}.jsonl": mutator.content(chance, count // FILES) for number in range(FILES)}
    return {
        name if number % 4 else f"{name}.gz": content if number % 4 else gzip.compress(content, 1)
        for number, (name, content) in enumerate(held.items())
    }


def long_files(size: int) -> dict[str, bytes]:
    """A long line each, between two of the usual kind."""
    chance = random.Random(SEED)
    return {
        f"{kind}.jsonl": b"\n".join([mutator.whole(chance), line, mutator.whole(chance)])
        for kind, line in mutator.long_lines(size).items()
    }


def test_each_line_becomes_what_the_oracle_says(spark, lake):
    arrived = files(SEED, SHORT) | long_files(MIB)
    deliver(lake, arrived)
    take(spark, lake)
    assert reading.state(lake).differs(oracle.expected([arrived], latest(lake))) == {}


def test_the_lines_are_of_every_kind():
    """A mutator that made one kind alone would show nothing."""
    content = mutator.content(random.Random(SEED), SHORT)
    payloads = oracle.records("a.jsonl", content)
    assert isinstance(payloads, list)
    verdicts = [oracle.judged(payload, mutator.FIRST * 2) for payload in payloads]
    valid = sum(isinstance(verdict, oracle.Event) for verdict in verdicts)
    broken = {rule for verdict in verdicts if not isinstance(verdict, oracle.Event) for rule in verdict}
    assert len(broken) == 8
    assert SHORT * 0.4 < valid < SHORT * 0.8


def assert_ran(home: Home, *words: str) -> None:
    said = ended(home, "run", *words, patience_s=3600, **AS_SHIPPED)
    assert said.status == 0, said.err


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_a_million_lines_in_a_run_of_the_program(home):
    """Two runs, so that the second meets events the first has brought."""
    batches = [files(seed, FULL // 2) for seed in (SEED + 1, SEED + 2)]
    batches[1] = {f"again/{name}": content for name, content in batches[1].items()}
    for number, batch in enumerate(batches, 1):
        deliver(home, batch)
        assert_ran(home, "--accept-batch", str(number))
    assert reading.state(home).differs(oracle.expected(batches, latest(home))) == {}


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_lines_of_thirty_megabytes_in_a_run_of_the_program(home):
    arrived = long_files(30 * MIB)
    deliver(home, arrived)
    assert_ran(home)
    assert reading.state(home).differs(oracle.expected([arrived], latest(home))) == {}
