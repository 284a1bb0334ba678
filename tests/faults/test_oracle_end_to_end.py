"""Three small batches of everything at once: dirt, repeats, late events, formats. The net of `mutants`."""

from __future__ import annotations

import gzip
import json
import shutil
from datetime import UTC, datetime
from typing import Any

import pytest

from conf.home import Home
from tests.faults import oracle, reading
from tests.faults.arrival import deliver
from tests.faults.in_process import latest, take

NOON = int(datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp())
MINUTE, HOUR, DAY = 60, 3600, 86_400


def event(at: int = NOON, **changed: Any) -> bytes:
    """A line; each case names only what it changes."""
    record = {
        "timestamp": at,
        "event_type": 0,
        "banner_id": "b1",
        "placement_id": "p1",
        "page_id": "g1",
        "user_id": "u1",
    }
    return json.dumps(record | changed).encode() + b"\n"


FIRST = event(user_id="u9")
BATCHES = [
    {
        "one.jsonl": FIRST
        + FIRST
        + event(user_id="u2")
        + event(event_type=1, user_id="u2")
        + event(NOON + HOUR, user_id="u2")
        + event(NOON + HOUR, user_id="u3", page_id="g2")
        + event(NOON + 11 * HOUR + 59 * MINUTE, user_id="u2"),
        "also one.jsonl": FIRST + event(banner_id="b2"),
        "dirt.jsonl": event().strip()
        + b" and more\n"
        + event().strip() * 2
        + b"\n"
        + event(user_id="u10").strip()
        + b","
        + event(user_id="u11")
        + event(user_id="half a pair \ud800")
        + event(event_type=7, user_id="", page_id=" ")
        + event(at=NOON * 1000)
        + event(at=946_684_799, event_type="x")
        + event(user_id=None)
        + event().replace(b'"user_id"', b'"User_id"')
        + event().replace(b"}", b', "user_id": "u4"}')
        + event(event_type=True)
        + b'\xff{"timestamp": 1}\nnot json\n',
    },
    {
        "two.csv": b"user_id,page_id,placement_id,banner_id,event_type,timestamp\r\n"
        + f"u2,g1,p1,b1,0,{NOON}\r\nu5,g1,p2,b3,1,{NOON + 2 * HOUR}\r\n".encode()
        + f'"u,6","g""2",p2,b3,0,{NOON + 2 * HOUR}\r\nshort,row\r\n'.encode(),
        "late.jsonl.gz": gzip.compress(event(NOON - 40 * DAY) + event(NOON + MINUTE, user_id="u8") + event()),
        "cut.jsonl.gz": gzip.compress(event(user_id="cut"))[:-9],
    },
    {
        "one.jsonl": FIRST + event(NOON + 3 * HOUR, user_id="u2"),
        "years.jsonl": event(NOON - 365 * DAY, user_id="u7") + event(NOON - 2 * HOUR, user_id="u2"),
    },
]


@pytest.fixture(scope="module")
def found(spark, empty_lake, tmp_path_factory):
    """The tables after the last batch, and how they changed in one more run with nothing new."""
    lake = Home(tmp_path_factory.mktemp("batches") / "home")
    shutil.copytree(empty_lake.warehouse, lake.warehouse)
    for batch in BATCHES:
        deliver(lake, batch)
        take(spark, lake)
    before = reading.versions(lake)
    take(spark, lake)
    assert reading.versions(lake) == before
    return lake


@pytest.mark.parametrize("table", vars(oracle.expected([], 0)))
def test_three_batches_are_what_the_oracle_says(found, table):
    expected = oracle.expected(BATCHES, latest(found))
    assert getattr(reading.state(found), table) == getattr(expected, table)


def test_the_ledger_balances(found):
    assert reading.unbalanced(found) == []
