"""silver.events -> the four statistics tables, incrementally, by MERGE."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from conf import cluster, log, notes, warehouse
from conf.home import Home
from conf.tables import GOLD, GOLD_RESTATEMENTS, SILVER_EVENTS, Table
from gold.progress import note_unchanged, taken, waiting
from gold.restatements import BUCKET, NEW, caused, changed_again, reasons, restated
from gold.statistics import any_table, buckets, differences, of_table, summarise, visits


@dataclass(frozen=True)
class Published:
    """What one gold step did to one table: buckets written or removed."""

    table: str
    buckets: int

    @property
    def row(self) -> tuple[str, int]:
        """What a person is shown."""
        return f"buckets changed in {self.table}", self.buckets


def joined(earlier: list[Published], later: list[Published]) -> list[Published]:
    """What two publications did together, table by table."""
    buckets_changed = Counter({step.table: 0 for step in later})
    for step in [*earlier, *later]:
        buckets_changed[step.table] += step.buckets
    return [Published(*changed) for changed in buckets_changed.items()]


def said(published: list[Published]) -> str:
    """What was done, in a few words; empty when nothing was."""
    return f"{sum(step.buckets for step in published):,} buckets of gold" if published else ""


@dataclass(frozen=True)
class Scope:
    """What silver gained since the version gold has taken.

    `happened` holds the visits of every touched day, `touched` the changed visits themselves and `days`
    when they happened; both are None when everything is to be counted.
    """

    happened: DataFrame
    touched: DataFrame | None
    days: list[date] | None


def publish(spark: SparkSession, home: Home) -> list[Published]:
    """Recount what silver touched, log what is restated, and MERGE what differs; a second call commits
    nothing.
    """
    after, upto = waiting(home)
    buckets_changed = dict.fromkeys((table.name for table in GOLD), 0)
    for start, end in _windows(home, after, upto):
        for step in _take(spark, home, start, end):
            buckets_changed[step.table] += step.buckets
        note_unchanged(spark, home, end)
    return [Published(*changed) for changed in buckets_changed.items()] if after != upto else []


def recount(spark: SparkSession, home: Home, first: datetime, end: datetime) -> list[Published]:
    """Recount every bucket from `first` up to `end` (UTC), touched or not, from the silver that gold has
    taken: a number that was changed in gold itself is put right.
    """
    version = min(taken(home).values())
    log.stage("gold", "recounting the hours asked for", spark)
    last = (end - timedelta(microseconds=1)).date()
    events = warehouse.read_version(spark, home, SILVER_EVENTS, version)
    in_days = F.col("event_date").between(F.lit(first.date()), F.lit(last))
    happened = visits(events.where(in_days)).repartition("user_id").persist(StorageLevel.MEMORY_AND_DISK)
    by_table = [
        differences(
            summarise(happened, table).where(_asked(table, first, end)),
            warehouse.read(spark, home, table).where(_asked(table, first, end)),
            table,
        ).transform(any_table, table)
        for table in GOLD
    ]
    try:
        return _publish(spark, home, reduce(DataFrame.unionAll, by_table), Scope(happened, None, None), None)
    finally:
        happened.unpersist()


def _asked(table: Table, first: datetime, end: datetime) -> Column:
    bucket = table.key[-1]
    if bucket == "day":
        return F.col(bucket).between(F.lit(first.date()), F.lit((end - timedelta(microseconds=1)).date()))
    return (F.col(bucket) >= F.lit(first)) & (F.col(bucket) < F.lit(end))


def _windows(home: Home, after: int, upto: int) -> list[tuple[int, int]]:
    """Restatements are logged before the tables follow: a run that ended in between is finished first, so
    that what the log says was published has been published.
    """
    logged = warehouse.marker(home, GOLD_RESTATEMENTS, warehouse.identity(home, SILVER_EVENTS))
    ends = sorted(end for end in {logged, upto} if after < end <= upto)
    return list(zip([after, *ends], ends, strict=False))


def _take(spark: SparkSession, home: Home, after: int, upto: int) -> list[Published]:
    log.stage("gold", "reading what silver touched", spark, after=after, upto=upto)
    scope = _scope(spark, home, after, upto)
    log.stage("gold", "recounting touched buckets", spark)
    changed = reduce(DataFrame.unionAll, [_changed(spark, home, table, scope) for table in GOLD])
    try:
        return _publish(spark, home, changed, scope, upto)
    finally:
        scope.happened.unpersist()
        if scope.touched is not None:
            scope.touched.unpersist()


def _publish(
    spark: SparkSession, home: Home, changed: DataFrame, scope: Scope, upto: int | None
) -> list[Published]:
    """Log and MERGE the buckets of `changed`, and note that silver is taken up to the version, if given."""
    # Cut from the tables it was read from: a cached frame that reads a table is dropped, and so computed
    # again, by each commit to that table, and the MERGEs below are such commits.
    changed = cluster.kept(changed)
    sizes = {row.table_name: row for row in _sizes(changed).collect()}
    _log_restatements(spark, home, changed, scope, upto)
    for table in GOLD:
        if table.name in sizes:
            _merge(spark, home, table, changed, sizes[table.name], upto)
    return [Published(name, size.buckets) for name, size in sizes.items()]


def _scope(spark: SparkSession, home: Home, after: int, upto: int) -> Scope:
    events = warehouse.read_version(spark, home, SILVER_EVENTS, upto)
    touched = days = None
    if after and warehouse.has_feed(home, SILVER_EVENTS, after):
        feed = warehouse.changes(spark, home, SILVER_EVENTS, after, upto)
        noted = warehouse.noted_since(home, SILVER_EVENTS, after)
        causes = {version: note["cause"] for version, note in noted.items() if "cause" in note}
        was_lost = any(note.get("lost") for note in noted.values())
        with warehouse.passing_over_lost_files(spark) if was_lost else nullcontext():
            touched = visits(feed.transform(caused, causes), "source", "cause").persist()
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
    return changed.groupBy("table_name").agg(
        F.count(F.lit(1)).alias("buckets"),
        F.min("day").alias("first"),
        F.max("day").alias("last"),
    )


def _log_restatements(
    spark: SparkSession, home: Home, changed: DataFrame, scope: Scope, upto: int | None
) -> None:
    """Log the buckets that were published before; nothing is written when there are none."""
    logged = warehouse.read(spark, home, GOLD_RESTATEMENTS)
    taken_back = logged.where(F.col(NEW[0]).isNull()).select(*BUCKET)
    if not warehouse.holds_null(home, GOLD_RESTATEMENTS, NEW[0]):
        taken_back = taken_back.limit(0)
    again = changed_again(changed, taken_back)
    if again.isEmpty():
        return
    log.stage("gold", "logging restatements", spark)
    why = reasons(scope.touched) if scope.touched is not None else None
    rows = restated(again, why, notes.run_of(spark), datetime.now(UTC), upto).coalesce(1)
    if upto is None:
        rows.write.format("delta").mode("append").save(home.table(GOLD_RESTATEMENTS))
    else:
        source = warehouse.identity(home, SILVER_EVENTS)
        warehouse.append(rows, home, GOLD_RESTATEMENTS, source, upto)


def _merge(
    spark: SparkSession, home: Home, table: Table, changed: DataFrame, size: Any, version: int | None
) -> None:
    """Make the table's buckets what `changed` says, in one commit that also notes the silver version.

    `changed` holds whole buckets, recounted: a second call finds nothing that differs.
    """
    log.stage("gold", f"merging {size.buckets:,} buckets of {table.short_name}", spark)
    within = _in_days(f"published.{table.key[-1]}", [size.first, size.last])
    source = warehouse.identity(home, SILVER_EVENTS)
    with nullcontext() if version is None else warehouse.marking(spark, source, version):
        warehouse.merge(spark, home, table, changed.transform(of_table, table), within)
