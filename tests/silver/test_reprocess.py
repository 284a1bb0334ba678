"""Promises of a reprocess, kept on tables: what a lakehouse with today's rules from the start would hold."""

from __future__ import annotations

import pytest

from conf import tables, warehouse
from conf.errors import UsageError
from silver import decisions, publish, reprocess, suites, verify
from silver.decisions import Asked
from tests.silver.two_batches import (
    COUNTS,
    ELEVEN,
    HOUR,
    LOOSER,
    SIX,
    STRICTER,
    THAT_HOUR,
    filled,
    held,
    run,
)


@pytest.mark.parametrize("changed", [STRICTER, LOOSER | STRICTER], ids=["stricter", "both"])
def test_a_changed_rule_gives_what_it_had_given_from_the_start(
    spark, usual, empty_lake, copy_of, deliver, line, rows, suite, changed
):
    home = copy_of(usual)
    suite(**changed)
    run(spark, home, Asked(ELEVEN - HOUR, ELEVEN + 2 * HOUR))
    assert held(home, rows) == held(filled(spark, copy_of(empty_lake), deliver, line), rows)
    assert verify.verify(spark, home) == []


def test_hours_beyond_stay_as_they_are(spark, usual, copy_of, rows, suite):
    """The rule refuses x3 at twelve as well, but only eleven o'clock is rebuilt."""
    home = copy_of(usual)
    suite(**STRICTER)
    moved = run(spark, home, THAT_HOUR)
    assert (moved.into, moved.out_of, moved.events_removed, moved.cause) == (
        {"user_id_present": 1},
        {},
        1,
        "rule_change",
    )
    before, after = (set(rows(place, tables.SILVER_EVENTS, *SIX)) for place in (usual, home))
    assert before - after == {(ELEVEN, 0, "b", "p", "g", "x3")}
    assert after < before
    assert verify.verify(spark, home) == []


def test_a_dry_run_says_it_and_writes_nothing(spark, usual, versions, suite):
    suite(**LOOSER | STRICTER)
    before = versions(usual)
    moved, changed = reprocess.preview(spark, usual, decisions.decide(spark, usual, THAT_HOUR))
    assert (moved.into, moved.out_of) == ({"user_id_present": 1}, {"event_type_is_known": 2})
    assert (moved.events_added, moved.events_removed, moved.first_delivery_changed) == (1, 1, 0)
    shown = changed.select("user_id", "unknown", warehouse.GONE, "source").collect()
    assert sorted(tuple(row) for row in shown) == [
        ("u2", True, False, "a.jsonl"),
        ("x3", False, True, "a.jsonl"),
    ]
    assert versions(usual) == before


def test_again_moves_nothing(spark, usual, copy_of, versions, suite):
    home = copy_of(usual)
    suite(**LOOSER)
    run(spark, home, THAT_HOUR)
    before = versions(home)
    moved = run(spark, home, THAT_HOUR)
    assert (moved.into, moved.out_of, moved.events_added, moved.events_removed) == ({}, {}, 0, 0)
    after = versions(home)
    rewritten = {name for name in before if before[name] != after[name]}
    assert rewritten == {"silver.suites", "silver.quality"}


BY_VERSION = Asked(ELEVEN, ELEVEN + HOUR, bronze_version=1)
BY_MOMENT = Asked(ELEVEN, ELEVEN + HOUR, bronze_timestamp=ELEVEN + HOUR)


@pytest.mark.parametrize("bound", [BY_VERSION, BY_MOMENT], ids=["version", "moment"])
def test_as_of_what_had_been_delivered(spark, usual, copy_of, rows, bound):
    """Batch 1 alone brought those hours' events; what batch 2 brought of them lies in quarantine, counted."""
    home = copy_of(usual)
    moved = run(spark, home, bound)
    assert moved.into == {suites.LEFT_OUT: 3}  # u4 again, u7, and u7 again
    users = [row[5] for row in rows(home, tables.SILVER_EVENTS, *SIX) if row[0] == ELEVEN]
    assert users == ["u1", "u4", "x3"]
    refused = rows(home, tables.SILVER_QUARANTINE, "batch_id", "rules")
    left_out = [row for row in refused if suites.LEFT_OUT in row[1]]
    assert left_out == [(2, ["delivered_by_then"])] * 3 + [(2, ["event_type_is_known", "delivered_by_then"])]
    ledger = rows(home, tables.SILVER_LEDGER, *COUNTS)
    assert ledger[2:] == [(2, "c.jsonl", 4, 1, 0, 3), (2, "d.jsonl", 3, 1, 0, 2)]
    assert verify.verify(spark, home) == []
    run(spark, home, THAT_HOUR)
    assert held(home, rows) == held(usual, rows)


def test_refused_records_get_another_chance_and_nothing_else(spark, usual, copy_of, rows, suite):
    """u2's events are taken; x3 stays although the suite would refuse it now."""
    home = copy_of(usual)
    suite(**LOOSER | STRICTER)
    moved = run(spark, home, Asked(quarantine=True))
    assert (moved.into, moved.out_of, moved.events_added) == ({}, {"event_type_is_known": 2}, 1)
    before, after = (set(rows(place, tables.SILVER_EVENTS)) for place in (usual, home))
    assert before < after
    [new] = after - before
    assert "a.jsonl" in new
    assert (1, "a.jsonl", 5, 4, 0, 1) in rows(home, tables.SILVER_LEDGER, *COUNTS)
    assert verify.verify(spark, home) == []


def test_an_event_whose_first_delivery_was_refused_goes_back_to_it(
    spark, empty_lake, copy_of, deliver, line, rows, suite
):
    """The same six fields: refused when the first file brought them, accepted when the second did."""
    home = copy_of(empty_lake)
    suite(user_id_present={"regex": "\\Anobody\\z"})
    deliver(home, 1, {"a.jsonl": [line("u1")]})
    publish.publish(spark, home)
    suite()
    deliver(home, 2, {"b.jsonl": [line("u1")]})
    publish.publish(spark, home)
    moved = run(spark, home, Asked(quarantine=True))
    assert (moved.events_added, moved.first_delivery_changed) == (0, 1)
    assert rows(home, tables.SILVER_EVENTS, "source", "batch_id") == [("a.jsonl", 1)]
    columns = ("source", "accepted", "duplicate", "quarantined")
    assert rows(home, tables.SILVER_LEDGER, *columns) == [("a.jsonl", 1, 0, 0), ("b.jsonl", 0, 1, 0)]
    assert verify.verify(spark, home) == []


def test_a_gate_keeps_a_reprocess_back_unless_accepted(
    spark, empty_lake, copy_of, deliver, line, versions, suite
):
    home = copy_of(empty_lake)
    deliver(home, 1, {"a.jsonl": [line(f"u{number}") for number in range(1_000)]})
    publish.publish(spark, home)
    suite(user_id_present={"regex": "\\Au[0-9]\\z"})
    before = versions(home)
    moved = run(spark, home, THAT_HOUR)
    assert any(reason.startswith("user_id_present: 1.00% pass") for reason in moved.refusing)
    assert versions(home) == before
    assert run(spark, home, THAT_HOUR, accept=True).events_removed == 990
    assert verify.verify(spark, home) == []


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (Asked(), "Say which event hours"),
        (Asked(ELEVEN), "Say which event hours"),
        (Asked(ELEVEN, ELEVEN), "No hour lies between"),
        (Asked(ELEVEN, ELEVEN + HOUR, quarantine=True), "--quarantine is about every refused record"),
        (Asked(ELEVEN, ELEVEN + HOUR, bronze_version=1, bronze_timestamp=ELEVEN), "not both"),
    ],
)
def test_asking_wrongly(asked, says):
    with pytest.raises(UsageError, match=says):
        decisions.check(asked)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (Asked(ELEVEN, ELEVEN + HOUR, bronze_version=3), "no version 3: it has 0 to 2"),
        (Asked(ELEVEN, ELEVEN + HOUR, bronze_version=0), "Nothing had been delivered by then"),
        (Asked(ELEVEN, ELEVEN + HOUR, bronze_timestamp=ELEVEN), "Nothing had been delivered by then"),
    ],
)
def test_asking_for_what_never_was(spark, usual, asked, says):
    with pytest.raises(UsageError, match=says):
        decisions.decide(spark, usual, asked)


def test_hours_nobody_delivered_need_nothing(spark, usual, versions):
    before = versions(usual)
    assert run(spark, usual, Asked(ELEVEN - 48 * HOUR, ELEVEN - 47 * HOUR)) == reprocess.Moved("hours")
    assert versions(usual) == before
