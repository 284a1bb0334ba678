"""Which suite judges which record: decisions followed in their order, on records drawn by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from silver import suites
from silver.suites import HOURS, LEFT_OUT, QUARANTINE, RUN, Decision

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TAKEN = NOON + timedelta(hours=1)


def suite(*allowed_users: str) -> str:
    """A suite with one rule beside the integer timestamp: who may be a user."""
    rules: list[tuple[str, str, str, dict[str, Any]]] = [
        (
            "timestamp_is_integer",
            "match_regex",
            "timestamp",
            {"regex": "\\A[0-9]+\\z"},
        ),
        ("user_is_known", "be_in_set", "user_id", {"value_set": list(allowed_users)}),
    ]
    return json.dumps(
        {
            "name": "events",
            "expectations": [
                {
                    "type": f"expect_column_values_to_{kind}",
                    "kwargs": {"column": column, **kwargs},
                    "meta": {"rule": name, "severity": "row", "blocking": True},
                }
                for name, kind, column, kwargs in rules
            ],
        }
    )


def decision(number: int, kind: str, definition: str, **facts: Any) -> Decision:
    usual: dict[str, Any] = dict.fromkeys(Decision.__dataclass_fields__)
    usual |= {"number": number, "kind": kind, "definition": definition, "first_batch": 1, "run_id": "r"}
    return Decision(**usual | facts)


#    user   batch  second (from noon)
RECORDS = """
    ann    1      0
    bob    1      0
    bob    1      3599
    bob    1      3600
    bob    2      0
    ann    2      0
    bob    1      -
    bob    1      far
"""
FAR = 253_402_300_799  # the last second of the year 9999, long after its delivery


@pytest.fixture(scope="module")
def records(spark):
    rows = []
    for line in RECORDS.strip().splitlines():
        user, batch, second = line.split()
        seconds = {"-": None, "far": FAR}.get(second, 0)
        if seconds == 0:
            seconds = int(NOON.timestamp()) + int(second)
        rows.append((user, int(batch), seconds, "" if seconds is None else str(seconds), TAKEN))
    schema = (
        "user_id string, batch_id bigint, timestamp_seconds bigint, timestamp string, ingested_at timestamp"
    )
    return spark.createDataFrame(rows, schema).coalesce(1).cache()


ANN_ALONE = decision(1, RUN, suite("ann"))
NOON_HOUR = {"last_batch": 2, "from_hour": NOON, "to_hour": NOON + timedelta(hours=1)}
FINE: list[str] = []
REFUSED, BROKEN = ["user_is_known"], ["timestamp_is_integer", "user_is_known"]


@pytest.mark.parametrize(
    ("later", "rules"),
    [
        pytest.param([], [FINE, REFUSED, REFUSED, REFUSED, REFUSED, FINE, BROKEN, REFUSED], id="one-suite"),
        pytest.param(
            [decision(2, RUN, suite("bob"), first_batch=2)],
            [FINE, REFUSED, REFUSED, REFUSED, FINE, REFUSED, BROKEN, REFUSED],
            id="another-suite-from-batch-2",
        ),
        pytest.param(
            [decision(2, HOURS, suite("ann", "bob"), **NOON_HOUR)],
            [FINE, FINE, FINE, REFUSED, FINE, FINE, ["timestamp_is_integer"], REFUSED],
            id="an-hour-loosened-and-what-has-no-hour-told-anew",
        ),
        pytest.param(
            [decision(2, HOURS, suite("bob"), **NOON_HOUR | {"last_batch": 1})],
            [REFUSED, FINE, FINE, REFUSED, REFUSED, FINE, ["timestamp_is_integer"], REFUSED],
            id="an-hour-of-the-first-batch-alone",
        ),
        pytest.param(
            [decision(2, HOURS, suite("ann"), delivered_by=1, **NOON_HOUR)],
            [FINE, REFUSED, REFUSED, REFUSED, [*REFUSED, LEFT_OUT], [LEFT_OUT], BROKEN, REFUSED],
            id="an-hour-as-of-batch-1",
        ),
        pytest.param(
            [
                decision(2, HOURS, suite("ann"), delivered_by=1, **NOON_HOUR),
                decision(3, QUARANTINE, suite("bob"), last_batch=2),
            ],
            [FINE, FINE, FINE, FINE, [*REFUSED, LEFT_OUT], [LEFT_OUT], ["timestamp_is_integer"], FINE],
            id="refused-records-alone-and-none-that-was-left-out",
        ),
        pytest.param(
            [
                decision(2, HOURS, suite("ann"), delivered_by=1, **NOON_HOUR),
                decision(3, HOURS, suite("ann"), **NOON_HOUR),
            ],
            [FINE, REFUSED, REFUSED, REFUSED, REFUSED, FINE, BROKEN, REFUSED],
            id="the-later-decision-holds",
        ),
    ],
)
def test_rules_in_force(records, later, rules):
    judged = records.transform(suites.judged, [ANN_ALONE, *later])
    rows = judged.select("rules", "refused").collect()
    assert [row.rules for row in rows] == rules
    assert [row.refused for row in rows] == [bool(broken) for broken in rules]


def test_nothing_decided_refuses_nothing(records):
    assert {row.refused for row in records.transform(suites.judged, []).collect()} == {False}


@pytest.mark.parametrize(
    ("other", "same"),
    [
        pytest.param(suite("ann"), True, id="the-same"),
        pytest.param(
            suite("ann").replace('"value_set": ["ann"]', '"value_set": ["ann"], "mostly": 0.5'),
            True,
            id="threshold",
        ),
        pytest.param(suite("bob"), False, id="another-value"),
        pytest.param(suite("ann").replace("user_is_known", "known_user"), False, id="another-name"),
    ],
)
def test_suites_that_judge_alike(other, same):
    one, two = (decision(1, RUN, text).suite for text in (suite("ann"), other))
    assert (one.verdicts == two.verdicts) == same
