"""Events -> counts per bucket; counts beside what is published -> what differs."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from conf import warehouse
from conf.tables import CLICK, IMPRESSION, STATISTICS, Table

OLD = tuple(f"old_{column}" for column in STATISTICS)
"""What was published, beside what differs from it."""


def visits(events: DataFrame, *kept: str) -> DataFrame:
    """One row per event: hour timestamp, day date, placement_id, page_id, user_id, event_type, and the
    columns of `events` named in `kept`.
    """
    return events.select(
        F.date_trunc("hour", "event_time").alias("hour"),
        F.col("event_date").alias("day"),
        "placement_id",
        "page_id",
        "user_id",
        "event_type",
        *kept,
    )


def buckets(happened: DataFrame, table: Table) -> DataFrame:
    """One row per bucket of `table` that any of the visits falls in: the table's key."""
    return happened.select(*table.key).distinct()


def summarise(happened: DataFrame, table: Table) -> DataFrame:
    """One row per bucket, with the table's columns.

    Counted in two steps, by user first: a distinct count in one step would carry every user of a bucket
    to one place. Exact; partitioned by user, the first step moves nothing.
    """
    by_user = happened.groupBy(*table.key, "user_id").agg(
        F.count_if(F.col("event_type") == IMPRESSION).alias("views"),
        F.count_if(F.col("event_type") == CLICK).alias("clicks"),
    )
    return by_user.groupBy(*table.key).agg(
        F.sum("views").alias("views"),
        F.sum("clicks").alias("clicks"),
        F.count(F.lit(1)).alias("distinct_users"),
    )


def differences(fresh: DataFrame, published: DataFrame, table: Table) -> DataFrame:
    """One row per bucket whose numbers differ: the table's columns, null where the bucket is gone, and
    old_views, old_clicks, old_distinct_users, null where it was not published.
    """
    same_bucket = [F.col(f"fresh.{column}").eqNullSafe(F.col(f"published.{column}")) for column in table.key]
    joined = fresh.alias("fresh").join(published.alias("published"), on=same_bucket, how="full")
    differs = F.lit(False)
    for column in STATISTICS:
        differs = differs | ~F.col(f"fresh.{column}").eqNullSafe(F.col(f"published.{column}"))
    key = [F.coalesce(f"fresh.{column}", f"published.{column}").alias(column) for column in table.key]
    return joined.where(differs).select(
        *key,
        *[F.col(f"fresh.{column}") for column in STATISTICS],
        *[F.col(f"published.{column}").alias(old) for column, old in zip(STATISTICS, OLD, strict=True)],
    )


def any_table(changed: DataFrame, table: Table) -> DataFrame:
    """The rows of one table in a shape that fits all: table_name, key, bucket timestamp, day, and the
    numbers of `differences`.
    """
    subject, bucket = table.key
    return changed.select(
        F.lit(table.name).alias("table_name"),
        F.col(subject).alias("key"),
        F.col(bucket).cast("timestamp").alias("bucket"),
        F.to_date(bucket).alias("day"),
        *STATISTICS,
        *OLD,
    )


def of_table(changed: DataFrame, table: Table) -> DataFrame:
    """The rows of one table out of `any_table`'s shape, as its columns and whether the bucket is gone."""
    subject, bucket = table.key
    column = F.col("day") if bucket == "day" else F.col("bucket")
    rows = changed.where(F.col("table_name") == table.name)
    gone = F.col("views").isNull().alias(warehouse.GONE)
    return rows.select(F.col("key").alias(subject), column.alias(bucket), *STATISTICS, gone)
