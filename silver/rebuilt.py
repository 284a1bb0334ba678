"""The accounts and the quarantine of silver, brought in line with what a reprocess made of its events."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from conf import cluster, notes, warehouse
from conf.tables import SILVER_EVENTS, SILVER_LEDGER, SILVER_QUARANTINE, SILVER_VOLUME
from silver import differences, ledger, suites
from silver.accounts import Counted, ledger_rows
from silver.deliveries import Deliveries
from silver.quarantine import of_deliveries, refused
from silver.reading import readings
from silver.suites import HOURS, Decision
from silver.window import Window


def accounts(window: Window, taken: Deliveries, counted: Counted) -> None:
    """Count silver.events anew into silver.volume and silver.ledger; rows that agree are left alone.

    `counted` says what became of the records of the deliveries `taken`; of other deliveries only the
    share that became an event can have changed.
    """
    by_hour = ledger.accepted_by_hour(window.read(SILVER_EVENTS).where(window.holds)).persist()
    try:
        total = F.sum("accepted").alias("accepted")
        _merge_volume(window, by_hour.groupBy("batch_id", "hour").agg(total))
        rows = by_hour.groupBy("batch_id", "source").agg(total).collect()
    finally:
        by_hour.unpersist()
    accepted = {(row.batch_id, row.source): row.accepted for row in rows}
    fresh = {_key(row): row for row in ledger_rows(taken, counted, accepted)}
    live = warehouse.state(window.home, SILVER_LEDGER).to_pyarrow_table().to_pylist()
    _merge_ledger(window, [changed for row in live if (changed := _balanced(row, fresh, accepted)) != row])


def _key(row: dict[str, Any]) -> tuple[int, str]:
    return row["batch_id"], row["source"]


def _balanced(
    row: dict[str, Any], fresh: dict[tuple[int, str], dict[str, Any]], accepted: dict[tuple[int, str], int]
) -> dict[str, Any]:
    kept = accepted.get(_key(row), 0)
    others = {"accepted": kept, "duplicate": row["delivered"] - row["quarantined"] - kept}
    return row | fresh.get(_key(row), others)


def _merge_volume(window: Window, fresh: DataFrame) -> None:
    changed = cluster.kept(differences.volume(fresh, window.read(SILVER_VOLUME).where(window.holds)))
    if not changed.isEmpty():
        upto = F.col("published.batch_id") <= window.upto
        warehouse.merge(window.spark, window.home, SILVER_VOLUME, changed.drop("unknown"), upto)


def _merge_ledger(window: Window, changed: list[dict[str, Any]]) -> None:
    if changed:
        rows = window.local(changed, SILVER_LEDGER).withColumn(warehouse.GONE, F.lit(False))
        upto = F.col("published.batch_id") <= window.upto
        warehouse.merge(window.spark, window.home, SILVER_LEDGER, rows, upto)


def quarantine(window: Window, decision: Decision, judged: DataFrame, taken: Deliveries) -> None:
    """Make silver.quarantine what the decision makes of it, in one commit; none when that is what it is.

    `judged` are the records of the deliveries `taken`, as they are judged now.
    """
    live = window.read(SILVER_QUARANTINE)
    columns = live.columns
    # A reading has columns of these names; what is kept is read from the payload again.
    rejudged = live.drop("event_time").transform(readings).transform(suites.follow, decision)
    stays = rejudged.where("refused").transform(refused)
    if decision.kind == HOURS:
        within = of_deliveries(judged, taken.numbered).where(decision.holds(F.col("event_time")))
        beyond = ~decision.holds(F.col("event_time")) | (F.col("batch_id") > window.upto)
        stays = stays.where(beyond).unionByName(within)
    stays = cluster.kept(stays.select(*columns))
    if not differences.quarantine(stays, live).isEmpty():
        note = notes.of(window.spark)
        writer = stays.write.format("delta").mode("overwrite").option("userMetadata", note)
        writer.save(window.home.table(SILVER_QUARANTINE))
