"""The suite as a file, and the split it draws between records."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from conf.errors import UsageError
from silver import rules
from silver.reading import readings

ROW_RULES = [
    "well_formed",
    "timestamp_is_integer",
    "timestamp_in_range",
    "event_type_is_known",
    "banner_id_present",
    "placement_id_present",
    "page_id_present",
    "user_id_present",
]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)  # 1_772_366_400
JUST_BEFORE_ONE = NOON.replace(microsecond=999_999)
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
        "case": pa.int64(),
        "well_formed": pa.bool_(),
        "timestamp": pa.string(),
        "timestamp_outside": pa.int64(),
        "event_type": pa.int32(),
        **dict.fromkeys(["banner_id", "placement_id", "page_id", "user_id"], pa.string()),
    }
)
SPLIT: dict[str, tuple[dict[str, Any], list[str]]] = {
    "fine": ({}, []),
    "a click": ({"event_type": 1}, []),
    "an hour ahead": ({"timestamp_outside": 3600}, []),
    "malformed": (dict.fromkeys(FINE) | {"well_formed": False}, ["well_formed"]),
    "no integer": ({"timestamp": "", "timestamp_outside": None}, ["timestamp_is_integer"]),
    "too far ahead": ({"timestamp_outside": 3601}, ["timestamp_in_range"]),
    "too old": ({"timestamp_outside": -1}, ["timestamp_in_range"]),
    "unknown type": ({"event_type": 2}, ["event_type_is_known"]),
    "no type": ({"event_type": -1}, ["event_type_is_known"]),
    "no banner": ({"banner_id": ""}, ["banner_id_present"]),
    "blank placement": ({"placement_id": "  "}, ["placement_id_present"]),
    "long page": ({"page_id": "x" * 257}, ["page_id_present"]),
    "control character in user": ({"user_id": "a\x1f"}, ["user_id_present"]),
    "newline at the end of user": ({"user_id": "a\n"}, ["user_id_present"]),
    "everything wrong": (
        {
            "timestamp_outside": 9999,
            "event_type": 7,
            "banner_id": "",
            "placement_id": "",
            "page_id": " ",
            "user_id": "\x7f",
        },
        ROW_RULES[2:],
    ),
}


def frame(spark, rows: list[dict[str, Any]]):
    return spark.createDataFrame(pa.Table.from_pylist(rows, SCHEMA))


def edited(folder: Path, change) -> Path:
    """A copy of the suite, changed."""
    suite = json.loads((rules.SUITES / "events.json").read_text("utf-8"))
    change(suite)
    (folder / "events.json").write_text(json.dumps(suite), "utf-8")
    return folder


@pytest.mark.usefixtures("spark")
def test_the_shipped_suite():
    suite = rules.load("events")
    assert (suite.name, suite.gate_from_records) == ("events", 1000)
    assert [rule.name for rule in suite.row_rules] == ROW_RULES
    assert [rule.name for rule in suite.rules[8:]] == ["accepted_or_duplicate", "row_count"]
    assert [rule.threshold for rule in suite.rules[:9]] == [0.9] * 9
    assert [rule.blocking for rule in suite.rules[:9]] == [True] * 9


def test_the_shipped_suite_of_a_batch_only_warns():
    batch = rules.load("batch")
    assert not any(rule.blocking for rule in batch.rules)
    assert batch.row_rules == ()
    assert [rule.name for rule in batch.rules] == [
        "share_duplicate",
        "freshness",
        *[f"volume_hour_{hour:02d}" for hour in range(24)],
    ]


@pytest.fixture(scope="module")
def split(spark) -> dict[str, Any]:
    """Every case, judged in one job."""
    rows = [{"case": place, **FINE, **differs} for place, (differs, _) in enumerate(SPLIT.values())]
    judged = rules.judged(frame(spark, rows), rules.load("events").row_rules).collect()
    return {list(SPLIT)[row.case]: row for row in judged}


@pytest.mark.parametrize("case", SPLIT)
def test_every_broken_rule_is_listed(split, case):
    broken = SPLIT[case][1]
    assert split[case].rules == broken
    assert split[case].refused == (broken != [])


LIMITS = [
    pytest.param(946_684_800, NOON, True, id="2000-01-01"),
    pytest.param(946_684_799, NOON, False, id="a second before 2000"),
    pytest.param(1_772_366_400, NOON, True, id="as it was taken"),
    pytest.param(1_772_366_400 + 3600, NOON, True, id="an hour past"),
    pytest.param(1_772_366_400 + 3601, NOON, False, id="an hour and a second past"),
    pytest.param(1_772_366_400 + 3600, JUST_BEFORE_ONE, True, id="an hour past, taken within the second"),
    pytest.param(1_772_366_400 + 3601, JUST_BEFORE_ONE, False, id="a microsecond more than an hour past"),
    pytest.param(1_772_366_400_000, NOON, False, id="milliseconds"),
]


@pytest.fixture(scope="module")
def in_range(spark) -> list[bool]:
    """For each limit, whether the record is accepted; one job."""
    seconds = [case.values[0] for case in LIMITS]
    payload = (
        '{{"timestamp":{},"event_type":0,"banner_id":"b","placement_id":"p","page_id":"g","user_id":"u"}}'
    )
    rows = pa.table(
        {
            "case": range(len(LIMITS)),
            "payload": [payload.format(second) for second in seconds],
            "valid_utf8": [True] * len(LIMITS),
            "ingested_at": pa.array([case.values[1] for case in LIMITS], pa.timestamp("us", "UTC")),
        }
    )
    judged = rules.judged(readings(spark.createDataFrame(rows)), rules.load("events").row_rules)
    return [not row.refused for row in sorted(judged.collect(), key=lambda row: row.case)]


@pytest.mark.parametrize("case", range(len(LIMITS)), ids=[case.id for case in LIMITS])
def test_limits_of_time(in_range, case):
    assert in_range[case] == LIMITS[case].values[2]


def test_a_changed_rule_changes_the_split(spark, tmp_path):
    def allow_two(suite):
        suite["expectations"][3]["kwargs"]["value_set"] = [0, 1, 2]

    suite = rules.load("events", edited(tmp_path, allow_two))
    rows = frame(spark, [{"case": kind, **FINE, "event_type": kind} for kind in (1, 2, 3)])
    refused = rules.judged(rows, suite.row_rules).where("refused").select("case").collect()
    assert [row.case for row in refused] == [3]


def test_an_added_rule_changes_the_split(spark, tmp_path):
    def ask_for_a_prefix(suite):
        rule = {
            "type": "expect_column_values_to_match_regex",
            "kwargs": {"column": "user_id", "regex": "\\Au"},
            "meta": {"rule": "user_id_starts_with_u", "severity": "row", "blocking": True},
        }
        suite["expectations"].append(rule)

    suite = rules.load("events", edited(tmp_path, ask_for_a_prefix))
    rows = frame(spark, [{"case": 1, **FINE}, {"case": 2, **FINE, "user_id": "x"}])
    judged = {row.case: row.rules for row in rules.judged(rows, suite.row_rules).collect()}
    assert judged == {1: [], 2: ["user_id_starts_with_u"]}
    assert suite.rules[-1].threshold == 1.0


def at(place: int, part: str, **values: Any):
    """A change of one rule: these values in its kwargs or meta."""
    return lambda suite: suite["expectations"][place][part].update(values)


def without(place: int, part: str, name: str):
    return lambda suite: suite["expectations"][place][part].pop(name)


BROKEN = [
    pytest.param(without(0, "meta", "rule"), id="a rule without a name"),
    pytest.param(without(0, "meta", "severity"), id="a rule without a severity"),
    pytest.param(without(0, "meta", "blocking"), id="a rule that does not say whether it blocks"),
    pytest.param(without(0, "kwargs", "column"), id="a row rule without a column"),
    pytest.param(at(1, "meta", rule="well_formed"), id="a name given twice"),
    pytest.param(at(0, "kwargs", row_condition="x > 0"), id="an argument that cannot be told row by row"),
    pytest.param(at(2, "kwargs", strict_min=True), id="a strict limit"),
    pytest.param(
        lambda suite: suite["expectations"][0].update(type="expect_column_values_to_be_unique"),
        id="an expectation that cannot be told row by row",
    ),
    pytest.param(lambda suite: suite["expectations"][0].pop("type"), id="an expectation without a type"),
    pytest.param(lambda suite: suite.pop("name"), id="a suite without a name"),
    pytest.param(lambda suite: suite.pop("expectations"), id="a suite without expectations"),
    pytest.param(lambda suite: suite["meta"].update(gate_from_records="many"), id="a gate of no number"),
    pytest.param(at(0, "meta", severity="rows"), id="a severity that is none"),
    pytest.param(at(0, "kwargs", mostly=90), id="a threshold beyond 1"),
]


@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize("change", BROKEN)
def test_a_broken_suite_is_named(tmp_path, change):
    with pytest.raises(UsageError) as refused:
        rules.load("events", edited(tmp_path, change))
    assert str(tmp_path / "events.json") in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"name": "events", "expectations": [1]}'])
def test_a_file_that_is_no_suite_is_named(tmp_path, text):
    (tmp_path / "events.json").write_text(text, "utf-8")
    with pytest.raises(UsageError) as refused:
        rules.load("events", tmp_path)
    assert str(tmp_path / "events.json") in str(refused.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"events\.json"):
        rules.load("events", tmp_path)
