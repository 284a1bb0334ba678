"""Promises of silver, kept on tables: every record is accounted for, once, whatever happens in between."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from conf import cluster, tables, warehouse
from conf.errors import LakehouseError
from conf.home import Home
from silver import publish, rules
from silver.window import Window

SIX = ("event_time", "event_type", "banner_id", "placement_id", "page_id", "user_id")
COUNTS = ("batch_id", "source", "delivered", "accepted", "duplicate", "quarantined")
ELEVEN = datetime(2026, 3, 1, 11, tzinfo=UTC)
COMMITS = [
    tables.SILVER_QUARANTINE,
    tables.SILVER_EVENTS,
    tables.SILVER_VOLUME,
    tables.SILVER_DRIFT,
    tables.SILVER_QUALITY,
    tables.SILVER_LEDGER,
]


def first_batch(line) -> dict[str, list[str]]:
    return {
        "b.jsonl": [line("u1"), line("u2"), line("u2"), "broken"],
        "a.jsonl": [line("u2"), line("u3", event_type=1), line("u4", extra=1), line("", event_type=5)],
        "empty.jsonl": [],
    }


@pytest.fixture(scope="module")
def first(spark, empty_lake, copy_of, deliver, line) -> Any:
    """A lakehouse that published its first batch, and what became of it."""
    home = copy_of(empty_lake)
    deliver(home, 1, first_batch(line))
    [outcome] = publish.publish(spark, home)
    return home, outcome


def test_the_ledger_says_what_became_of_every_record(first, rows):
    assert rows(first[0], tables.SILVER_LEDGER, *COUNTS) == [
        (1, "a.jsonl", 4, 3, 0, 1),  # first by name: u2 is its
        (1, "b.jsonl", 4, 1, 2, 1),
        (1, "empty.jsonl", 0, 0, 0, 0),
    ]


def test_the_outcome_says_it_in_all(first):
    outcome = first[1]
    assert (outcome.batch_id, outcome.refusing) == (1, [])
    assert (outcome.delivered, outcome.accepted, outcome.duplicate, outcome.quarantined) == (8, 4, 2, 2)
    assert outcome.broken == {"well_formed": 1, "event_type_is_known": 1, "user_id_present": 1}


def test_events_are_distinct(first, rows):
    assert rows(first[0], tables.SILVER_EVENTS, *SIX, "source", "batch_id") == [
        (ELEVEN, 0, "b", "p", "g", "u1", "b.jsonl", 1),
        (ELEVEN, 0, "b", "p", "g", "u2", "a.jsonl", 1),
        (ELEVEN, 0, "b", "p", "g", "u4", "a.jsonl", 1),
        (ELEVEN, 1, "b", "p", "g", "u3", "a.jsonl", 1),
    ]


def test_refused_records_are_kept_with_every_rule_they_break(first, rows, line):
    assert rows(first[0], tables.SILVER_QUARANTINE, "payload", "source", "rules") == sorted(
        [
            ("broken", "b.jsonl", ["well_formed"]),
            (line("", event_type=5), "a.jsonl", ["event_type_is_known", "user_id_present"]),
        ],
        key=repr,
    )


def test_unknown_fields_and_volume_are_counted(first, rows):
    drift = rows(first[0], tables.SILVER_DRIFT, "batch_id", "source", "field", "records")
    assert drift == [(1, "a.jsonl", "extra", 1)]
    assert rows(first[0], tables.SILVER_VOLUME, "batch_id", "hour", "accepted") == [(1, ELEVEN, 4)]


def test_quality_names_every_rule(first, rows):
    quality = rows(first[0], tables.SILVER_QUALITY, "rule", "evaluated", "unexpected", "success", "published")
    assert ("well_formed", 8, 1, False, True) in quality
    assert ("user_id_present", 7, 1, False, True) in quality
    assert ("accepted_or_duplicate", 8, 2, False, True) in quality
    assert ("page_id_present", 7, 0, True, True) in quality
    assert len({row[0] for row in quality}) == len(quality) == 10 + 26


def test_a_small_batch_below_a_threshold_warns(first):
    assert any(warning.startswith("well_formed: 87.50% pass") for warning in first[1].warnings)


def test_nothing_new_commits_nothing(spark, first, versions):
    before = versions(first[0])
    assert publish.waiting(first[0]) == (1, 1)
    assert publish.publish(spark, first[0]) == []
    assert versions(first[0]) == before


@pytest.mark.usefixtures("first")
def test_nothing_stays_in_memory(spark):
    assert spark._jsparkSession.sharedState().cacheManager().isEmpty()


@pytest.mark.parametrize("few_bytes", [cluster.FEW_BYTES, 0], ids=["small", "large"])
def test_a_batch_of_duplicates_adds_no_event(
    spark, first, copy_of, deliver, line, rows, monkeypatch, few_bytes
):
    monkeypatch.setattr(cluster, "FEW_BYTES", few_bytes)
    home = copy_of(first[0])
    before = rows(home, tables.SILVER_EVENTS)
    deliver(home, 2, {"again.jsonl": [line("u1"), line("u2"), line("u2")]})
    publish.publish(spark, home)
    assert rows(home, tables.SILVER_EVENTS) == before
    assert (2, "again.jsonl", 3, 0, 3, 0) in rows(home, tables.SILVER_LEDGER, *COUNTS)


def test_a_small_batch_of_nothing_valid_is_published(spark, empty_lake, copy_of, deliver, rows):
    home = copy_of(empty_lake)
    deliver(home, 1, {"a.jsonl": ["{", "[]", "null"]})
    [outcome] = publish.publish(spark, home)
    assert (outcome.refusing, outcome.quarantined) == ([], 3)
    assert rows(home, tables.SILVER_LEDGER, *COUNTS) == [(1, "a.jsonl", 3, 0, 0, 3)]
    assert rows(home, tables.SILVER_EVENTS) == []
    assert publish.publish(spark, home) == []


@pytest.fixture(scope="module")
def second(first, copy_of: Callable[[Home], Home], deliver, line) -> Home:
    """The first batch published, a second one delivered."""
    home = copy_of(first[0])
    late = line("u6", timestamp=1_740_826_800)  # 2025-03-01T11:00:00Z
    files = {
        "c.jsonl": [line("u1"), line("u5", more=[1]), late, "{"],
        "b.jsonl": [line("u5"), line("u7", event_type=2)],
    }
    deliver(home, 2, files)
    return home


@pytest.fixture(scope="module")
def undisturbed(spark, second, copy_of: Callable[[Home], Home]) -> Home:
    """Both batches published, and nothing got in the way."""
    home = copy_of(second)
    publish.publish(spark, home)
    return home


def test_a_later_batch_adds_what_is_new(undisturbed, rows):
    assert rows(undisturbed, tables.SILVER_LEDGER, *COUNTS)[3:] == [
        (2, "b.jsonl", 2, 1, 0, 1),
        (2, "c.jsonl", 4, 1, 2, 1),
    ]
    added = rows(undisturbed, tables.SILVER_EVENTS, "user_id", "event_time", "source", "batch_id")
    assert [row for row in added if row[3] == 2] == [
        ("u5", ELEVEN, "b.jsonl", 2),
        ("u6", ELEVEN.replace(year=2025), "c.jsonl", 2),
    ]


def crash_after(patch, table: tables.Table) -> None:
    """The process dies right after its commit to the table."""
    for way in ("append", "replace", "enter"):
        commit = getattr(Window, way)

        def dying(window, rows, into, *size, commit=commit):
            commit(window, rows, into, *size)
            if into == table:
                raise KeyboardInterrupt

        patch.setattr(Window, way, dying)


def crashed(spark, home: Home, table: tables.Table) -> None:
    with pytest.MonkeyPatch.context() as patch:
        crash_after(patch, table)
        with pytest.raises(KeyboardInterrupt):
            publish.publish(spark, home)


def test_a_crash_after_any_commit_heals(spark, second, undisturbed, copy_of, rows, versions):
    """One attempt after another dies, each a commit later than the one before."""
    home = copy_of(second)
    for table in COMMITS:
        crashed(spark, home, table)
    settled = versions(home)
    assert publish.publish(spark, home) == []
    assert versions(home) == settled
    assert {one.name: rows(home, one) for one in COMMITS} == {
        one.name: rows(undisturbed, one) for one in COMMITS
    }


@pytest.mark.parametrize(
    ("few_bytes", "engine"), [(cluster.PARTITION_BYTES, "delta-rs"), (1, "Apache-Spark")]
)
def test_a_large_batch_holds_the_same_by_another_hand(
    spark, second, undisturbed, copy_of, rows, monkeypatch, few_bytes, engine
):
    monkeypatch.setattr(cluster, "PARTITION_BYTES", few_bytes)
    home = copy_of(second)
    publish.publish(spark, home)
    for table in (tables.SILVER_QUARANTINE, tables.SILVER_DRIFT):
        [newest] = warehouse.state(home, table).history(1)
        assert newest["engineInfo"].startswith(engine)
        assert rows(home, table) == rows(undisturbed, table)


def test_a_crash_heals_together_with_a_later_delivery(spark, second, copy_of, deliver, line, rows):
    home = copy_of(second)
    crashed(spark, home, tables.SILVER_EVENTS)
    deliver(home, 3, {"d.jsonl": [line("u8"), line("u5"), "}"]})
    healed, later = publish.publish(spark, home)
    assert (healed.batch_id, later.batch_id) == (2, 3)
    assert rows(home, tables.SILVER_LEDGER, *COUNTS)[3:] == [
        (2, "b.jsonl", 2, 1, 0, 1),
        (2, "c.jsonl", 4, 1, 2, 1),
        (3, "d.jsonl", 3, 1, 1, 1),
    ]
    assert len(rows(home, tables.SILVER_EVENTS)) == 7
    assert len(rows(home, tables.SILVER_QUARANTINE)) == 5


def test_a_suite_changed_before_a_crash_has_healed_loses_no_record(
    spark, second, copy_of, monkeypatch, rows, tmp_path
):
    """Whichever suite is then in force, the ledger counts what events and quarantine hold."""
    home = copy_of(second)
    crashed(spark, home, tables.SILVER_EVENTS)
    suite = json.loads((rules.SUITES / "events.json").read_text("utf-8"))
    suite["expectations"][3]["kwargs"]["value_set"] = [0, 1, 2]
    (tmp_path / "events.json").write_text(json.dumps(suite), "utf-8")
    load = rules.load
    monkeypatch.setattr(
        rules, "load", lambda name: load(name, tmp_path if name == "events" else rules.SUITES)
    )
    publish.publish(spark, home)
    held = rows(home, tables.SILVER_LEDGER, "accepted", "quarantined")
    assert sum(accepted for accepted, _ in held) == len(rows(home, tables.SILVER_EVENTS))
    assert sum(quarantined for _, quarantined in held) == len(rows(home, tables.SILVER_QUARANTINE))


@pytest.mark.parametrize("batch", [1, 0])
def test_a_bronze_older_than_silver_is_told(spark, undisturbed, copy_of, versions, batch):
    """Silver has taken batch 2 from it; then it was put back as it was when it held fewer."""
    home = copy_of(undisturbed)
    for table in (tables.BRONZE_EVENTS, tables.BRONZE_DELIVERIES):
        for lost in range(batch + 1, 3):
            for file in (home.warehouse / table.layer / table.short_name / "_delta_log").glob(f"*{lost}.*"):
                file.unlink()
    before = versions(home)
    with pytest.raises(LakehouseError, match="bronze is an older copy") as refused:
        publish.publish(spark, home)
    assert f"ends at batch {batch}, but silver has taken batch 2" in str(refused.value)
    assert versions(home) == before
