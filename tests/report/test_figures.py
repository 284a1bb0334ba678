"""What the pages say, on frames of a few rows: expected values by hand, quantiles by DuckDB."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import duckdb
import polars as pl
import pytest

from conf.tables import (
    GOLD_RESTATEMENTS,
    PAGE_DAILY,
    PLACEMENT_DAILY,
    PLACEMENT_HOURLY,
    SILVER_DRIFT,
    SILVER_LEDGER,
    SILVER_QUALITY,
)
from gold.report import arrivals, examples, quality, reading, restated, traffic, words
from tests.report.lakes import NOON, check, entry

DAY = date(2026, 3, 20)
MIDNIGHT = datetime(2026, 3, 20, tzinfo=UTC)


def hours(*counts: int, start: datetime = MIDNIGHT) -> pl.DataFrame:
    """One hour after another, all of it views."""
    at = [start + timedelta(hours=place) for place in range(len(counts))]
    schema = {"hour": pl.Datetime("us", "UTC"), "views": pl.Int64(), "clicks": pl.Int64()}
    return pl.DataFrame({"hour": at, "views": list(counts), "clicks": [0] * len(counts)}, schema=schema)


def test_an_hour_without_events_is_there_as_zero():
    gap = pl.concat([hours(5), hours(7, start=MIDNIGHT + timedelta(hours=2))])
    assert traffic.complete(gap)["views"].to_list() == [5, 0, 7]


@pytest.mark.parametrize(
    ("days_before", "today", "usual", "unusual"),
    [
        pytest.param([100, 100, 100], 201, 100, True, id="more-than-twice"),
        pytest.param([100, 100, 100], 200, 100, False, id="twice"),
        pytest.param([100, 100, 100], 49, 100, True, id="less-than-half"),
        pytest.param([100, 100, 100], 50, 100, False, id="half"),
        pytest.param([100, 100, 100], 0, 100, True, id="nothing"),
        pytest.param([100, 9000, 100, 100], 120, 100, False, id="one-odd-day-does-not-count"),
        pytest.param([100, 100], 900, None, False, id="too-few-days-to-compare"),
        pytest.param([4, 4, 4], 11, 4, False, id="small-numbers-vary-by-chance"),
        pytest.param([0, 0, 0], 50, 0, False, id="nothing-to-compare-with"),
    ],
)
def test_unusual_hours(days_before, today, usual, unusual):
    counts = [count for day in [*days_before, today] for count in [day] + [1000] * 23]
    row = traffic.beside_usual(hours(*counts)).row(24 * len(days_before), named=True)
    assert (row["usual"], row["unusual"]) == (usual, unusual)


def test_the_newest_hour_may_still_be_filling():
    assert not traffic.beside_usual(hours(*[100] * 72, 3))["unusual"].any()


def test_a_weekday_is_compared_with_its_like():
    """Sundays see a tenth; after three of them a Sunday is nothing unusual."""
    days = [10 if (MIDNIGHT + timedelta(days=day)).weekday() == 6 else 100 for day in range(30)]
    beside = traffic.beside_usual(hours(*[count for day in days for count in [day] * 24]))
    sundays = beside.filter(pl.col("hour").dt.weekday() == 7)
    assert sundays.filter("unusual")["hour"].dt.date().unique().sort().to_list() == [
        date(2026, 3, 29),
        date(2026, 4, 5),
    ]
    assert sundays["usual"][-1] == 10


@pytest.mark.parametrize(
    ("count", "whole"),
    [
        (24 * 3, date(2026, 3, 22)),
        (24 * 3 + 5, date(2026, 3, 22)),
        (24 * 3 + 24, date(2026, 3, 23)),
        (5, DAY),
        (0, None),
    ],
)
def test_last_whole_day(count, whole):
    assert traffic.last_whole_day(hours(*[1] * count)) == whole


def daily(*rows: tuple[str, int, int, int]) -> pl.DataFrame:
    """(page, days before the day shown, views, clicks)"""
    return pl.DataFrame(
        [
            {
                "page_id": page,
                "day": DAY - timedelta(days=back),
                "views": views,
                "clicks": clicks,
                "distinct_users": views // 2,
            }
            for page, back, views, clicks in rows
        ]
    )


def test_the_top():
    rows = daily(
        ("a", 0, 30, 3),
        ("a", 1, 10, 0),
        ("a", 3, 50, 0),
        ("a", 7, 1000, 0),
        ("b", 0, 100, 1),
        ("c", -1, 999, 0),
        ("d", 9, 1, 0),
    )
    top = traffic.ranked(rows, PAGE_DAILY, DAY).to_dicts()
    assert [row["id"] for row in top] == ["b", "a", "d"]
    assert top[1] == {
        "id": "a",
        "views": 30 + 10 + 50,
        "clicks": 3,
        "day_views": 30,
        "day_users": 15,
        "trend": [0, 0, 1000, 0, 0, 0, 50, 0, 10, 30],
        "ctr": pytest.approx(100 * 3 / 90),
        "change": pytest.approx(100 * (30 / ((10 + 50 + 1000) / 7) - 1)),
    }
    assert top[0]["change"] is None
    assert top[2]["ctr"] is None


def test_the_site_by_day():
    users = pl.DataFrame({"day": [DAY + timedelta(days=1)], "users": [4]})
    days = traffic.by_day(hours(*[2] * 24, 6), users).to_dicts()
    assert days == [
        {"day": DAY, "views": 48, "clicks": 0, "users": None, "ctr": 0.0},
        {"day": DAY + timedelta(days=1), "views": 6, "clicks": 0, "users": 4, "ctr": 0.0},
    ]


def change(**changed):
    """A restatement, half a day after its hour ended."""
    row = {
        "table_name": PLACEMENT_HOURLY.name,
        "key": "p",
        "bucket": NOON,
        "old_views": 10,
        "old_clicks": 2,
        "new_views": 13,
        "new_clicks": 1,
        "cause": "late",
        "restated_at": NOON + timedelta(hours=13),
    }
    return row | changed


def settled(*rows):
    return restated.settled(
        pl.DataFrame(rows, schema=reading.schema(GOLD_RESTATEMENTS)), NOON - timedelta(days=6)
    )


@pytest.mark.parametrize(
    ("changed", "shown"),
    [
        pytest.param({}, True, id="an-hour-long-past"),
        pytest.param({"restated_at": NOON + timedelta(hours=2)}, False, id="an-hour-that-ended-an-hour-ago"),
        pytest.param({"restated_at": NOON + timedelta(hours=2, seconds=1)}, True, id="and-a-second"),
        pytest.param(
            {"table_name": PLACEMENT_DAILY.name, "bucket": MIDNIGHT}, False, id="a-day-still-filling"
        ),
        pytest.param(
            {
                "table_name": PLACEMENT_DAILY.name,
                "bucket": MIDNIGHT,
                "restated_at": NOON + timedelta(hours=14),
            },
            True,
            id="a-day-that-had-ended",
        ),
        pytest.param(
            {"bucket": NOON - timedelta(days=9), "restated_at": NOON - timedelta(days=7)},
            False,
            id="long-ago",
        ),
    ],
)
def test_what_counts_as_a_restatement(changed, shown):
    assert settled(change(**changed)).height == shown


def test_restatements_by_day_and_cause():
    rows = restated.by_day(
        settled(
            change(),
            change(key="q", new_views=None, new_clicks=None, cause="reprocess"),
            change(key="r", old_views=None, old_clicks=None),
            change(table_name="gold.page_hourly"),
        )
    )
    day = date(2026, 3, 21)
    assert rows.rows() == [(day, "late", 3, 3 + 13, -1 + 1), (day, "reprocess", 1, -10, -2)]


def test_biggest_restatements_come_first():
    rows = restated.biggest(settled(change(), change(key="q", new_views=0), change(key="r", new_views=90)), 2)
    assert rows.select("key", "views_change").rows() == [("r", 80), ("q", -10)]


def checks(*rows):
    return quality.of_runs(pl.DataFrame(rows, schema=reading.schema(SILVER_QUALITY)))


def test_rules_over_time():
    hourly = {"suite": "batch", "severity": "batch", "evaluated": 1, "unexpected": 0, "threshold": 1.0}
    rows = checks(
        check(unexpected=200, success=False),
        check(batch=2),
        check("volume_hour_00", batch=2, **hourly),
        check("volume_hour_07", batch=2, **hourly | {"unexpected": 1, "success": False}),
        check(batch=2, reprocess=4, unexpected=999),
    )
    shown = quality.by_rule(rows).select("rule", "newest", "lowest", "batches", "breaches", "holds")
    assert shown.rows() == [("well_formed", 0.99, 0.8, 2, 1, True), ("volume_hour_*", 0.0, 0.0, 1, 1, False)]
    assert quality.drawn(rows).rows() == [
        ("well_formed", NOON + timedelta(hours=1), 0.8, 0.9),
        ("well_formed", NOON + timedelta(hours=2), 0.99, 0.9),
    ]


def test_many_batches_are_drawn_by_day_at_their_lowest():
    rows = checks(*[check(batch=batch, unexpected=batch) for batch in range(1, 62)])
    by_day = quality.drawn(rows).select(pl.col("at").dt.date(), "share").rows()
    assert by_day == [
        (date(2026, 3, 20), pytest.approx(1 - 11 / 1000)),
        (date(2026, 3, 21), pytest.approx(1 - 35 / 1000)),
        (date(2026, 3, 22), pytest.approx(1 - 59 / 1000)),
        (date(2026, 3, 23), pytest.approx(1 - 61 / 1000)),
    ]


def test_the_ledger_by_day():
    ledger = pl.DataFrame([entry(), entry("b", delivered=1001)], schema=reading.schema(SILVER_LEDGER))
    row = quality.ledger_by_day(ledger).row(0, named=True)
    assert (row["sources"], row["delivered"], row["unexplained"]) == (2, 2001, 1)
    assert row["share_duplicate"] == pytest.approx(40 / 2001)


def test_fields_never_seen_before():
    ledger = pl.DataFrame([entry("a", 1), entry("b", 2), entry("c", 2)], schema=reading.schema(SILVER_LEDGER))
    drift = [
        {"batch_id": batch, "source": source, "field": field, "records": 5}
        for batch, source, field in [(2, "b", "x"), (2, "c", "x"), (1, "a", "y")]
    ]
    fields = quality.unknown_fields(pl.DataFrame(drift, schema=reading.schema(SILVER_DRIFT)), ledger)
    assert fields.select("field", "since", "records", "sources", "examples").rows() == [
        ("x", NOON + timedelta(hours=2), 10, 2, ["b", "c"]),
        ("y", NOON + timedelta(hours=1), 5, 1, ["a"]),
    ]


@pytest.mark.parametrize("many", [1, 2, 3, 999, 1000, 1001])
def test_lateness_is_what_duckdb_says(many):
    draw = random.Random(many)
    late = pl.Series("late", [int(draw.expovariate(1 / 20_000)) for _ in range(many)], pl.Int64)
    row = arrivals.lateness(DAY, late).row(0, named=True)
    rows = (
        _with(late)
        .execute(
            "SELECT count(*), quantile_disc(late, [0.5, 0.95, 0.99, 0.999]), avg((late > 3600)::INT),"
            " avg((late > 21600)::INT), avg((late > 86400)::INT) FROM counted",
        )
        .fetchone()
    )
    assert rows is not None
    counted, quantiles, *shares = rows
    assert row["events"] == counted
    assert [row[name] for name in arrivals.QUANTILES] == quantiles
    assert [row["after_1h"], row["after_6h"], row["after_24h"]] == [pytest.approx(share) for share in shares]


def _with(late: pl.Series) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.register("counted", late.to_frame().to_arrow())
    return connection


@pytest.mark.parametrize(
    ("counts", "read"),
    [
        pytest.param({1: 10, 2: 10, 3: 10}, [1, 2, 3], id="all"),
        pytest.param(dict.fromkeys(range(1, 17), 1), list(range(3, 17)), id="the-newest-days"),
        pytest.param(
            {1: 5, 2: 15_000_000, 3: 15_000_000, 4: 15_000_000}, [3, 4], id="as-many-as-may-be-read"
        ),
        pytest.param({1: 5, 2: 90_000_000, 3: 7}, [1, 3], id="not-a-day-too-big-for-memory"),
        pytest.param({1: 5, 30: 5}, [1], id="not-what-gold-does-not-show"),
    ],
)
def test_days_that_are_counted_from_events(counts, read):
    days = {date(2026, 3, day): events for day, events in counts.items()}
    assert [day.day for day in arrivals.affordable(days, date(2026, 3, 20))] == read


@pytest.mark.parametrize(
    "payload",
    [
        '{"user_id":"secret","page_id":"g"}',
        '{"user_id" : "secret"}',
        '{"user_id":"secret',
        '{"user_id":secret,"page_id":"g"}',
        "{'user_id':'secret'}",
        "user_id=secret;page_id=g",
        '{"USER_ID":"secret"}',
        r'{"user\u005fid":"secret"}',
        r'{"\u0075ser_id":"secret"}',
        r'{"a":"{\"user_id\":\"secret\"}"}',
        '{"user_id":"se\\"cret","user_id":"secret"}{"user_id":"secret"}',
        '{"user_id":{"id":"secret"}}',
        '{"user_id":["secret","secret"]}',
        '["1772366400","0","b1","pl1","pg1","secret","secret"]',
        '["1772366400","0","secret',
    ],
)
def test_no_user_is_shown(payload):
    shown = examples.shown(payload)
    assert "secret" not in shown
    assert "cret" not in shown
    assert examples.MASK in shown


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        ('{"page_id":"g","user_id":"u1"}', '{"page_id":"g","user_id":"•••"}'),
        ('["1772366400","0","b1"]', '["1772366400","0","•••"]'),
        ("not json", "not json"),
        ("x" * 301, "x" * 300 + "…"),
        (None, ""),
    ],
)
def test_what_is_shown_of_a_payload(payload, shown):
    assert examples.shown(payload) == shown


@pytest.mark.parametrize(
    ("written", "value", "text"),
    [
        (words.percent, 0.5, "50.0 %"),
        (words.percent, 1, "100 %"),
        (words.percent, 0, "0 %"),
        (words.percent, 0.99961, "99.96 %"),
        (words.percent, 0.9999999, "> 99.999 %"),
        (words.percent, 0.0000001, "< 0.001 %"),
        (words.count, 1234567, "1,234,567"),
        (words.count, None, "\N{EN DASH}"),
        (words.change, -3.04, "\N{MINUS SIGN}3.0 %"),
        (words.signed, -1200, "\N{MINUS SIGN}1,200"),
        (words.signed, 0, "0"),
        (words.duration, 0, "0 s"),
        (words.duration, 59, "59 s"),
        (words.duration, 3600, "1 h"),
        (words.duration, 93784, "1 d 2 h"),
        (words.duration, -61, "\N{MINUS SIGN}1 min 1 s"),
    ],
)
def test_words(written, value, text):
    assert written(value) == text
