"""What a person asks to reprocess -> the decision that says it exactly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from conf import warehouse
from conf.errors import UsageError
from conf.home import Home
from conf.tables import BRONZE_DELIVERIES, BRONZE_EVENTS, SILVER_LEDGER, SILVER_QUARANTINE
from silver import publish, rules, suites
from silver.reading import readings
from silver.suites import HOURS, QUARANTINE, Decision


@dataclass(frozen=True)
class Asked:
    """What to reprocess: event hours from `from_hour` up to `to_hour`, or refused records; hours perhaps as
    of a version of bronze.events, or of what had been delivered by a moment.
    """

    from_hour: datetime | None = None
    to_hour: datetime | None = None
    quarantine: bool = False
    bronze_version: int | None = None
    bronze_timestamp: datetime | None = None


def check(asked: Asked) -> None:
    """Raise UsageError when it says too little, or two things at once."""
    bounds = [bound for bound in (asked.bronze_version, asked.bronze_timestamp) if bound is not None]
    if asked.quarantine:
        if asked.from_hour or asked.to_hour or bounds:
            raise UsageError(
                "--quarantine is about every refused record; it goes without --from, --to and --bronze-…"
            )
        return
    if asked.from_hour is None or asked.to_hour is None:
        raise UsageError(
            "Say which event hours: lakehouse reprocess --from 2026-03-02T00:00 --to 2026-03-03T00:00\n"
            "(UTC; --to is the hour before which it ends), or --quarantine for refused records."
        )
    if asked.from_hour >= asked.to_hour:
        raise UsageError(
            f"No hour lies between --from {asked.from_hour:%Y-%m-%dT%H:%M} and "
            f"--to {asked.to_hour:%Y-%m-%dT%H:%M}: --to is the hour before which it ends."
        )
    if len(bounds) > 1:
        raise UsageError("Give --bronze-version or --bronze-timestamp, not both.")


def decide(spark: SparkSession, home: Home, asked: Asked) -> Decision:
    """The decision that says it exactly, under today's suite; nothing is written.

    Raises UsageError when bronze had nothing by then.
    """
    if asked.quarantine or asked.from_hour is None or asked.to_hour is None:
        return of_quarantine(spark, home)
    bound = delivered_by(home, asked.bronze_version, asked.bronze_timestamp)
    return of_hours(spark, home, asked.from_hour, asked.to_hour, bound)


def delivered_by(home: Home, version: int | None, moment: datetime | None) -> int | None:
    """The last bronze batch at that version of bronze.events, or taken by that moment; None for neither.

    Raises UsageError when bronze.events has no such version, or nothing had been delivered by then.
    """
    if version is not None:
        newest = warehouse.state(home, BRONZE_EVENTS).version()
        if not 0 <= version <= newest:
            raise UsageError(f"bronze.events has no version {version}: it has 0 to {newest}.")
        at = warehouse.state(home, BRONZE_EVENTS, version)
        batch = at.transaction_version(warehouse.LANDING) or 0
    elif moment is not None:
        until = [("ingested_at", "<=", moment)]
        held = warehouse.state(home, BRONZE_DELIVERIES).to_pyarrow_table(columns=["batch_id"], filters=until)
        batch = max(held["batch_id"].to_pylist(), default=0)
    else:
        return None
    if not batch:
        raise UsageError(
            "Nothing had been delivered by then. `lakehouse history bronze.events` shows what was."
        )
    return batch


def of_hours(
    spark: SparkSession, home: Home, from_hour: datetime, to_hour: datetime, bound: int | None
) -> Decision:
    """The decision to rebuild these event hours under today's suite, from what batches up to `bound`
    brought.
    """
    done = publish.waiting(home)[0]
    ledger = warehouse.state(home, SILVER_LEDGER).to_pyarrow_table().to_pylist()
    batches = {
        row["batch_id"]
        for row in ledger
        if row["min_event_time"] and row["min_event_time"] < to_hour and row["max_event_time"] >= from_hour
    }
    within = [("event_time", ">=", from_hour), ("event_time", "<", to_hour)]
    refused = warehouse.state(home, SILVER_QUARANTINE).to_pyarrow_table(columns=["batch_id"], filters=within)
    batches.update(refused["batch_id"].to_pylist())
    facts = {"from_hour": from_hour, "to_hour": to_hour, "delivered_by": bound}
    return _decide(spark, home, HOURS, done, batches, **facts)


def of_quarantine(spark: SparkSession, home: Home) -> Decision:
    """The decision to judge refused records by today's suite, those alone."""
    done = publish.waiting(home)[0]
    decision = _decide(spark, home, QUARANTINE, done, set())
    refused = warehouse.read(spark, home, SILVER_QUARANTINE).where(F.col("batch_id") <= done)
    now_valid = refused.transform(readings).transform(suites.follow, decision).where(~F.col("refused"))
    batches = {row.batch_id for row in now_valid.select("batch_id").distinct().collect()}
    return _decide(spark, home, QUARANTINE, done, batches)


def _decide(
    spark: SparkSession, home: Home, kind: str, done: int, batches: set[int], **facts: object
) -> Decision:
    suite = rules.load("events")
    upto = {
        "first_batch": 1,
        "last_batch": done,
        "batches": sorted(batch for batch in batches if batch <= done),
    }
    return suites.decide(home, spark, kind, suite, **upto, **facts)
