"""Promises of a reprocess, kept on tables: what a lakehouse with today's rules from the start would hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from delta.tables import DeltaTable

from conf import tables, warehouse
from conf.errors import LakehouseError, UsageError
from conf.home import Home
from silver import accounts, decisions, publish, rebuilt, reprocess, rules, suites, verify
from silver.decisions import Asked

ELEVEN = datetime(2026, 3, 1, 11, tzinfo=UTC)
HOUR = timedelta(hours=1)
THAT_HOUR = Asked(ELEVEN, ELEVEN + HOUR)
SECOND = 1_772_362_800  # eleven o'clock
NOON = SECOND + 3600
SIX = tables.EVENT_IDENTITY
COUNTS = ("batch_id", "source", "delivered", "accepted", "duplicate", "quarantined")
COMPARED = (tables.SILVER_EVENTS, tables.SILVER_QUARANTINE, tables.SILVER_LEDGER, tables.SILVER_VOLUME)


def with_rule(folder: Any, **changed: Any) -> Callable[..., rules.Suite]:
    """A way to load suites in which rules of `events` have other arguments."""
    suite = json.loads((rules.SUITES / "events.json").read_text("utf-8"))
    for expectation in suite["expectations"]:
        expectation["kwargs"].update(changed.get(expectation["meta"]["rule"], {}))
    (folder / "events.json").write_text(json.dumps(suite), "utf-8")
    load = rules.load
    return lambda name: load(name, folder if name == "events" else rules.SUITES)


LOOSER = {"event_type_is_known": {"value_set": [0, 1, 2]}}
STRICTER = {"user_id_present": {"regex": "\\Au[0-9]+\\z"}}


@pytest.fixture
def suite(monkeypatch, tmp_path) -> Callable[..., None]:
    """Puts a suite in which some rules differ in force; without any, the usual one."""
    usual = rules.load
    return lambda **changed: monkeypatch.setattr(
        rules, "load", with_rule(tmp_path, **changed) if changed else usual
    )


def files(line) -> list[dict[str, list[str]]]:
    """Two batches: an event delivered twice, records only some suites accept, late ones, broken ones."""
    return [
        {
            "a.jsonl": [line("u1"), line("u2", event_type=2), line("x3"), line("u4"), "broken"],
            "b.jsonl": [line("u1"), line("u5", timestamp=NOON), line("x6", timestamp="no time")],
        },
        {
            "c.jsonl": [line("u2", event_type=2), line("u4"), line("u7"), line("u8", timestamp=SECOND - 1)],
            "d.jsonl": [
                line("x9", timestamp=17, event_type=2),
                line("x3", timestamp=SECOND + 3600),
                line("u7"),
            ],
        },
    ]


def filled(spark, home: Home, deliver, line) -> Home:
    for number, batch in enumerate(files(line), 1):
        deliver(home, number, batch)
        publish.publish(spark, home)
    return home


@pytest.fixture(scope="module")
def usual(spark, empty_lake, copy_of, deliver, line) -> Home:
    """Both batches, published under the usual suite."""
    return filled(spark, copy_of(empty_lake), deliver, line)


def run(spark, home: Home, asked: Asked, *, accept: bool = False) -> reprocess.Moved:
    decision = decisions.decide(spark, home, asked)
    return reprocess.follow(spark, home, decision, accept=accept)


def held(home: Home, rows) -> dict[str, list[tuple[Any, ...]]]:
    return {table.name: rows(home, table) for table in COMPARED}


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


STEPS = [
    (suites, "begin"),
    (reprocess, "_write_events"),
    (rebuilt, "_merge_volume"),
    (rebuilt, "_merge_ledger"),
    (rebuilt, "quarantine"),
    (reprocess, "_write_quality"),
]


@pytest.mark.parametrize("asked", [THAT_HOUR, Asked(quarantine=True)], ids=["hours", "quarantine"])
def test_a_crash_after_any_commit_heals(spark, usual, copy_of, rows, suite, asked):
    """One attempt after another dies, each a step later; whatever suite is in force by then."""
    undisturbed, home = copy_of(usual), copy_of(usual)
    suite(**LOOSER | STRICTER)
    run(spark, undisturbed, asked)
    for number, (module, step) in enumerate(STEPS):
        with pytest.MonkeyPatch.context() as patch:
            commit = getattr(module, step)

            def dying(*given, commit=commit):
                commit(*given)
                raise KeyboardInterrupt

            patch.setattr(module, step, dying)
            with pytest.raises(KeyboardInterrupt):
                reprocess.resume(spark, home) if number else run(spark, home, asked)
        suite()
    if number:
        with pytest.raises(LakehouseError, match="half way through silver"):
            verify.verify(spark, home)
    reprocess.resume(spark, home)
    assert held(home, rows) == held(undisturbed, rows)
    assert verify.verify(spark, home) == []
    assert reprocess.resume(spark, home) is None


def test_a_batch_half_way_is_finished_first(spark, usual, copy_of, deliver, line, suite):
    home = copy_of(usual)
    deliver(home, 3, {"e.jsonl": [line("u10"), line("x11")]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            publish.publish(spark, home)
    with pytest.raises(LakehouseError, match="half way through silver"):
        reprocess.preview(spark, home, decisions.decide(spark, home, THAT_HOUR))
    suite(**STRICTER)
    reprocess.resume(spark, home)
    assert run(spark, home, THAT_HOUR).into == {"user_id_present": 2}  # x3, x11
    assert verify.verify(spark, home) == []


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        pytest.param(
            lambda events, _: events.delete("user_id = 'u1'"),
            [("silver.events", {"missing": 1, "unexpected": 0, "other_first_delivery": 0})],
            id="event-gone",
        ),
        pytest.param(
            lambda events, _: events.update("user_id = 'u1'", {"user_id": "'u0'"}),
            [("silver.events", {"missing": 1, "unexpected": 1, "other_first_delivery": 0})],
            id="event-changed",
        ),
        pytest.param(
            lambda events, _: events.update("user_id = 'u7'", {"source": "'z'"}),
            [("silver.events", {"missing": 0, "unexpected": 0, "other_first_delivery": 1})],
            id="provenance-changed",
        ),
        pytest.param(
            lambda _, table: table(tables.SILVER_QUARANTINE).delete("payload = 'broken'"),
            [("silver.quarantine", {"missing": 1, "unexpected": 0})],
            id="refused-record-gone",
        ),
        pytest.param(
            lambda _, table: table(tables.SILVER_VOLUME).delete("batch_id = 2 AND accepted = 1"),
            [("silver.volume", {"row": "missing"})] * 3,
            id="volume-gone",
        ),
    ],
)
def test_verify_finds(spark, usual, copy_of, damage, found):
    home = copy_of(usual)
    damage(
        delta(spark, home, tables.SILVER_EVENTS),
        lambda table: delta(spark, home, table),
    )
    assert [(one.table, one.found) for one in verify.verify(spark, home)] == found


def test_a_silver_older_than_decisions_was_judged_by_the_usual_suite(spark, usual, copy_of):
    home = copy_of(usual)
    delta(spark, home, tables.SILVER_SUITES).delete()
    assert verify.verify(spark, home) == []


def test_verify_finds_a_changed_ledger(spark, usual, copy_of):
    home = copy_of(usual)
    delta(spark, home, tables.SILVER_LEDGER).update("source = 'a.jsonl'", {"duplicate": "duplicate + 1"})
    [found] = verify.verify(spark, home)
    assert found.found
    assert found.expected
    assert found.where == {"batch_id": 1, "source": "a.jsonl"}
    assert (found.found["duplicate"], found.expected["duplicate"]) == (1, 0)


def test_a_lost_file_is_rebuilt_with_its_whole_day(spark, usual, copy_of, rows):
    home = copy_of(usual)
    for file in (home.warehouse / "silver" / "events" / "event_date=2026-03-01").glob("*.parquet"):
        file.unlink()
    with pytest.raises(
        LakehouseError, match="rebuild that whole day first: lakehouse reprocess --from 2026-03-01 "
    ):
        run(spark, home, THAT_HOUR)
    midnight = ELEVEN.replace(hour=0)
    run(spark, home, Asked(midnight, midnight + 24 * HOUR))
    assert held(home, rows) == held(usual, rows)


def delta(spark, home: Home, table: tables.Table) -> DeltaTable:
    return DeltaTable.forPath(spark, home.table(table))


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
