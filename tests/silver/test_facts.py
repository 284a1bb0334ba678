"""The volume of a batch's hours beside earlier days, as silver.volume holds them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from conf import entries, warehouse
from conf.home import Home
from conf.tables import SILVER_VOLUME
from silver import facts
from silver.window import Window

DAY = datetime(2026, 3, 29, tzinfo=UTC)
COLUMNS = [f"volume_hour_{hour:02d}" for hour in range(24)]


def at(days_before: int, hour: int = 10) -> datetime:
    return DAY + timedelta(hours=hour) - timedelta(days=days_before)


@pytest.fixture
def volume(spark, home: Home):
    """Writes batches, each the events of its hours, and gives the facts of those after the batch named."""
    warehouse._create(spark, home, SILVER_VOLUME)

    def facts_of(after: int, *batches: dict[datetime, int]):
        for number, hours in enumerate(batches, start=1):
            rows = [{"batch_id": number, "hour": hour, "accepted": events} for hour, events in hours.items()]
            entries.append(rows, home, SILVER_VOLUME, "source", number)
        return facts.volume_by_day(Window(spark, home, "source", after, len(batches)))

    return facts_of


def ratios(by_day) -> list[dict[str, float]]:
    """By day, the ratios that are there."""
    return [row.dropna().to_dict() for _, row in by_day.iterrows()]


def test_batches_of_an_hour_add_up(volume):
    by_day = volume(2, {at(1): 4}, {at(1): 6}, {at(0): 10}, {at(0): 20})
    assert list(by_day.columns) == COLUMNS
    assert ratios(by_day) == [{"volume_hour_10": 3.0}]


def test_an_hour_is_compared_with_all_that_is_known_of_it(volume):
    """Of the hour the last batch adds to, an earlier one brought most."""
    assert ratios(volume(2, {at(1): 50}, {at(0): 90}, {at(0): 10})) == [{"volume_hour_10": 2.0}]


def test_only_hours_of_the_batch_are_compared_the_newest_day_first(volume):
    known = {at(2, 0): 2, at(1, 0): 8, at(1, 23): 3, at(1, 5): 1, at(0, 5): 7}
    by_day = volume(1, known, {at(0, 23): 6, at(1, 0): 8})
    assert ratios(by_day) == [{"volume_hour_23": 2.0}, {"volume_hour_00": 8.0}]


def test_a_batch_of_many_days_is_compared_for_the_newest(volume):
    by_day = volume(0, {at(day): 5 for day in range(40)})
    assert ratios(by_day) == [{"volume_hour_10": 1.0}] * 31


def test_without_events_there_is_a_day_without_ratios(volume):
    assert ratios(volume(1, {at(0): 5}, {})) == [{}]


def test_hours_of_any_year_have_a_ratio(volume):
    """A suite may let any timestamp pass."""
    early, late = datetime(2, 1, 1, 3, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)
    before = {early - timedelta(days=1): 4, late - timedelta(days=1): 5}
    assert ratios(volume(1, before, {early: 2, late: 20})) == [
        {"volume_hour_23": 4.0},
        {"volume_hour_03": 0.5},
    ]
