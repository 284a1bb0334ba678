"""What is counted of a batch and kept: ledger, quality, volume, drift."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from conf import warehouse
from conf.errors import LakehouseError
from conf.tables import (
    BRONZE_DELIVERIES,
    SILVER_DRIFT,
    SILVER_EVENTS,
    SILVER_LEDGER,
    SILVER_QUALITY,
    SILVER_QUARANTINE,
    SILVER_VOLUME,
    TAKEN,
)
from silver import gate, ledger, rules
from silver.facts import validated_facts
from silver.validation import Checked
from silver.window import Outcome, Window

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VERDICT = ("batch_id", "suite", "rule", "evaluated", "unexpected", "threshold", "success")
_MICROS = pa.timestamp("us", "UTC")


@dataclass(frozen=True)
class Delivery:
    """One delivery as bronze lists it."""

    source: str
    ingested_at: datetime
    batch_id: int
    status: str


_DELIVERY = [column.name for column in fields(Delivery)]


@dataclass(frozen=True)
class Deliveries:
    """A batch's deliveries in the order they count as first; `numbered` has delivery int, source,
    ingested_at, batch_id.
    """

    listed: list[Delivery]
    numbered: DataFrame


@dataclass(frozen=True)
class Tally:
    """What became of one delivery's records; the seconds are unix times of the valid ones."""

    delivered: int = 0
    quarantined: int = 0
    first_second: int | None = None
    last_second: int | None = None
    drifted: bool = False


@dataclass(frozen=True)
class Counted:
    """What became of the records, by delivery number, and in all: by rule, how many broke it."""

    by_delivery: dict[int, Tally]
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
    batches = [("batch_id", ">", window.after), ("batch_id", "<=", window.upto)]
    held = warehouse.state(window.home, BRONZE_DELIVERIES).to_pyarrow_table(filters=batches)
    rows = [Delivery(**row) for row in held.select(_DELIVERY).to_pylist() if row["status"] == TAKEN]
    listed = sorted(rows, key=lambda row: (row.ingested_at, row.source.encode("utf-8"), row.batch_id))
    numbered = pa.table(
        {
            "delivery": pa.array(range(len(listed)), pa.int32()),
            "source": pa.array([row.source for row in listed], pa.string()),
            "ingested_at": pa.array([row.ingested_at for row in listed], _MICROS),
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
    names_kept = [column.name for column in fields(Tally)]
    tallies = {row.delivery: Tally(**{name: row[name] for name in names_kept}) for row in rows}
    return Counted(tallies, broken)


def as_published(window: Window, taken: Deliveries, counted: Counted) -> Counted:
    """The count, with as many records refused as the batch has in quarantine.

    For a batch that an ended run left after its events: what was refused was decided then, by the suite
    of then, and the ledger must say that even if the suite was changed since.
    """
    refused = window.read(SILVER_QUARANTINE).where(window.holds).groupBy("batch_id", "source").count()
    held = {(row.batch_id, row.source): row["count"] for row in refused.collect()}
    tallies = {
        number: replace(tally, quarantined=held.get((listed.batch_id, listed.source), 0))
        for number, tally in counted.by_delivery.items()
        for listed in [taken.listed[number]]
    }
    return replace(counted, by_delivery=tallies)


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
    facts = validated_facts(window, rows)
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
    number: int, delivery: Delivery, counted: Counted, accepted: dict[tuple[int, str], int]
) -> dict[str, Any]:
    tally = counted.by_delivery.get(number, Tally())
    kept = accepted.get((delivery.batch_id, delivery.source), 0)
    valid = tally.delivered - tally.quarantined
    duplicate = valid - kept
    if duplicate < 0:
        raise RuntimeError(
            f"{delivery.source}, batch {delivery.batch_id}: silver.events holds {kept} of its records, "
            f"but only {valid} are valid.\nThe ledger was not written; silver was changed."
        )
    return {
        "batch_id": delivery.batch_id,
        "source": delivery.source,
        "delivered": tally.delivered,
        "accepted": kept,
        "duplicate": duplicate,
        "quarantined": tally.quarantined,
        "min_event_time": _moment(tally.first_second),
        "max_event_time": _moment(tally.last_second),
        "ingested_at": delivery.ingested_at,
    }


def _moment(second: int | None) -> datetime | None:
    return None if second is None else EPOCH + timedelta(seconds=second)


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
