"""A wrong order is refused with what to type instead, and nothing is written."""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from conf.errors import UsageError
from generator.order import apportion, check

NOW = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
WRONG = [
    pytest.param({"events": 0}, "--events 0: must be 1 or more.", id="no-events"),
    pytest.param({"hours": -1}, "--hours -1: must be 1 or more.", id="no-hours"),
    pytest.param({"seed": -1}, "--seed -1: must be between 0 and 4294967295.", id="negative-seed"),
    pytest.param(
        {"late": 2.0}, "--late 2.0: must be a share between 0 and 1; for 2 % give 0.02.", id="per-cent"
    ),
    pytest.param(
        {"malformed": float("nan")},
        "--malformed nan: must be a share between 0 and 1; for 2 % give 0.02.",
        id="not-a-number",
    ),
    pytest.param({"format": "xml"}, "--format xml: must be one of json, csv, parquet.", id="unknown-format"),
    pytest.param(
        {"format": "parquet", "gzip": True},
        "--gzip: Parquet is compressed already; leave --gzip out or choose json or csv.",
        id="gzip-parquet",
    ),
    pytest.param(
        {"start": datetime(2026, 3, 1, 20, 5, tzinfo=UTC)},
        "--start 2026-03-01T20:05:00+00:00: must be a whole hour, e.g. 2026-03-01T20:00:00Z.",
        id="not-a-whole-hour",
    ),
    pytest.param(
        {"start": datetime(2026, 3, 1, 20, tzinfo=UTC).replace(tzinfo=None)},
        "--start 2026-03-01T20:00:00: must be in UTC, e.g. 2026-03-01T20:00:00Z.",
        id="no-zone",
    ),
    pytest.param(
        {"start": datetime(2026, 3, 1, 20, tzinfo=timezone(timedelta(hours=1)))},
        "--start 2026-03-01T20:00:00+01:00: must be in UTC, e.g. 2026-03-01T19:00:00Z.",
        id="another-zone",
    ),
    pytest.param(
        {"start": datetime(1999, 12, 31, 23, tzinfo=UTC)},
        "--start 1999-12-31T23:00:00+00:00: silver refuses events before 2000; start later.",
        id="last-century",
    ),
    pytest.param(
        {"start": datetime(2026, 6, 1, 10, tzinfo=UTC), "hours": 4},
        "--start 2026-06-01T10:00:00+00:00 --hours 4: reaches into the future, and silver refuses events "
        "that have not happened.\nAsk for at most 3 hours.",
        id="too-many-hours",
    ),
    pytest.param(
        {"start": datetime(2026, 6, 1, 14, tzinfo=UTC)},
        "--start 2026-06-01T14:00:00+00:00 --hours 10: reaches into the future, and silver refuses events "
        "that have not happened.\nStart at 2026-06-01T12:00:00Z or before.",
        id="future",
    ),
    pytest.param(
        {"hours": 10**9},
        "--start 2026-03-01T20:00:00+00:00 --hours 1000000000: reaches into the future, and silver refuses "
        "events that have not happened.\nAsk for at most 2201 hours.",
        id="for-ever",
    ),
]


@pytest.mark.parametrize(("named", "text"), WRONG)
def test_wrong_orders(order, named, text):
    with pytest.raises(UsageError) as refused:
        check(order(**named), NOW)
    assert str(refused.value) == text


@pytest.mark.parametrize("hours", [1, 2, 3])
def test_up_to_the_hour_under_way(order, hours):
    check(order(start=datetime(2026, 6, 1, 10, tzinfo=UTC), hours=hours), NOW)


def test_a_wrong_order_writes_nothing(give, home):
    with pytest.raises(UsageError):
        give(events=0)
    assert not home.root.exists()


@pytest.mark.parametrize(
    ("total", "weights", "split"),
    [
        (10, [1, 1], [5, 5]),
        (10, [1, 0, 4], [2, 0, 8]),
        (1, [1, 1, 1], [0, 1, 0]),
        (0, [1, 2], [0, 0]),
        (5, [0, 0], [0, 0]),
    ],
)
def test_apportion(total, weights, split):
    assert apportion(total, np.array(weights)).tolist() == split
