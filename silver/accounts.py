"""What is counted of a batch and kept: ledger, quality, volume, drift."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from conf.errors import LakehouseError
from conf.tables import (
    SILVER_DRIFT,
    SILVER_EVENTS,
    SILVER_LEDGER,
    SILVER_QUALITY,
    SILVER_QUARANTINE,
    SILVER_VOLUME,
)
from silver import gate, ledger, rules
from silver.deliveries import Deliveries, Delivery
from silver.facts import validated_facts
from silver.validation import Checked
from silver.window import Outcome, Window

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VERDICT = ("batch_id", "suite", "rule", "evaluated", "unexpected", "threshold", "success")


@dataclass(frozen=True)
class Tally:
    """What became of one delivery's records; the seconds are unix times of the valid ones."""

    delivered: int = 0
    quarantined: int = 0
    first_second: int | None = None
    last_second: int | None = None
    drifted: bool = False
    bytes_aside: int = 0


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
    def bytes_aside(self) -> int:
        """Of refused payloads and of names of unknown fields."""
        return sum(row.bytes_aside for row in self.by_delivery.values())

    @property
    def drifted(self) -> bool:
        """Whether any record has a field that is none of the six."""
        return any(row.drifted for row in self.by_delivery.values())


def count(judged: DataFrame, suite: rules.Suite) -> Counted:
    """Count a judged batch; raises LakehouseError when a record's delivery is not listed in bronze."""
    return count_rules(judged, [rule.name for rule in suite.row_rules])


def count_rules(judged: DataFrame, names: list[str]) -> Counted:
    """The same for the rules of these names."""
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
    tallies = dict(counted.by_delivery)
    for number, tally in tallies.items():
        listed = taken.listed[number]
        tallies[number] = replace(tally, quarantined=held.get((listed.batch_id, listed.source), 0))
    return replace(counted, by_delivery=tallies)


def write_refusal(window: Window, checked: list[Checked]) -> None:
    """Keep what the gate saw, so that the report can say why; the same verdict again commits nothing."""
    fresh = quality_rows(window, checked, published=False)
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
    rows = ledger_rows(taken, counted, accepted)
    outcome.accepted = sum(row["accepted"] for row in rows)
    outcome.duplicate = sum(row["duplicate"] for row in rows)
    if counted.drifted or window.marker(SILVER_DRIFT) > window.after:
        unknown = ledger.unknown_fields(judged, taken.numbered).coalesce(1)
        window.replace(unknown, SILVER_DRIFT, counted.bytes_aside)
    window.describe("comparing volume, freshness and duplicates")
    of_batch = rules.load("batch")
    facts = validated_facts(window, rows, of_batch)
    outcome.warnings += gate.breaches(facts, of_batch, 0)[1]
    _write_quality(window, quality_rows(window, [*checked, *facts], published=True))
    window.enter(rows, SILVER_LEDGER)


def ledger_rows(
    taken: Deliveries, counted: Counted, accepted: dict[tuple[int, str], int]
) -> list[dict[str, Any]]:
    """One row of silver.ledger for each of the deliveries; `accepted` is what silver.events holds of each."""
    return [_ledger_row(number, row, counted, accepted) for number, row in enumerate(taken.listed)]


def _write_volume(window: Window) -> dict[tuple[int, str], int]:
    """Write silver.volume; returns what silver.events holds of the batch, by batch and source."""
    by_hour = ledger.accepted_by_hour(window.read(SILVER_EVENTS).where(window.holds)).persist()
    try:
        total = F.sum("accepted").alias("accepted")
        rows = by_hour.groupBy("batch_id", "source").agg(total).collect()
        window.enter(by_hour.groupBy("batch_id", "hour").agg(total).toArrow(), SILVER_VOLUME)
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


def quality_rows(
    window: Window, checked: list[Checked], *, published: bool, reprocess: int | None = None
) -> list[dict[str, Any]]:
    """One row of silver.quality for each check."""
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
            "reprocess": reprocess,
        }
        for check in checked
    ]


def _write_quality(window: Window, rows: list[dict[str, Any]]) -> None:
    window.enter(rows, SILVER_QUALITY)
