"""What is counted of a batch and kept: ledger, quality, volume, drift."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from conf.errors import LakehouseError
from conf.tables import (
    BRONZE_DELIVERIES,
    SILVER_DRIFT,
    SILVER_EVENTS,
    SILVER_LEDGER,
    SILVER_QUALITY,
    SILVER_VOLUME,
    TAKEN,
)
from silver import gate, ledger, rules
from silver.validation import Checked, validate
from silver.window import Outcome, Window

DAYS_COMPARED = 31
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VERDICT = ("batch_id", "suite", "rule", "evaluated", "unexpected", "threshold", "success")
_MICROS = pa.timestamp("us", "UTC")


@dataclass(frozen=True)
class Deliveries:
    """A batch's deliveries in the order they count as first; `numbered` has delivery int, source,
    ingested_at, batch_id.
    """

    listed: list[Any]
    numbered: DataFrame


@dataclass(frozen=True)
class Counted:
    """What became of the records, by delivery number, and in all: by rule, how many broke it."""

    by_delivery: dict[int, Any]
    broken: dict[str, int]

    @property
    def delivered(self) -> int:
        """Records of the batch."""
        return sum(row.delivered for row in self.by_delivery.values())

    @property
    def quarantined(self) -> int:
        """Records refused."""
        return sum(row.quarantined for row in self.by_delivery.values())

    @property
    def drifted(self) -> bool:
        """Whether any record has a field that is none of the six."""
        return any(row.drifted for row in self.by_delivery.values())


def deliveries(window: Window) -> Deliveries:
    """The batch's deliveries by (ingested_at, source), the order that says which was first."""
    taken = window.read(BRONZE_DELIVERIES).where(window.holds & (F.col("status") == TAKEN))
    rows = taken.select("source", "batch_id", F.unix_micros("ingested_at").alias("micros")).collect()
    listed = sorted(rows, key=lambda row: (row.micros, row.source.encode("utf-8"), row.batch_id))
    numbered = pa.table(
        {
            "delivery": pa.array(range(len(listed)), pa.int32()),
            "source": pa.array([row.source for row in listed], pa.string()),
            "ingested_at": pa.array([row.micros for row in listed], pa.int64()).cast(_MICROS),
            "batch_id": pa.array([row.batch_id for row in listed], pa.int64()),
        }
    )
    return Deliveries(listed, window.spark.createDataFrame(numbered))


def count(judged: DataFrame, suite: rules.Suite) -> Counted:
    """Count a judged batch; raises LakehouseError when a record's delivery is not listed in bronze."""
    names = [rule.name for rule in suite.row_rules]
    rows = ledger.delivered_counts(judged, names).collect()
    if any(row.delivery is None for row in rows):
        raise LakehouseError(
            "bronze.events holds records of a source that bronze.deliveries does not list.\n"
            "Nothing was published. Restore both tables from the same moment and run again."
        )
    broken = {name: sum(row[name] for row in rows) for name in names}
    return Counted({row.delivery: row for row in rows}, broken)


def write_refusal(window: Window, checked: list[Checked]) -> None:
    """Keep what the gate saw, so that the report can say why; the same verdict again commits nothing."""
    fresh = _quality_rows(window, checked, published=False)
    ours = (F.col("batch_id") > window.after) & ~F.col("published")
    held = {tuple(row) for row in window.read(SILVER_QUALITY).where(ours).select(*_VERDICT).collect()}
    if held != {tuple(row[name] for name in _VERDICT) for row in fresh}:
        _write_quality(window, fresh)


def write(
    window: Window,
    judged: DataFrame,
    taken: Deliveries,
    counted: Counted,
    checked: list[Checked],
    outcome: Outcome,
) -> None:
    """Write the batch's accounts, the ledger last; fills in `outcome`. A second call changes nothing."""
    window.describe("balancing the ledger")
    accepted = _write_volume(window)
    rows = [_ledger_row(number, row, counted, accepted) for number, row in enumerate(taken.listed)]
    outcome.accepted = sum(row["accepted"] for row in rows)
    outcome.duplicate = sum(row["duplicate"] for row in rows)
    if counted.drifted or window.marker(SILVER_DRIFT) > window.after:
        window.replace(ledger.unknown_fields(judged, taken.numbered).coalesce(1), SILVER_DRIFT)
    window.describe("comparing volume, freshness and duplicates")
    facts = _validated_facts(window, rows)
    outcome.warnings += gate.breaches(facts, rules.load("batch"), 0)[1]
    _write_quality(window, _quality_rows(window, [*checked, *facts], published=True))
    window.append(window.local(rows, SILVER_LEDGER), SILVER_LEDGER)


def _write_volume(window: Window) -> dict[tuple[int, str], int]:
    """Write silver.volume; returns what silver.events holds of the batch, by batch and source."""
    by_hour = ledger.accepted_by_hour(window.read(SILVER_EVENTS).where(window.holds)).persist()
    try:
        total = F.sum("accepted").alias("accepted")
        rows = by_hour.groupBy("batch_id", "source").agg(total).collect()
        window.replace(by_hour.groupBy("batch_id", "hour").agg(total).coalesce(1), SILVER_VOLUME)
    finally:
        by_hour.unpersist()
    return {(row.batch_id, row.source): row.accepted for row in rows}


def _ledger_row(
    number: int, delivery: Any, counted: Counted, accepted: dict[tuple[int, str], int]
) -> dict[str, Any]:
    held = counted.by_delivery.get(number)
    delivered, quarantined = (held.delivered, held.quarantined) if held else (0, 0)
    kept = accepted.get((delivery.batch_id, delivery.source), 0)
    duplicate = delivered - quarantined - kept
    if duplicate < 0:
        raise RuntimeError(
            f"{delivery.source}, batch {delivery.batch_id}: silver.events holds {kept} of its records, "
            f"but only {delivered - quarantined} are valid.\nThe ledger was not written; silver was changed."
        )
    return {
        "batch_id": delivery.batch_id,
        "source": delivery.source,
        "delivered": delivered,
        "accepted": kept,
        "duplicate": duplicate,
        "quarantined": quarantined,
        "min_event_time": _moment(held.first_second if held else None),
        "max_event_time": _moment(held.last_second if held else None),
        "ingested_at": EPOCH + timedelta(microseconds=delivery.micros),
    }


def _moment(second: int | None) -> datetime | None:
    return None if second is None else EPOCH + timedelta(seconds=second)


def _validated_facts(window: Window, rows: list[dict[str, Any]]) -> list[Checked]:
    """Great Expectations on what the batch as a whole looks like: one row a UTC day of its events."""
    volume = window.read(SILVER_VOLUME)
    newest = volume.where(window.holds).groupBy(F.to_date("hour").alias("day")).count()
    days = [row.day for row in newest.orderBy(F.desc("day")).limit(DAYS_COMPARED).collect()]
    batch_hours = volume.where(window.holds & F.to_date("hour").isin(days)).select("hour").distinct()
    ratios = ledger.volume_ratios(volume, batch_hours)
    delivered = sum(row["delivered"] for row in rows)
    if not delivered:
        return []
    last = max((row["max_event_time"] for row in rows if row["max_event_time"]), default=None)
    taken = max(row["ingested_at"] for row in rows)
    behind = None if last is None else (taken - last).total_seconds() / 3600
    share = sum(row["duplicate"] for row in rows) / delivered
    newest_day = pa.table({"day": [max(days, default=taken.date())], "share_duplicate": [share]})
    hours_behind = F.lit(behind).cast("double").alias("hours_behind")
    facts = window.spark.createDataFrame(newest_day).select("*", hours_behind)
    facts = facts.join(ratios, on="day", how="full").persist()
    try:
        seen = facts.collect()
        return [_with_facts(check, seen) for check in validate(facts, rules.load("batch"))]
    finally:
        facts.unpersist()


def _with_facts(check: Checked, seen: list[Any]) -> Checked:
    """The check with the values that broke it, for the warning to name."""
    limits, column = check.rule.kwargs, check.rule.column or ""
    least, most = limits.get("min_value"), limits.get("max_value")
    values = [row[column] for row in seen if row[column] is not None]
    broke = [
        value
        for value in values
        if (least is not None and value < least) or (most is not None and value > most)
    ]
    return replace(check, observed=tuple(broke))


def _quality_rows(window: Window, checked: list[Checked], *, published: bool) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    return [
        {
            "batch_id": window.upto,
            "validated_at": now,
            "suite": check.suite,
            "rule": check.rule.name,
            "expectation_type": check.rule.expectation_type,
            "column_name": check.rule.column,
            "severity": check.rule.severity,
            "evaluated": check.evaluated,
            "unexpected": check.unexpected,
            "threshold": check.rule.threshold,
            "success": check.success,
            "blocking": check.rule.blocking,
            "published": published,
        }
        for check in checked
    ]


def _write_quality(window: Window, rows: list[dict[str, Any]]) -> None:
    window.replace(window.local(rows, SILVER_QUALITY), SILVER_QUALITY)
