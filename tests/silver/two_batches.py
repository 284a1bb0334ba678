"""Two batches of eleven o'clock that suites judge differently, and what tests of a reprocess do with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from delta.tables import DeltaTable

from conf import tables
from conf.home import Home
from silver import decisions, publish, reprocess, rules
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


def run(spark, home: Home, asked: Asked, *, accept: bool = False) -> reprocess.Moved:
    decision = decisions.decide(spark, home, asked)
    return reprocess.follow(spark, home, decision, accept=accept)


def held(home: Home, rows) -> dict[str, list[tuple[Any, ...]]]:
    return {table.name: rows(home, table) for table in COMPARED}


def delta(spark, home: Home, table: tables.Table) -> DeltaTable:
    return DeltaTable.forPath(spark, home.table(table))
