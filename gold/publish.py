"""silver.events -> the four statistics tables, incrementally, by MERGE."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from typing import Any

from delta.tables import DeltaTable
from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from conf import log, warehouse
from conf.errors import LakehouseError
from conf.home import Home
from conf.tables import GOLD, SILVER_EVENTS, STATISTICS, Table
from gold.statistics import any_table, buckets, differences, of_table, summarise, visits


@dataclass(frozen=True)
class Published:
    """What one gold step did to one table: buckets written or removed."""

    table: str
    buckets: int


@dataclass(frozen=True)
class Scope:
    """What silver gained since the version gold has taken.

    `happened` holds the visits of every touched day, `touched` the changed visits themselves and `days`
    when they happened; both are None when everything is to be counted.
    """

    happened: DataFrame
    touched: DataFrame | None
    days: list[date] | None


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
    log.stage("gold", "recounting touched buckets", spark)
    changed = reduce(DataFrame.unionAll, [_changed(spark, home, table, scope) for table in GOLD])
    # Cut from the tables it was read from: a cached frame that reads a table is dropped, and so computed
    # again, by each commit to that table, and the MERGEs below are such commits.
    changed = changed.localCheckpoint(eager=True, storageLevel=StorageLevel.MEMORY_AND_DISK)
    try:
        sizes = {row.table: row for row in _sizes(changed).collect()}
        for table in GOLD:
            if table.name in sizes:
                _merge(spark, home, table, changed, sizes[table.name], upto)
    finally:
        scope.happened.unpersist()
        if scope.touched is not None:
            scope.touched.unpersist()
    counts = {name: size.buckets for name, size in sizes.items()}
    return [Published(table.name, counts.get(table.name, 0)) for table in GOLD]


def _scope(spark: SparkSession, home: Home, after: int, upto: int) -> Scope:
    events = warehouse.read_version(spark, home, SILVER_EVENTS, upto)
    touched = days = None
    if after:
        touched = visits(warehouse.changes(spark, home, SILVER_EVENTS, after, upto)).persist()
        days = [row.day for row in touched.select("day").distinct().collect()]
        events = events.where(F.col("event_date").isin(days))
    happened = visits(events).repartition("user_id").persist(StorageLevel.MEMORY_AND_DISK)
    return Scope(happened, touched, days)


def _changed(spark: SparkSession, home: Home, table: Table, scope: Scope) -> DataFrame:
    """The buckets of one table whose numbers differ, in the shape all tables share."""
    happened, published = scope.happened, warehouse.read(spark, home, table)
    if scope.touched is not None and scope.days:
        touched = F.broadcast(buckets(scope.touched, table))
        happened = happened.join(touched, on=list(table.key), how="left_semi")
        published = published.where(_in_days(table.key[-1], scope.days))
        published = published.join(touched, on=list(table.key), how="left_semi")
    return differences(summarise(happened, table), published, table).transform(any_table, table)


def _in_days(column: str, days: list[date]) -> Column:
    """Literal bounds, so that files of other days stay unread; a bucket within them may be another day's."""
    return (F.col(column) >= F.lit(min(days))) & (F.col(column) < F.lit(max(days) + timedelta(days=1)))


def _sizes(changed: DataFrame) -> DataFrame:
    """One row per table with changes: how many buckets, the first and the last day."""
    count, first, last = F.count(F.lit(1)), F.min("day"), F.max("day")
    return changed.groupBy("table").agg(count.alias("buckets"), first.alias("first"), last.alias("last"))


def _merge(
    spark: SparkSession, home: Home, table: Table, changed: DataFrame, size: Any, version: int
) -> None:
    """Make the table's buckets what `changed` says, in one commit that also notes the silver version.

    `changed` holds whole buckets, recounted: a second call finds nothing that differs.
    """
    log.stage("gold", f"merging {size.buckets:,} buckets of {table.short_name}", spark)
    same_bucket = _in_days(f"published.{table.key[-1]}", [size.first, size.last])
    for column in table.key:
        same_bucket = same_bucket & (F.col(f"published.{column}") == F.col(f"changed.{column}"))
    is_gone = F.col("changed.views").isNull()
    every: dict[str, str | Column] = {
        column: F.col(f"changed.{column}") for column in (*table.key, *STATISTICS)
    }
    counts: dict[str, str | Column] = {column: every[column] for column in STATISTICS}
    merge = (
        DeltaTable.forPath(spark, home.table(table))
        .alias("published")
        .merge(changed.transform(of_table, table).alias("changed"), same_bucket)
        .whenMatchedDelete(is_gone)
        .whenMatchedUpdate(set=counts)
        .whenNotMatchedInsert(~is_gone, values=every)
    )
    with warehouse.marking(spark, warehouse.identity(home, SILVER_EVENTS), version):
        merge.execute()
