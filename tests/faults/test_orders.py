"""48 hours in any order and batching, cut in any way, delivered twice, late: the same silver and gold."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict

import pytest

from conf.home import Home
from tests.faults import orders, reading
from tests.faults.deliveries import LATEST
from tests.faults.oracle import State, expected
from tests.faults.orders import HOURS, Delivering

# On a machine that has much else to do.
pytestmark = pytest.mark.timeout(3600)

NUMBERS = ("silver", "placement_hourly", "placement_daily", "page_hourly", "page_daily")
SAME = {7, 10, 18, 21, 22, 31, 38, 39, 43, 45, 46, 47, 49, 52, 53, 55, 56, 59, 64, 66, 67, 70}
"""Seeds whose deliveries are, byte for byte, those of a smaller seed."""

FULL = [seed for seed in range(72) if seed not in SAME]
SHORT = (11, 13)


def numbers(state: State) -> dict[str, object]:
    """What no order and no batching may change."""
    return {name: value for name, value in asdict(state).items() if name in NUMBERS}


@pytest.fixture
def check(spark, empty_lake, tmp_path) -> Iterator[Callable[[Delivering, int], None]]:
    """Delivers in one way and compares everything with the oracle."""
    home = Home(tmp_path / "home")
    home.landing.mkdir(parents=True)

    def delivered(way: Delivering, seed: int) -> None:
        print(f"seed {seed}: {way}")
        batches = orders.arrivals(way, seed)
        orders.take_all(spark, home, empty_lake, batches)
        state, oracle = reading.state(home), expected(batches, LATEST)
        assert state.differs(oracle) == {}
        assert reading.unbalanced(home) == []
        in_order = expected(orders.arrivals(Delivering("in order", 1), 0), LATEST)
        assert numbers(state) == numbers(in_order)

    yield delivered
    shutil.rmtree(home.root)


@pytest.mark.parametrize("seed", SHORT)
def test_a_few_ways(check, seed):
    check(orders.delivering(seed), seed)


@pytest.mark.faults
@pytest.mark.parametrize("seed", [seed for seed in FULL if seed not in SHORT])
def test_many_ways(check, seed):
    check(orders.delivering(seed), seed)


@pytest.mark.faults
@pytest.mark.parametrize("order", ["in order", "shuffled"])
def test_one_by_one(check, order):
    check(Delivering(order, HOURS), 100)


def test_the_ways_are_of_every_kind():
    """Ways that were all alike would show nothing."""
    ways = [orders.delivering(seed) for seed in FULL]
    assert {way.order for way in ways} == {"in order", "reversed", "shuffled"}
    assert {way.batches for way in ways} == {1, 2, 3, 4}
    assert {(way.parts, way.together) for way in ways} == {(p, t) for p in (1, 2) for t in (1, 5, HOURS)}
    assert {way.again for way in ways} == {False, True}
    assert len({str(orders.arrivals(way, seed)) for seed, way in zip(FULL, ways, strict=True)}) == 50


def test_events_come_late_by_a_minute_a_day_and_a_year():
    oracle = expected(orders.arrivals(Delivering("in order", 1), 0), LATEST)
    years = {row[0].year for row in oracle.silver}
    assert years == {2025, 2026}
    assert min(row[0].day for row in oracle.silver if row[0].year == 2026) == 1
