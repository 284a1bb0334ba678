"""Silver computed again from bronze and the decisions, beside the tables as they are."""

from __future__ import annotations

from typing import Any

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from conf import warehouse
from conf.errors import LakehouseError
from conf.findings import MOST, Finding, of_rows
from conf.home import Home
from conf.tables import BRONZE_EVENTS, SILVER_EVENTS, SILVER_LEDGER, SILVER_QUARANTINE, SILVER_VOLUME
from silver import accounts, deduplication, deliveries, differences, ledger, publish, quarantine, suites
from silver.accounts import Counted
from silver.deliveries import Deliveries
from silver.window import Window


def verify(spark: SparkSession, home: Home) -> list[Finding]:
    """What differs in silver.events (by event hour), .quarantine and .ledger (by batch and source) and
    .volume (by batch and hour).

    Raises LakehouseError while a batch or a reprocess is half way through silver.
    """
    done, _ = publish.waiting(home)
    if publish.is_half_way(home):
        raise LakehouseError(
            f"{home.root}: a run ended half way through silver, so its tables do not agree yet.\n"
            "Nothing was compared. Run `lakehouse run`, which finishes it, then verify again."
        )
    window = Window(spark, home, warehouse.identity(home, BRONZE_EVENTS), 0, done)
    window.describe("computing silver again from bronze")
    taken, decisions = deliveries.listed(window), suites.in_force(home)
    judged = deliveries.read(window, taken).transform(suites.judged, decisions)
    judged = judged.transform(quarantine.payloads).persist(StorageLevel.MEMORY_AND_DISK)
    events = deduplication.distinct(judged.where("NOT refused"), taken.numbered)
    events = events.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        names = {rule.name: None for one in decisions for rule in one.suite.row_rules}
        counted = accounts.count_rules(judged, list(names))
        window.describe("comparing silver with what it should be")
        return [
            *_events_differ(window, events),
            *_quarantine_differs(window, judged, taken),
            *_accounts_differ(window, events, taken, counted),
        ]
    finally:
        events.unpersist()
        judged.unpersist()


def _events_differ(window: Window, events: DataFrame) -> list[Finding]:
    gone, unknown = F.col(warehouse.GONE), F.col("unknown")
    differing = differences.events(events, window.read(SILVER_EVENTS).where(window.holds))
    by_hour = differing.groupBy(F.date_trunc("hour", "event_time").alias("hour")).agg(
        F.count_if(unknown).alias("missing"),
        F.count_if(gone).alias("unexpected"),
        F.count_if(~gone & ~unknown).alias("other_first_delivery"),
    )
    return of_rows(SILVER_EVENTS, by_hour.orderBy("hour"), ("hour",))


def _quarantine_differs(window: Window, judged: DataFrame, taken: Deliveries) -> list[Finding]:
    live = window.read(SILVER_QUARANTINE).where(window.holds)
    differing = differences.quarantine(quarantine.of_deliveries(judged, taken.numbered), live)
    by_source = differing.groupBy("batch_id", "source").agg(
        F.sum(F.greatest("more", F.lit(0))).alias("missing"),
        F.sum(F.greatest(-F.col("more"), F.lit(0))).alias("unexpected"),
    )
    return of_rows(SILVER_QUARANTINE, by_source.orderBy("batch_id", "source"), ("batch_id", "source"))


def _accounts_differ(window: Window, events: DataFrame, taken: Deliveries, counted: Counted) -> list[Finding]:
    by_hour = ledger.accepted_by_hour(events)
    total = F.sum("accepted").alias("accepted")
    rows = by_hour.groupBy("batch_id", "source").agg(total).collect()
    accepted = {(row.batch_id, row.source): row.accepted for row in rows}
    expected = accounts.ledger_rows(taken, counted, accepted)
    live = warehouse.state(window.home, SILVER_LEDGER).to_pyarrow_table().to_pylist()
    held_volume = window.read(SILVER_VOLUME).where(window.holds)
    volume = differences.volume(by_hour.groupBy("batch_id", "hour").agg(total), held_volume)
    shown = volume.select(
        "batch_id",
        "hour",
        F.when(F.col(warehouse.GONE), "unexpected")
        .when(F.col("unknown"), "missing")
        .otherwise("other count")
        .alias("row"),
    )
    return [
        *_ledger_differs(expected, [row for row in live if row["batch_id"] <= window.upto]),
        *of_rows(SILVER_VOLUME, shown.orderBy("batch_id", "hour"), ("batch_id", "hour")),
    ]


def _ledger_differs(expected: list[dict[str, Any]], live: list[dict[str, Any]]) -> list[Finding]:
    key = SILVER_LEDGER.key
    should = {tuple(row[name] for name in key): row for row in expected}
    held = {tuple(row[name] for name in key): row for row in live}
    differing = [
        place for place in sorted(should.keys() | held.keys()) if should.get(place) != held.get(place)
    ]
    if len(held) < len(live):
        twice = {"rows": len(live) - len(held)}
        return [Finding(SILVER_LEDGER.name, {"key": "more than one row for a source"}, twice, {"rows": 0})]
    return [
        Finding(SILVER_LEDGER.name, dict(zip(key, place, strict=True)), held.get(place), should.get(place))
        for place in differing[:MOST]
    ]
