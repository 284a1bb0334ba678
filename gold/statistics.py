"""Events -> counts per bucket of all four tables; counts beside what is published -> what differs.

Here the four tables are one frame: a *bucket* is table_name, key (a placement_id or page_id) and bucket,
the start of its hour or day.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from conf import warehouse
from conf.tables import CLICK, GOLD, IMPRESSION, STATISTICS, Table

BUCKET = ("table_name", "key", "bucket")
OLD = tuple(f"old_{column}" for column in STATISTICS)
"""What was published, beside what differs from it."""

_SUBJECTS = tuple(dict.fromkeys(table.key[0] for table in GOLD))
_PLACE = ("subject", "unit", "key", "bucket", "day")
HOURS = 24


def visits(events: DataFrame, *kept: str) -> DataFrame:
    """One row per event: hour timestamp, day date, placement_id, page_id, user_id, event_type, and the
    columns of `events` named in `kept`.
    """
    return events.select(
        F.date_trunc("hour", "event_time").alias("hour"),
        F.col("event_date").alias("day"),
        *_SUBJECTS,
        "user_id",
        "event_type",
        *kept,
    )


def buckets(happened: DataFrame, *kept: str) -> DataFrame:
    """One row per bucket that a visit falls in: table_name, key, bucket timestamp, day; and one for each
    value of the columns of `happened` named in `kept`.
    """
    by_subject = _by_subject(happened, "hour", "day", *kept).distinct()
    return by_subject.transform(_by_unit, *kept).transform(_named, "day", *kept).distinct()


def summarise(happened: DataFrame, touched: DataFrame | None = None) -> DataFrame:
    """One row per bucket: table_name, key, bucket timestamp, day, views, clicks, distinct_users; only those
    of `touched` (the first four of these), if given.

    Users are counted exactly. The hours a user was seen in, of one day, are the bits of one number, so days
    and hours come out of one counting; visits are brought together by user first, so that it moves nothing.
    """
    counted = happened if touched is None else _of_days(happened, touched)
    numbers = _counts(counted).unionByName(_users(counted)).groupBy(*_PLACE)
    summed = numbers.agg(*[F.sum(column).alias(column) for column in STATISTICS])
    summary = summed.transform(_named, "day", *STATISTICS)
    return summary if touched is None else within(summary, touched)


def within(rows: DataFrame, touched: DataFrame) -> DataFrame:
    """Those rows whose bucket is among `touched`."""
    return rows.join(F.broadcast(touched.select(*BUCKET)), on=list(BUCKET), how="left_semi")


def _of_days(happened: DataFrame, touched: DataFrame) -> DataFrame:
    """The visits with those ids alone that have a touched bucket on the day; without any, a visit is left
    out.
    """
    for subject in _SUBJECTS:
        tables = [table.name for table in GOLD if table.key[0] == subject]
        of_subject = touched.where(F.col("table_name").isin(tables))
        counts = of_subject.select(
            F.col("key").alias(subject), "day", F.lit(True).alias("_counts")
        ).distinct()
        marked = happened.join(F.broadcast(counts), on=[subject, "day"], how="left")
        happened = marked.withColumn(subject, F.when(F.col("_counts"), F.col(subject))).drop("_counts")
    return happened.where(F.coalesce(*_SUBJECTS).isNotNull())


def _by_subject(happened: DataFrame, *kept: str) -> DataFrame:
    """A row per visit and subject it has an id of: subject int, its place in _SUBJECTS, key, and `kept`."""
    pairs = [column for place, name in enumerate(_SUBJECTS) for column in (F.lit(place), F.col(name))]
    stacked = F.stack(F.lit(len(_SUBJECTS)), *pairs).alias("subject", "key")
    return happened.select(*kept, stacked).where(F.col("key").isNotNull())


def _by_unit(rows: DataFrame, *kept: str) -> DataFrame:
    """Two rows per row with hour and day: unit (hour, day), bucket, its start, subject, key, day, `kept`."""
    starts = F.stack(F.lit(2), F.lit("hour"), F.col("hour"), F.lit("day"), F.col("day").cast("timestamp"))
    return rows.select("subject", "key", "day", *kept, starts.alias("unit", "bucket"))


def _named(rows: DataFrame, *kept: str) -> DataFrame:
    """Subject and unit as the table they belong to."""
    name = F.lit(None)
    for table in GOLD:
        subject, unit = table.key
        is_here = (F.col("subject") == _SUBJECTS.index(subject)) & (F.col("unit") == unit)
        name = F.when(is_here, F.lit(table.name)).otherwise(name)
    return rows.select(name.alias("table_name"), "key", "bucket", *kept)


def _counts(happened: DataFrame) -> DataFrame:
    """Views and clicks of buckets, without their users; a day has a row for each hour."""
    by_subject = _by_subject(happened, "hour", "day", "event_type")
    by_hour = by_subject.groupBy("subject", "key", "hour", "day").agg(
        F.count_if(F.col("event_type") == IMPRESSION).alias("views"),
        F.count_if(F.col("event_type") == CLICK).alias("clicks"),
    )
    counts = by_hour.transform(_by_unit, "views", "clicks")
    return counts.withColumn("distinct_users", F.lit(0).cast("bigint"))


def _users(happened: DataFrame) -> DataFrame:
    """Distinct users of buckets, without views and clicks."""
    # F.shiftleft takes no column for the number of bits.
    seen = F.call_function("shiftleft", F.lit(1), F.hour("hour")).alias("hours_seen")
    together = happened.select("user_id", "day", seen, *_SUBJECTS).repartition("user_id")
    by_user = _by_subject(together, "user_id", "day", "hours_seen").groupBy(
        "subject", "key", "day", "user_id"
    )
    by_day = by_user.agg(F.bit_or("hours_seen").alias("hours_seen")).groupBy("subject", "key", "day")
    of_hours = [F.sum(F.getbit("hours_seen", F.lit(hour)).cast("bigint")) for hour in range(HOURS)]
    users = by_day.agg(F.array(*of_hours, F.count(F.lit(1))).alias("users"))
    placed = users.select("subject", "key", "day", F.posexplode("users").alias("place", "distinct_users"))
    is_day, midnight = F.col("place") == HOURS, F.col("day").cast("timestamp")
    after = F.timestamp_seconds(F.unix_seconds(midnight) + F.col("place") * 3600)
    return placed.where("distinct_users > 0").select(
        "subject",
        F.when(is_day, "day").otherwise("hour").alias("unit"),
        "key",
        F.when(is_day, midnight).otherwise(after).alias("bucket"),
        "day",
        *[F.lit(0).cast("bigint").alias(name) for name in ("views", "clicks")],
        "distinct_users",
    )


def published(rows: DataFrame, table: Table) -> DataFrame:
    """The rows of one statistics table in the shape all share: a bucket, its day, and the three numbers."""
    subject, unit = table.key
    return rows.select(
        F.lit(table.name).alias("table_name"),
        F.col(subject).alias("key"),
        F.col(unit).cast("timestamp").alias("bucket"),
        F.to_date(unit).alias("day"),
        *STATISTICS,
    )


def differences(fresh: DataFrame, published: DataFrame) -> DataFrame:
    """One row per bucket whose numbers differ: the bucket, its day, the fresh numbers, null where the bucket
    is gone, and old_views, old_clicks, old_distinct_users, null where it was not published.
    """
    same_bucket = [F.col(f"fresh.{column}").eqNullSafe(F.col(f"published.{column}")) for column in BUCKET]
    joined = fresh.alias("fresh").join(published.alias("published"), on=same_bucket, how="full")
    differs = F.lit(False)
    for column in STATISTICS:
        differs = differs | ~F.col(f"fresh.{column}").eqNullSafe(F.col(f"published.{column}"))
    places = [F.coalesce(f"fresh.{name}", f"published.{name}").alias(name) for name in (*BUCKET, "day")]
    return joined.where(differs).select(
        *places,
        *[F.col(f"fresh.{column}") for column in STATISTICS],
        *[F.col(f"published.{column}").alias(old) for column, old in zip(STATISTICS, OLD, strict=True)],
    )


def of_table(changed: DataFrame, table: Table) -> DataFrame:
    """The rows of one table, with its columns and whether the bucket is gone."""
    subject, unit = table.key
    rows = changed.where(F.col("table_name") == table.name)
    gone = F.col("views").isNull().alias(warehouse.GONE)
    start = F.col("day") if unit == "day" else F.col("bucket")
    return rows.select(F.col("key").alias(subject), start.alias(unit), *STATISTICS, gone)
