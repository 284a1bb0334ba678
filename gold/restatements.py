"""Published numbers that change -> gold.restatements: what they were, what they are, and why."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from conf.tables import STATISTICS
from gold.statistics import BUCKET, OLD

LATE, REPROCESS, RULE_CHANGE = CAUSES = ("late", "reprocess", "rule_change")
"""Why a number changes. Where several did it, the last of them in this order is named."""

NEW = tuple(f"new_{column}" for column in STATISTICS)


def caused(touched: DataFrame, causes: dict[int, str]) -> DataFrame:
    """Adds cause int, its place in CAUSES, to rows of silver's change feed; `causes` says that of each
    version whose rows did not just arrive.
    """
    cause = F.lit(CAUSES.index(LATE))
    for name in CAUSES:
        versions = [version for version, of in causes.items() if of == name]
        if versions:
            cause = F.when(F.col("_commit_version").isin(versions), CAUSES.index(name)).otherwise(cause)
    return touched.withColumn("cause", cause)


def by_table(changed: DataFrame) -> DataFrame:
    """One row per table with changes: how many buckets, the first and the last day."""
    return changed.groupBy("table_name").agg(
        F.count(F.lit(1)).alias("buckets"),
        F.min("day").alias("first"),
        F.max("day").alias("last"),
    )


def changed_again(changed: DataFrame, taken_back: DataFrame) -> DataFrame:
    """The buckets of `changed` that were published before: they hold old numbers, or are among those
    `taken_back` (table_name, key, bucket) since.
    """
    first = changed.where(F.col(OLD[0]).isNull())
    again = first.join(taken_back.distinct(), on=list(BUCKET), how="left_semi")
    return changed.where(F.col(OLD[0]).isNotNull()).unionByName(again)


def reasons(touched: DataFrame) -> DataFrame:
    """One row per bucket of `touched`, which names each once for each source and cause of a changed event:
    table_name, key, bucket timestamp, cause int, sources array<string>, sorted.
    """
    return touched.groupBy(*BUCKET).agg(
        F.max("cause").alias("cause"), F.sort_array(F.collect_set("source")).alias("sources")
    )


def restated(
    again: DataFrame, reasons: DataFrame | None, run: str, moment: datetime, version: int | None
) -> DataFrame:
    """One row per bucket of `again`, with gold.restatements' columns.

    Without `reasons` everything was counted anew, which is a reprocess of no delivery in particular.
    """
    if reasons is None:
        cause, sources = F.lit(CAUSES.index(REPROCESS)), F.lit(None).cast("array<string>")
        known = again.withColumn("cause", cause).withColumn("sources", sources)
    else:
        known = again.join(reasons, on=list(BUCKET), how="left")
    return known.select(
        *BUCKET,
        *OLD,
        *[F.col(column).alias(new) for column, new in zip(STATISTICS, NEW, strict=True)],
        F.element_at(F.array(*[F.lit(name) for name in CAUSES]), F.col("cause") + 1).alias("cause"),
        F.coalesce("sources", F.array().cast("array<string>")).alias("sources"),
        F.lit(run).alias("run_id"),
        F.lit(moment).alias("restated_at"),
        F.lit(version).cast("bigint").alias("silver_version"),
    )
