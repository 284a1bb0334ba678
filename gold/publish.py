"""silver.events -> the four statistics tables, incrementally, by MERGE."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import reduce

from pyspark import inheritable_thread_target
from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from conf import cluster, entries, feed, log, notes, runs, sizes, warehouse
from conf.home import Home
from conf.tables import GOLD, GOLD_RESTATEMENTS, SILVER_EVENTS, Table
from gold.progress import note_unchanged, taken, waiting
from gold.restatements import NEW, by_table, caused, changed_again, reasons, restated
from gold.statistics import BUCKET, buckets, differences, of_table, published, summarise, visits, within

BUCKET_BYTES = 64
"""About what a bucket takes in a file before it is compressed."""


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

    `happened` holds the visits of every touched day, `buckets` those that changed events fall in, and
    `touched` the same with each source and cause; both are None when everything is to be counted.
    `published` bounds what is compared, `bytes` what is read; `gained` is how much of it is new.
    """

    happened: DataFrame
    bytes: int
    gained: int
    published: DataFrame
    touched: DataFrame | None = None
    buckets: DataFrame | None = None


def publish(spark: SparkSession, home: Home) -> list[Published]:
    """Recount what silver touched, log what is restated, and MERGE what differs; a second call commits
    nothing.
    """
    after, upto = waiting(home)
    buckets_changed = dict.fromkeys((table.name for table in GOLD), 0)
    for start, end in _windows(home, after, upto):
        for step in _take(spark, home, start, end):
            buckets_changed[step.table] += step.buckets
        note_unchanged(home, end)
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
    fresh = visits(events.where(in_days)).transform(summarise).where(_asked(first, end))
    changed = differences(fresh, _published(spark, home, (first.date(), last)).where(_asked(first, end)))
    return _publish(spark, home, changed, None, None)


def _asked(first: datetime, end: datetime) -> Column:
    """Whether an hour is among those asked for, or a day holds any of them."""
    is_day = F.col("table_name").isin([table.name for table in GOLD if table.key[-1] == "day"])
    last = (end - timedelta(microseconds=1)).date()
    of_days = F.col("day").between(F.lit(first.date()), F.lit(last))
    of_hours = (F.col("bucket") >= F.lit(first)) & (F.col("bucket") < F.lit(end))
    return of_days & (is_day | of_hours)


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
    with cluster.planned_for(spark, scope.bytes):
        changed = differences(summarise(scope.happened, scope.buckets), scope.published)
        try:
            return _publish(spark, home, changed, scope, upto)
        finally:
            for held in (scope.touched, scope.buckets):
                if held is not None:
                    held.unpersist()


def _publish(
    spark: SparkSession, home: Home, changed: DataFrame, scope: Scope | None, upto: int | None
) -> list[Published]:
    """Log and MERGE the buckets of `changed`, and note that silver is taken up to the version, if given."""
    # Cut from the tables it was read from: a cached frame that reads a table is dropped, and so computed
    # again, by each commit to that table, and the MERGEs below are such commits.
    changed = cluster.kept(changed)
    changes = {row.table_name: row for row in by_table(changed).collect()}
    few = sum(change.buckets for change in changes.values()) * BUCKET_BYTES < cluster.PARTITION_BYTES
    changed = changed.coalesce(1) if few else changed
    rows = _restated(spark, home, changed, scope.touched if scope else None, upto)
    few_sources = scope is not None and scope.gained < cluster.PARTITION_BYTES
    _log_restatements(rows, home, upto, few=few and few_sources)
    log.stage("gold", f"merging {sum(change.buckets for change in changes.values()):,} buckets", spark)
    source = warehouse.identity(home, SILVER_EVENTS)
    marking = nullcontext() if upto is None else warehouse.marking(spark, source, upto)
    with marking, cluster.planned_for(spark, _bytes_merged(home, changes)):
        _merge_all(spark, home, changed, changes)
    return [Published(name, change.buckets) for name, change in changes.items()]


def _bytes_merged(home: Home, changes: dict[str, Row]) -> int:
    """How much the merges read and write: the files that hold the days of the changes, and the changes."""
    merged = [(table, changes[table.name]) for table in GOLD if table.name in changes]
    of_files = [sizes.of_span(home, table, table.key[-1], days.first, days.last) for table, days in merged]
    return sum(of_files, start=BUCKET_BYTES * sum(change.buckets for change in changes.values()))


def _merge_all(spark: SparkSession, home: Home, changed: DataFrame, changes: dict[str, Row]) -> None:
    """Merge each table that has changes. Most of a MERGE is planning, and the tables are independent, so
    they are merged beside each other.
    """
    with ThreadPoolExecutor(max_workers=len(GOLD)) as pool:
        merging = [
            # Wrapped anew for each: threads that share a wrapper share the properties by which Spark tells
            # their queries apart, and it keeps jobs of a query that is over for good.
            pool.submit(inheritable_thread_target(spark)(_merge), spark, home, table, changed, change)
            for table in GOLD
            if (change := changes.get(table.name))
        ]
        for merged in merging:
            merged.result()


def _merge(spark: SparkSession, home: Home, table: Table, changed: DataFrame, change: Row) -> None:
    """Make the table's buckets what `changed` says, in one commit.

    `changed` holds whole buckets, recounted: a second call finds nothing that differs.
    """
    within = _in_days(f"published.{table.key[-1]}", (change.first, change.last))
    warehouse.merge(spark, home, table, changed.transform(of_table, table), within)


def _scope(spark: SparkSession, home: Home, after: int, upto: int) -> Scope:
    events = warehouse.read_version(spark, home, SILVER_EVENTS, upto)
    if not after or not feed.is_kept(home, SILVER_EVENTS, after):
        size = sizes.of_table(home, SILVER_EVENTS)
        return Scope(visits(events), size, size, _published(spark, home))
    arrived = feed.changes(spark, home, SILVER_EVENTS, after, upto)
    noted = runs.noted_since(home, SILVER_EVENTS, after)
    causes = {version: note["cause"] for version, note in noted.items() if "cause" in note}
    was_lost = any(note.get("lost") for note in noted.values())
    gained = sizes.written_since(home, SILVER_EVENTS, after)
    passing = warehouse.passing_over_lost_files(spark) if was_lost else nullcontext()
    with passing, cluster.planned_for(spark, gained):
        changed = visits(arrived.transform(caused, causes), "source", "cause")
        touched = buckets(changed, "source", "cause").persist()
        counted_anew = touched.select(*BUCKET, "day").distinct().persist()
        days = [row.day for row in counted_anew.select("day").distinct().collect()]
    happened = visits(events.where(F.col("event_date").isin(days)))
    live = _published(spark, home, (min(days), max(days)) if days else None)
    size = sizes.of_days(home, SILVER_EVENTS, days)
    return Scope(happened, size, gained, within(live, counted_anew), touched, counted_anew)


def _published(spark: SparkSession, home: Home, days: tuple[date, date] | None = None) -> DataFrame:
    """What the four tables hold, or only of these days and those between."""
    held = {table: warehouse.read(spark, home, table) for table in GOLD}
    if days:
        held = {table: rows.where(_in_days(table.key[-1], days)) for table, rows in held.items()}
    return reduce(DataFrame.unionAll, [published(rows, table) for table, rows in held.items()])


def _in_days(column: str, days: tuple[date, date]) -> Column:
    """Literal bounds, so that files of other days stay unread; a bucket within them may be another day's."""
    first, last = days
    return (F.col(column) >= F.lit(first)) & (F.col(column) < F.lit(last + timedelta(days=1)))


def _restated(
    spark: SparkSession, home: Home, changed: DataFrame, touched: DataFrame | None, upto: int | None
) -> DataFrame:
    """The buckets that were published before, with gold.restatements' columns."""
    logged = warehouse.read(spark, home, GOLD_RESTATEMENTS)
    taken_back = logged.where(F.col(NEW[0]).isNull()).select(*BUCKET)
    if not warehouse.holds_null(home, GOLD_RESTATEMENTS, NEW[0]):
        taken_back = taken_back.limit(0)
    again = changed_again(changed, taken_back)
    why = reasons(touched) if touched is not None else None
    return restated(again, why, notes.run_of(spark), datetime.now(UTC), upto)


def _log_restatements(rows: DataFrame, home: Home, upto: int | None, *, few: bool) -> None:
    """Log them; nothing is written when there are none. Of a reprocess `upto` is null."""
    log.stage("gold", "logging restatements", rows.sparkSession)
    source = warehouse.identity(home, SILVER_EVENTS)
    if few and upto is not None:
        if (told := rows.toArrow()).num_rows:
            entries.append(told, home, GOLD_RESTATEMENTS, source, upto)
    elif rows.isEmpty():
        return
    elif upto is None:
        rows.coalesce(1).write.format("delta").mode("append").save(home.table(GOLD_RESTATEMENTS))
    else:
        warehouse.append(rows.coalesce(1), home, GOLD_RESTATEMENTS, source, upto)
