"""What a batch as a whole looks like: its volume, freshness and duplicates, each hour beside earlier days."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
from pyspark.sql import functions as F

from conf.tables import SILVER_VOLUME
from silver import ledger, rules
from silver.validation import Checked, validate
from silver.window import Window

DAYS_COMPARED = 31
FRESHNESS = "freshness"


def fresh_hours() -> float:
    """How old the newest event may be when it is delivered, by the suite `batch`; any age without a rule."""
    for rule in rules.load("batch").rules:
        if rule.name == FRESHNESS:
            return float(rule.kwargs.get("max_value", "inf"))
    return float("inf")


def validated_facts(window: Window, ledger_rows: list[dict[str, Any]], suite: rules.Suite) -> list[Checked]:
    """Great Expectations' suite about batches on one row a UTC day of the batch's events, the newest days.

    The rows are a few and made here, so they are checked here, without Spark.
    """
    delivered = sum(row["delivered"] for row in ledger_rows)
    if not delivered:
        return []
    volume = window.read(SILVER_VOLUME)
    ratios = ledger.volume_ratios(volume, volume.where(window.holds).select("hour"))
    facts: pd.DataFrame = ratios.orderBy(F.desc("day")).limit(DAYS_COMPARED).toPandas()
    if facts.empty:
        facts = facts.reindex([0])
    last = max((row["max_event_time"] for row in ledger_rows if row["max_event_time"]), default=None)
    taken = max(row["ingested_at"] for row in ledger_rows)
    newest = facts.index == 0
    duplicates = sum(row["duplicate"] for row in ledger_rows)
    facts.loc[newest, "share_duplicate"] = duplicates / delivered
    facts["hours_behind"] = float("nan")
    if last is not None:
        facts.loc[newest, "hours_behind"] = (taken - last).total_seconds() / 3600
    return [_with_facts(check, facts) for check in validate(facts, suite)]


def _with_facts(check: Checked, facts: pd.DataFrame) -> Checked:
    """The check with the values that broke it, for the warning to name."""
    limits, values = check.rule.kwargs, facts[check.rule.column].dropna()
    least, most = limits.get("min_value"), limits.get("max_value")
    broke = [
        float(value)
        for value in values
        if (least is not None and value < least) or (most is not None and value > most)
    ]
    return replace(check, observed=tuple(broke))
