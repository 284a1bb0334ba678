"""Great Expectations and the row-level split read one suite and count alike; then the gate decides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from silver import gate, rules
from silver.rules import Rule, Suite
from silver.validation import Checked, validate

FINE = {
    "well_formed": True,
    "timestamp": "1772366400",
    "timestamp_outside": 0,
    "event_type": 0,
    "banner_id": "b",
    "placement_id": "p",
    "page_id": "g",
    "user_id": "u",
}
SCHEMA = pa.schema(
    {
        "well_formed": pa.bool_(),
        "timestamp": pa.string(),
        "timestamp_outside": pa.int64(),
        "event_type": pa.int32(),
        **dict.fromkeys(["banner_id", "placement_id", "page_id", "user_id"], pa.string()),
    }
)
MALFORMED = dict.fromkeys(FINE) | {"well_formed": False}
DIRTY: list[dict[str, Any]] = [
    *[{}] * 10,
    *[MALFORMED] * 3,
    *[{"timestamp": "", "timestamp_outside": None}] * 2,
    {"timestamp_outside": -5},
    {"timestamp_outside": 3600},
    {"timestamp_outside": 3601, "event_type": 9},
    {"event_type": -1},
    {"banner_id": "a\n"},
    {"banner_id": " ", "placement_id": ""},
    {"page_id": "\N{GRINNING FACE}" * 256, "user_id": "\u00a0"},
    {"page_id": "\N{GRINNING FACE}" * 257, "user_id": "x\x7f"},
]
# 23 records: 12 fine, 3 not well formed, 8 that break other rules
EVALUATED_AND_UNEXPECTED = {
    "well_formed": (23, 3),
    "timestamp_is_integer": (20, 2),
    "timestamp_in_range": (18, 2),
    "event_type_is_known": (20, 2),
    "banner_id_present": (20, 2),
    "placement_id_present": (20, 1),
    "page_id_present": (20, 1),
    "user_id_present": (20, 1),
    "accepted_or_duplicate": (23, 3 + 8),
    "row_count": (1, 0),
}


@pytest.fixture(scope="module")
def dirty(spark):
    rows = pa.Table.from_pylist([{**FINE, **differs} for differs in DIRTY], SCHEMA)
    return rules.judged(spark.createDataFrame(rows), rules.load("events").row_rules)


def persisted(spark) -> set[int]:
    """Numbers of what Spark keeps in memory; Delta keeps a few snapshots of its own there."""
    return set(spark.sparkContext._jsc.getPersistentRDDs().keySet())


@pytest.fixture(scope="module")
def checked(spark, dirty) -> tuple[list[Checked], int]:
    """What Great Expectations says of the dirty frame, and how many Spark jobs that took."""
    context, tracker = spark.sparkContext, spark.sparkContext.statusTracker()
    others = set(tracker.getJobIdsForGroup(None))
    context.setJobGroup("validating", "")
    try:
        said = validate(dirty, rules.load("events"))
    finally:
        context.setLocalProperty("spark.jobGroup.id", None)
    jobs = {*tracker.getJobIdsForGroup("validating"), *tracker.getJobIdsForGroup(None)} - others
    return said, len(jobs)


def test_great_expectations_counts_by_hand(checked):
    counts = {check.rule.name: (check.evaluated, check.unexpected) for check in checked[0]}
    assert counts == EVALUATED_AND_UNEXPECTED


def test_the_split_counts_the_same(dirty):
    rows = dirty.select("rules", "refused").collect()
    assert {rule: sum(rule in row.rules for row in rows) for rule in list(EVALUATED_AND_UNEXPECTED)[:8]} == {
        rule: EVALUATED_AND_UNEXPECTED[rule][1] for rule in list(EVALUATED_AND_UNEXPECTED)[:8]
    }
    assert sum(row.refused for row in rows) == 3 + 8


def test_success_is_the_share_that_passes(checked):
    """At least 0.9: 18 of 20 pass, 16 of 18 do not."""
    assert {check.rule.name for check in checked[0] if not check.success} == {
        "well_formed",  # 20 of 23
        "timestamp_in_range",  # 16 of 18
        "accepted_or_duplicate",  # 12 of 23
    }


def test_only_counts_are_asked_of_spark(checked):
    assert 1 <= checked[1] <= 12


def test_nothing_stays_in_memory(spark, dirty):
    before = persisted(spark)
    validate(dirty, rules.load("events"))
    assert persisted(spark) - before == set()
    assert spark._jsparkSession.sharedState().cacheManager().isEmpty()


def test_no_records_at_all(spark):
    empty = rules.judged(
        spark.createDataFrame(pa.Table.from_pylist([], SCHEMA)), rules.load("events").row_rules
    )
    said = {check.rule.name: check for check in validate(empty, rules.load("events"))}
    assert [name for name, check in said.items() if not check.success] == ["row_count"]


def test_a_missing_column_is_no_success(dirty):
    with pytest.raises(RuntimeError, match="could not evaluate user_id_present"):
        validate(dirty.drop("user_id"), rules.load("events"))


RULE = Rule("user_id_present", "expect_column_values_to_match_regex", {"mostly": 0.9}, "row", blocking=True)
FACT = Rule(
    "freshness",
    "expect_column_values_to_be_between",
    {"column": "h", "max_value": 6},
    "batch",
    blocking=False,
)
SUITE = Suite("events", (RULE, FACT), gate_from_records=1000)
PASSED = Checked("events", RULE, 1000, 100, success=True)
BROKEN = Checked("events", RULE, 1000, 101, success=False)
STALE = Checked("events", FACT, 1, 1, success=False, observed=(7.5,))


@pytest.mark.parametrize(
    ("checks", "records", "refusing", "warning"),
    [
        pytest.param([PASSED], 1000, [], [], id="passed"),
        pytest.param([BROKEN], 1000, ["user_id_present"], [], id="as-many-as-the-gate-asks"),
        pytest.param([BROKEN], 999, [], ["user_id_present"], id="one-fewer-only-warns"),
        pytest.param([STALE], 5000, [], ["freshness"], id="not-blocking"),
        pytest.param([STALE, BROKEN, PASSED], 5000, ["user_id_present"], ["freshness"], id="both"),
        pytest.param([], 5000, [], [], id="nothing-checked"),
    ],
)
def test_breaches(checks, records, refusing, warning):
    told = gate.breaches(checks, SUITE, records)
    assert tuple([sentence.split(":")[0] for sentence in side] for side in told) == (refusing, warning)


def test_a_breach_says_what_was_seen():
    [broken], [stale] = gate.breaches([BROKEN, STALE], SUITE, 1000)
    assert broken == "user_id_present: 89.90% pass, at least 90% must"
    assert stale == "freshness: 7.50 (expected: at most 6)"


@pytest.mark.parametrize("split", [{"user_id_present": 101}, {}, {"another": 1}])
def test_equal_counts_agree(split):
    gate.agree([BROKEN], split)


@pytest.mark.parametrize("count", [100, 102, 0])
def test_counts_that_differ_stop_everything(count):
    with pytest.raises(RuntimeError, match=rf"user_id_present: .* 101 .* split {count}\."):
        gate.agree([BROKEN], {"user_id_present": count})


def test_the_split_is_checked_on_refusals_too(checked):
    split = {name: unexpected for name, (_, unexpected) in EVALUATED_AND_UNEXPECTED.items()}
    gate.agree(checked[0], split)
    wrong = [replace(check, unexpected=check.unexpected + 1) for check in checked[0]]
    with pytest.raises(RuntimeError):
        gate.agree(wrong, {gate.REFUSED_SHARE: 11})
