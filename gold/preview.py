"""Buckets that would change, or did: which, from what to what, and in all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from conf import notes, warehouse
from conf.home import Home
from conf.shown import Shown
from conf.tables import EVENT_IDENTITY, GOLD, GOLD_RESTATEMENTS, SILVER_EVENTS, STATISTICS
from gold.restatements import NEW
from gold.statistics import BUCKET, OLD, buckets, differences, published, summarise, visits, within

MOST = 10_000
"""Buckets listed one by one, the largest changes; the totals count all of them."""


COLUMNS = ("table", "key", "bucket (UTC)", "views", "by", "clicks", "by", "users", "by")


@dataclass(frozen=True)
class Change:
    """One bucket: views, clicks and distinct users before and after, None where it is not there."""

    table_name: str
    key: str
    bucket: datetime
    before: list[int] | None
    after: list[int] | None


@dataclass(frozen=True)
class Total:
    """One table: how many buckets change, and by how many views and clicks in all."""

    table_name: str
    buckets: int
    views: int
    clicks: int


@dataclass(frozen=True)
class Changes:
    """The largest changes first; `totals` are of all of them."""

    largest: list[Change]
    totals: list[Total]

    def tables(self, what: str, shown: int) -> list[Shown]:
        """What a person is shown, under a title that begins with `what`."""
        if not self.totals:
            return []
        rows = [_row(change) for change in self.largest[:shown]]
        title = f"{what}: the {len(rows)} largest changes of {sum(one.buckets for one in self.totals):,}"
        totals = [(one.table_name, one.buckets, one.views, one.clicks) for one in self.totals]
        return [(title, COLUMNS, rows), ("In all", ("table", "buckets", "views", "clicks"), totals)]


def _row(change: Change) -> tuple[object, ...]:
    before, after = (one or [0, 0, 0] for one in (change.before, change.after))
    numbers = [
        text for old, new in zip(before, after, strict=True) for text in (f"{new:,}", f"{new - old:+,}")
    ]
    name = change.table_name.removeprefix("gold.")
    return (name, change.key, f"{change.bucket:%Y-%m-%d %H:%M}", *numbers)


def preview(spark: SparkSession, home: Home, changed: DataFrame) -> Changes:
    """What gold would be if silver changed; nothing is written.

    `changed` holds the events that would come or go: silver.events' columns; gone and unknown boolean,
    true where the event would be taken out, where it would be new.
    """
    come, go = changed.where("unknown"), changed.where(warehouse.GONE)
    touched = visits(come.unionByName(go)).transform(buckets).persist()
    try:
        days = [row.day for row in touched.select("day").distinct().collect()]
        live = warehouse.read(spark, home, SILVER_EVENTS).where(F.col("event_date").isin(days))
        stay = live.join(go.select(*EVENT_IDENTITY), on=list(EVENT_IDENTITY), how="left_anti")
        events = visits(stay.select(*live.columns).unionByName(come.select(*live.columns)))
        held = [published(warehouse.read(spark, home, table), table) for table in GOLD]
        before = reduce(DataFrame.unionAll, held).transform(within, touched)
        return _listed(differences(summarise(events, touched), before))
    finally:
        touched.unpersist()


def of_run(spark: SparkSession, home: Home) -> Changes:
    """What the session's own run restated."""
    logged = warehouse.read(spark, home, GOLD_RESTATEMENTS)
    of_run = logged.where(F.col("run_id") == notes.run_of(spark))
    now = [F.col(new).alias(column) for column, new in zip(STATISTICS, NEW, strict=True)]
    return _listed(of_run.select(*BUCKET, *OLD, *now))


def _listed(changed: DataFrame) -> Changes:
    """Of rows with table_name, key, bucket, the numbers and the old ones."""
    by = {
        name: F.coalesce(name, F.lit(0)) - F.coalesce(old, F.lit(0))
        for name, old in zip(STATISTICS, OLD, strict=True)
    }
    by_size = [F.desc(reduce(Column.__add__, map(F.abs, by.values()))), *[F.col(name) for name in BUCKET]]
    changed = changed.persist()
    try:
        rows = changed.orderBy(*by_size).limit(MOST).collect()
        totals = changed.groupBy("table_name").agg(
            F.count(F.lit(1)).alias("buckets"),
            F.sum(by["views"]).alias("views"),
            F.sum(by["clicks"]).alias("clicks"),
        )
        return Changes(
            [
                Change(
                    row.table_name,
                    row.key,
                    row.bucket,
                    None if row[OLD[0]] is None else [row[name] for name in OLD],
                    None if row[STATISTICS[0]] is None else [row[name] for name in STATISTICS],
                )
                for row in rows
            ],
            [Total(**row.asDict()) for row in totals.orderBy("table_name").collect()],
        )
    finally:
        changed.unpersist()
