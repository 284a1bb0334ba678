"""The key is exactly what a strict reader of the delivered bytes counts, whatever was delivered before."""

import json
from collections import Counter
from datetime import timedelta

import polars as pl
import pytest

from conf.errors import UsageError
from conf.tables import GOLD

TABLES = [table.short_name for table in GOLD]


def key(home):
    return {name: pl.read_parquet(home.answers / f"{name}.parquet").rows() for name in TABLES}


def totals(home):
    return json.loads((home.answers / "totals.json").read_text())


def agrees(home, read, gold):
    """Everything in answers against an independent reading of landing."""
    found = read(home.landing)
    assert key(home) == gold(found.events)
    assert totals(home) == {
        "delivered": len(found.valid) + found.refused,
        "distinct_events": len(found.events),
        "duplicates": len(found.valid) - len(found.events),
        "malformed": found.refused,
    }
    rules = json.loads((home.answers / "malformed.json").read_text())["rules"]
    assert Counter(rules) == found.rules
    return found


@pytest.mark.parametrize(
    "named",
    [
        pytest.param({"format": "json", "events": 20_000}, id="json"),
        pytest.param({"format": "csv", "events": 20_000}, id="csv"),
        pytest.param({"format": "parquet", "events": 20_000}, id="parquet"),
        pytest.param({"format": "json", "gzip": True}, id="json-gzip"),
        pytest.param({"format": "csv", "gzip": True}, id="csv-gzip"),
        pytest.param({"duplicates": 0.5, "late": 0.5, "malformed": 0.5}, id="half-of-everything"),
        pytest.param({"duplicates": 1, "late": 1, "malformed": 1, "format": "csv"}, id="all-of-everything"),
        pytest.param({"hours": 1, "malformed": 0.2}, id="one-hour"),
        pytest.param({"events": 30, "hours": 72, "malformed": 1}, id="fewer-events-than-hours"),
    ],
)
def test_key_of_one_order(give, home, read, gold, named):
    delivered = give(**named)
    found = agrees(home, read, gold)
    assert delivered.events == len(found.events)
    assert delivered.records == delivered.events + delivered.duplicates + delivered.malformed


@pytest.mark.parametrize(
    "second",
    [
        pytest.param({}, id="next-hours"),
        pytest.param({"hours": 1}, id="next-hour"),
        pytest.param({"hours": 1, "late": 0.9, "format": "csv"}, id="next-hour-mostly-late"),
        pytest.param({"seed": 8}, id="another-site"),
    ],
)
def test_later_order_adds_to_the_key(give, home, order, read, gold, second):
    give()
    before = key(home)
    start = order().start + timedelta(hours=10)
    delivered = give(start=start, **second)
    found = agrees(home, read, gold)
    hour = f"events-{start:%Y-%m-%d}"
    earlier = [
        event for name, event in found.valid if name >= f"{hour}-{start:%H}" and event[0] < start.timestamp()
    ]
    assert earlier
    assert delivered.late >= len(set(earlier)) > 0
    assert key(home) != before


def test_the_same_events_in_another_format_are_duplicates(give, home, read, gold):
    first = give(malformed=0)
    give(format="csv", malformed=0)
    agrees(home, read, gold)
    assert totals(home)["distinct_events"] == first.events


def test_a_lost_key_is_counted_again_for_all_days(give, home, order, read, gold):
    give()
    (home.answers / "page_daily.parquet").unlink()
    give(start=order().start + timedelta(days=3))
    agrees(home, read, gold)


def test_key_has_golds_columns_and_types(give, home):
    give()
    counts = {"views": pl.Int64, "clicks": pl.Int64, "distinct_users": pl.Int64}
    for table in GOLD:
        subject, bucket = table.key
        when = pl.Datetime("us", "UTC") if bucket == "hour" else pl.Date
        answer = pl.read_parquet(home.answers / f"{table.short_name}.parquet")
        assert answer.schema == pl.Schema({subject: pl.String, bucket: when, **counts})
        assert answer.rows() == sorted(answer.rows())


def test_another_order_for_the_same_files_is_refused(give, home, bytes_below):
    give()
    before = bytes_below(home.root)
    with pytest.raises(UsageError, match=r"events-2026-03-01-20-s7.jsonl and 9 more: already there"):
        give(events=3001)
    assert bytes_below(home.root) == before
