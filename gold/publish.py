"""silver.events -> the four statistics tables, incrementally, by MERGE."""

from __future__ import annotations

import time
from dataclasses import dataclass

from delta.tables import DeltaTable
from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from conf import log, warehouse
from conf.errors import LakehouseError
from conf.home import Home
from conf.tables import GOLD, SILVER_EVENTS, STATISTICS, Table
from gold.statistics import buckets, differences, summarise, visits


@dataclass(frozen=True)
class Published:
    """What one gold step did to one table: buckets written or removed, and the seconds it took."""

    table: str
    buckets: int
    seconds: float


@dataclass(frozen=True)
class Scope:
    """What silver gained: versions later than `after` up to `upto`; `after` 0 means everything.

    `happened` holds the visits of every touched day, `touched` the changed visits themselves.
    """

    after: int
    upto: int
    happened: DataFrame
    touched: DataFrame | None


def waiting(home: Home) -> tuple[int, int]:
    """(the silver version every gold table has taken, the silver version with something for one of them).

    Equal when nothing waits. Raises LakehouseError when gold has taken versions that silver does not hold.
    """
    if not warehouse.exists(home, SILVER_EVENTS):
        return 0, 0
    version = warehouse.state(home, SILVER_EVENTS).version()
    source = warehouse.identity(home, SILVER_EVENTS)
    taken = [warehouse.marker(home, table, source) for table in GOLD]
    if max(taken) > version:
        raise LakehouseError(
            f"{home.table(SILVER_EVENTS)} ends at version {version}, but gold was counted from version "
            f"{max(taken)}: silver is an older copy.\nNothing was changed. Put the newer silver back; or "
            f"remove {home.warehouse / 'gold'} and run again: it is recounted from silver."
        )
    if not warehouse.has_changes(home, SILVER_EVENTS, min(taken), version):
        return version, version
    return min(taken), version


def publish(spark: SparkSession, home: Home) -> list[Published]:
    """Recount what silver touched and MERGE what differs; a second call commits nothing."""
    after, upto = waiting(home)
    if after == upto:
        return []
    log.stage("gold", "reading what silver touched", spark, after=after, upto=upto)
    scope = _scope(spark, home, after, upto)
    try:
        return [_publish(spark, home, table, scope) for table in GOLD]
    finally:
        scope.happened.unpersist()


def _scope(spark: SparkSession, home: Home, after: int, upto: int) -> Scope:
    events = warehouse.read_version(spark, home, SILVER_EVENTS, upto)
    touched = None
    if after:
        touched = visits(warehouse.changes(spark, home, SILVER_EVENTS, after, upto))
        days = [row.day for row in touched.select("day").distinct().collect()]
        events = events.where(F.col("event_date").isin(days))
    happened = visits(events).repartition("user_id").persist(StorageLevel.MEMORY_AND_DISK)
    return Scope(after, upto, happened, touched)


def _publish(spark: SparkSession, home: Home, table: Table, scope: Scope) -> Published:
    started = time.monotonic()
    log.stage("gold", f"recounting {table.short_name}", spark)
    happened, published = scope.happened, warehouse.read(spark, home, table)
    if scope.touched is not None:
        touched = buckets(scope.touched, table).persist()
        happened = happened.join(F.broadcast(touched), on=list(table.key), how="left_semi")
        published = _within(published, touched, table)
    changed = differences(summarise(happened, table), published, table).persist()
    try:
        count = changed.count()
        if count:
            log.stage("gold", f"merging {count:,} buckets of {table.short_name}", spark)
            _merge(spark, home, table, changed, scope.upto)
    finally:
        changed.unpersist()
        if scope.touched is not None:
            touched.unpersist()
    return Published(table.name, count, time.monotonic() - started)


def _within(published: DataFrame, touched: DataFrame, table: Table) -> DataFrame:
    """The published rows of the touched buckets, found by literal bounds so that other files stay unread."""
    time_column = table.key[-1]
    [bounds] = touched.agg(F.min(time_column).alias("first"), F.max(time_column).alias("last")).collect()
    in_bounds = F.col(time_column).between(F.lit(bounds.first), F.lit(bounds.last))
    return published.where(in_bounds).join(F.broadcast(touched), on=list(table.key), how="left_semi")


def _merge(spark: SparkSession, home: Home, table: Table, changed: DataFrame, version: int) -> None:
    """Make the buckets of `changed` what it says, in one commit that also notes the silver version.

    `changed` holds whole buckets, recounted: a second call finds nothing that differs.
    """
    time_column = table.key[-1]
    [bounds] = changed.agg(F.min(time_column).alias("first"), F.max(time_column).alias("last")).collect()
    same_bucket = F.col(f"published.{time_column}").between(F.lit(bounds.first), F.lit(bounds.last))
    for column in table.key:
        same_bucket = same_bucket & (F.col(f"published.{column}") == F.col(f"changed.{column}"))
    is_gone = F.col("changed.views").isNull()
    every: dict[str, str | Column] = {
        column: F.col(f"changed.{column}") for column in (*table.key, *STATISTICS)
    }
    counts: dict[str, str | Column] = {column: F.col(f"changed.{column}") for column in STATISTICS}
    merge = (
        DeltaTable.forPath(spark, home.table(table))
        .alias("published")
        .merge(changed.alias("changed"), same_bucket)
        .whenMatchedDelete(is_gone)
        .whenMatchedUpdate(set=counts)
        .whenNotMatchedInsert(~is_gone, values=every)
    )
    with warehouse.marking(spark, warehouse.identity(home, SILVER_EVENTS), version):
        merge.execute()
