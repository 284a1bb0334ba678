"""What a batch as a whole looks like: its volume, freshness and duplicates, each hour beside earlier days."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from conf import warehouse
from conf.tables import SILVER_VOLUME
from silver import rules
from silver.ledger import HISTORY_DAYS, HOURS, volume_ratios
from silver.validation import Checked, validate
from silver.window import Window

DAYS_COMPARED = 31
FRESHNESS = "freshness"
MICROSECONDS = 3_600_000_000
"""Of an hour, as timestamps of tables are counted."""


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
    facts = volume_by_day(window)
    last = max((row["max_event_time"] for row in ledger_rows if row["max_event_time"]), default=None)
    taken = max(row["ingested_at"] for row in ledger_rows)
    newest = facts.index == 0
    duplicates = sum(row["duplicate"] for row in ledger_rows)
    facts.loc[newest, "share_duplicate"] = duplicates / delivered
    facts["hours_behind"] = float("nan")
    if last is not None:
        facts.loc[newest, "hours_behind"] = (taken - last).total_seconds() / 3600
    return [_with_facts(check, facts) for check in validate(facts, suite)]


def volume_by_day(window: Window) -> pd.DataFrame:
    """One row a day of the batch's events, the newest DAYS_COMPARED: volume_hour_00 … volume_hour_23 float,
    as `ledger.volume_ratios`; one without any when the batch has no events.
    """
    volume = warehouse.state(window.home, SILVER_VOLUME).to_pyarrow_dataset()
    batch, hour = pc.field("batch_id"), pc.field("hour")
    of_batch = _by_hour(volume.to_table(filter=(batch > window.after) & (batch <= window.upto)))
    days = sorted({number // HOURS for number in of_batch}, reverse=True)[:DAYS_COMPARED]
    ratios: dict[int, float] = {}
    if days:
        first = pa.scalar((days[-1] - HISTORY_DAYS) * HOURS * MICROSECONDS, volume.schema.field("hour").type)
        compared = _by_hour(volume.to_table(filter=hour >= first))
        ratios = volume_ratios(compared, [number for number in of_batch if number // HOURS >= days[-1]])
    columns = {f"volume_hour_{number:02d}": number for number in range(HOURS)}
    rows = [[ratios.get(day * HOURS + number) for number in columns.values()] for day in days or [0]]
    return pd.DataFrame(rows, columns=list(columns), dtype=float)


def _by_hour(volume: pa.Table) -> dict[int, int]:
    """What rows of silver.volume say of each hour, counted from 1970-01-01T00Z, together."""
    summed = volume.group_by("hour").aggregate([("accepted", "sum")])
    hours = pc.divide(summed["hour"].cast(pa.int64()), MICROSECONDS)
    return dict(zip(hours.to_pylist(), summed["accepted_sum"].to_pylist(), strict=True))


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
