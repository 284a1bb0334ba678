"""Is it all right? The facts -> a few signs a person reads in one line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from gold.report import quality, words
from gold.report.facts import Facts

GOOD, LOOK, BAD = "good", "look", "bad"
HEADLINES = {GOOD: "All is well", LOOK: "Worth a look", BAD: "Something is wrong"}
FRESHNESS = "freshness"
"""The rule of the suite `batch` that says how far behind a batch may be."""


@dataclass(frozen=True)
class Sign:
    """One thing that is all right or not: its level, what it is about, what is so."""

    level: str
    about: str
    text: str
    at: datetime | None = None


def signs(facts: Facts) -> list[Sign]:
    """Freshness, gates, refused share and balance, in this order."""
    return [_fresh(facts), _gates(facts), _refused(facts), _balance(facts)]


def headline(given: list[Sign]) -> tuple[str, str]:
    """The worst level among the signs, and the words for it."""
    worst = max((sign.level for sign in given), key=[GOOD, LOOK, BAD].index)
    return worst, HEADLINES[worst]


def _fresh(facts: Facts) -> Sign:
    if facts.hours.is_empty():
        return Sign(LOOK, "Freshness", "no events yet")
    hour: datetime = facts.hours["hour"].max()  # type: ignore[assignment]
    held = quality.newest_verdict(facts.checks, FRESHNESS)
    # An instant on a page says how long ago it was: that of the end of the hour, if it has ended.
    end = min(hour + timedelta(hours=1), facts.taken_at or hour + timedelta(hours=1))
    text = f"fresh to the hour from {words.moment(hour)} UTC"
    if held is False:
        return Sign(LOOK, "Freshness", f"{text}: the newest delivery came later than its rule allows", end)
    return Sign(GOOD, "Freshness", text, end)


def _gates(facts: Facts) -> Sign:
    keeping = quality.refusal(facts.checks)
    if keeping.height:
        rules = ", ".join(f"{row['rule']} {words.percent(row['share'])}" for row in keeping.to_dicts())
        return Sign(BAD, "Gates", f"batch {keeping['batch_id'][0]} was refused and waits ({rules})")
    newest = quality.of_newest_batch(facts.checks)
    if newest.is_empty():
        return Sign(LOOK, "Gates", "nothing was checked yet")
    forced = newest.filter(~pl.col("success") & pl.col("blocking"))
    if forced.height:
        return Sign(LOOK, "Gates", f"batch {newest['batch_id'][0]} was published below a threshold")
    return Sign(GOOD, "Gates", f"passed, batch {newest['batch_id'][0]} is published")


def _refused(facts: Facts) -> Sign:
    newest = quality.of_newest_batch(facts.ledger)
    delivered, refused = int(newest["delivered"].sum()), int(newest["quarantined"].sum())
    if not delivered:
        return Sign(GOOD, "Refused", "nothing")
    checks = quality.of_newest_batch(facts.checks)
    is_breached = checks.filter((pl.col("severity") == "row") & ~pl.col("success")).height
    text = f"{words.percent(refused / delivered)} of the newest batch ({refused:,} of {delivered:,} records)"
    return Sign(LOOK if is_breached else GOOD, "Refused", text)


def _balance(facts: Facts) -> Sign:
    odd = quality.balanced(facts.ledger).filter(pl.col("unexplained") != 0)
    if odd.height:
        return Sign(BAD, "Ledger", f"{odd.height:,} sources do not balance")
    if facts.silver_events != facts.gold_events:
        return Sign(
            LOOK,
            "Ledger",
            f"balanced; gold counts {facts.gold_events:,} of silver's {facts.silver_events:,} events",
        )
    return Sign(GOOD, "Ledger", f"balanced, {facts.gold_events:,} events in silver and in gold")
