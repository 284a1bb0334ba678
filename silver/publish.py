"""bronze.events -> the silver tables, one batch at a time.

A batch is what bronze gained since silver last committed. Its commits come in this order: quarantine,
events, then what is counted from them, and the ledger last: its marker says the batch is done. A run
that ends in between is finished by the next one, from what events has committed already.
"""

from __future__ import annotations

import time

from pyspark import StorageLevel
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from conf import sizes, warehouse
from conf.errors import LakehouseError, UsageError
from conf.home import Home
from conf.tables import BRONZE_EVENTS, SILVER_EVENTS, SILVER_LEDGER, SILVER_QUARANTINE
from silver import accounts, deduplication, deliveries, gate, ledger, quarantine, rules, suites
from silver.accounts import Counted
from silver.deliveries import Deliveries
from silver.validation import Checked, import_ahead, validate
from silver.window import Outcome, Window

SPANS_SPELLED_OUT = 64


def waiting(home: Home) -> tuple[int, int]:
    """(the last bronze batch silver is done with, the last bronze batch); equal when nothing waits.

    Raises LakehouseError when silver has taken batches that bronze does not hold.
    """
    if not warehouse.exists(home, BRONZE_EVENTS):
        return 0, 0
    latest = warehouse.marker(home, BRONZE_EVENTS, warehouse.LANDING)
    source = warehouse.identity(home, BRONZE_EVENTS)
    done = warehouse.marker(home, SILVER_LEDGER, source)
    begun = max(done, warehouse.marker(home, SILVER_EVENTS, source))
    if begun > latest:
        raise LakehouseError(
            f"{home.table(BRONZE_EVENTS)} ends at batch {latest}, but silver has taken batch {begun} from "
            "it: bronze is an older copy.\nNothing was changed. Put the newer bronze back; or, to go on from "
            f"the older one, remove {home.warehouse / 'silver'} and {home.warehouse / 'gold'} and run again: "
            "both are rebuilt from bronze."
        )
    return done, latest


def grounds(home: Home) -> tuple[int, int, str]:
    """What a verdict on the batch that waits rests on: where it begins and ends, and today's suite. As long
    as they stay, judging it again says the same.
    """
    return *waiting(home), rules.load("events").definition


def publish(spark: SparkSession, home: Home, accept: int | None = None) -> list[Outcome]:
    """Take what bronze gained; stops at the first batch that a gate keeps back.

    `accept` names a batch to let through whatever its gate says; later ones are judged by themselves.
    Raises UsageError when no such batch is waiting.
    """
    done, latest = waiting(home)
    if accept is not None and not done < accept <= latest:
        held = f"batches {done + 1} to {latest} are" if latest > done else "no batch is"
        raise UsageError(f"Batch {accept} is not waiting to be accepted: {held}. Nothing was changed.")
    outcomes: list[Outcome] = []
    if latest > done:
        import_ahead()
    for window in _windows(spark, home, done, latest, accept):
        outcomes.append(_take(window, by_name=window.upto == accept))
        if outcomes[-1].refusing:
            break
    return outcomes


def finish_begun(spark: SparkSession, home: Home) -> list[Outcome]:
    """Finish the batch that an interrupted run has begun, if any, and take no other."""
    done, _ = waiting(home)
    begun = begun_batch(home)
    source = warehouse.identity(home, BRONZE_EVENTS) if begun > done else ""
    return [_take(Window(spark, home, source, done, begun), by_name=False)] if begun > done else []


def begun_batch(home: Home) -> int:
    """The last bronze batch that silver has begun to take; done with or not."""
    if not warehouse.exists(home, BRONZE_EVENTS):
        return 0
    return warehouse.marker(home, SILVER_EVENTS, warehouse.identity(home, BRONZE_EVENTS))


def is_half_way(home: Home) -> bool:
    """Whether a run ended within a batch or a reprocess, so that silver's tables do not agree yet."""
    done, _ = waiting(home)
    return begun_batch(home) > done or suites.unfinished(home) is not None


def _windows(spark: SparkSession, home: Home, done: int, latest: int, accept: int | None) -> list[Window]:
    """What is begun is finished first; a batch accepted by name ends its window, so none hides behind it."""
    source = warehouse.identity(home, BRONZE_EVENTS)
    ends = sorted(end for end in {begun_batch(home), accept or 0, latest} if done < end <= latest)
    return [
        Window(spark, home, source, after, upto) for after, upto in zip([done, *ends], ends, strict=False)
    ]


def _take(window: Window, *, by_name: bool) -> Outcome:
    started = time.monotonic()
    suite = rules.load("events")
    outcome = Outcome(window.upto)
    taken = deliveries.listed(window)
    window.describe("parsing and judging records")
    judged = _judged(window, taken, suite).persist(StorageLevel.MEMORY_AND_DISK)
    try:
        begun = window.marker(SILVER_EVENTS) >= window.upto
        with window.planned():
            counted = accounts.count(judged, suite)
            outcome.delivered, outcome.quarantined = counted.delivered, counted.quarantined
            outcome.broken = {name: count for name, count in counted.broken.items() if count}
            checked = _validated(window, judged, suite, counted, outcome)
        refusing, outcome.warnings = gate.breaches(checked, suite, counted.delivered)
        if refusing and not (by_name or begun):
            outcome.refusing = refusing
            accounts.write_refusal(window, checked)
        else:
            if begun:
                counted = accounts.as_published(window, taken, counted)
                outcome.quarantined = counted.quarantined
            else:
                suites.put_in_force(window.spark, window.home, suite, window.after + 1)
                _write_events(window, judged, taken.numbered, counted)
            with window.planned():
                accounts.write(window, judged, taken, counted, checked, outcome)
    finally:
        judged.unpersist()
    outcome.seconds = time.monotonic() - started
    return outcome


def _judged(window: Window, taken: Deliveries, suite: rules.Suite) -> DataFrame:
    judged = deliveries.read(window, taken).transform(rules.judged, suite.row_rules)
    return judged.transform(quarantine.payloads).drop("ingested_at", "batch_id")


def _validated(
    window: Window, judged: DataFrame, suite: rules.Suite, counted: Counted, outcome: Outcome
) -> list[Checked]:
    if not counted.delivered:
        return []
    window.describe(f"validating {counted.delivered:,} records with Great Expectations")
    started = time.monotonic()
    checked = validate(judged, suite)
    outcome.validation_seconds = time.monotonic() - started
    gate.agree(checked, {**counted.broken, gate.REFUSED_SHARE: counted.quarantined})
    return checked


def _write_events(window: Window, judged: DataFrame, numbered: DataFrame, counted: Counted) -> None:
    valid = judged.where("NOT refused")
    with window.planned():
        if counted.quarantined or window.marker(SILVER_QUARANTINE) > window.after:
            window.describe(f"writing {counted.quarantined:,} refused records to quarantine")
            refused = quarantine.of_deliveries(judged, numbered)
            window.replace(refused, SILVER_QUARANTINE, counted.bytes_aside)
        spans = ledger.day_spans(valid).collect()
    if spans:
        valid_records = counted.delivered - counted.quarantined
        window.describe(f"removing duplicates among {valid_records:,} records, writing events")
        distinct = deduplication.events(valid).transform(deduplication.first_delivery)
        known, of_days = _known(window, spans), 0
        if window.is_small:
            known = known.transform(deduplication.alike, distinct)
        else:
            # What is known of these days may be much more than the batch.
            of_days = sizes.of_days(window.home, SILVER_EVENTS, [span.day for span in spans])
        new = distinct.transform(deduplication.unseen, known)
        with window.planned(of_days):
            window.append(new.transform(deduplication.accepted, numbered), SILVER_EVENTS)


def _known(window: Window, spans: list[Row]) -> DataFrame:
    """The part of silver.events the batch could repeat: its days, and in each the span of its events."""
    events = window.read(SILVER_EVENTS)
    in_days = F.col("event_date").isin([span.day for span in spans])
    if len(spans) > SPANS_SPELLED_OUT:
        return events.where(in_days)
    in_spans = F.lit(False)
    for span in spans:
        in_span = F.col("event_time").between(F.lit(span.first), F.lit(span.last))
        in_spans = in_spans | ((F.col("event_date") == F.lit(span.day)) & in_span)
    return events.where(in_days & in_spans)
