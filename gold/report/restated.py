"""gold.restatements -> what changed of the numbers people may have taken as final."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from conf.tables import GOLD, PLACEMENT_HOURLY

DAYS = 7
SETTLED_AFTER = timedelta(hours=1)
"""Until so long after its end a bucket is still filling: a change before that surprises nobody."""

_DAILY = [table.name for table in GOLD if table.key[-1] == "day"]


def settled(restatements: pl.DataFrame, oldest: datetime) -> pl.DataFrame:
    """The restatements since `oldest` that came later than an hour after their bucket had ended.

    Adds views_change and clicks_change; a bucket that was not there counts as zero.
    """
    is_daily = pl.col("table_name").is_in(_DAILY)
    length = pl.when(is_daily).then(pl.duration(days=1)).otherwise(pl.duration(hours=1))
    is_settled = pl.col("restated_at") > pl.col("bucket") + length + SETTLED_AFTER
    is_recent = pl.col("restated_at") >= oldest
    changes = [
        (pl.col(f"new_{count}").fill_null(0) - pl.col(f"old_{count}").fill_null(0)).alias(f"{count}_change")
        for count in ("views", "clicks")
    ]
    return restatements.filter(is_settled & is_recent).with_columns(changes)


def by_day(changed: pl.DataFrame) -> pl.DataFrame:
    """One row per UTC day and cause, newest first: buckets of any table, and views and clicks gained or lost.

    Each event is in one bucket of each table; so the views and clicks are those of one of them.
    """
    once = pl.col("table_name") == PLACEMENT_HOURLY.name
    days = changed.group_by(pl.col("restated_at").dt.date().alias("day"), "cause").agg(
        pl.len().alias("buckets"),
        pl.col("views_change", "clicks_change").filter(once).sum(),
    )
    return days.sort(["day", "cause"], descending=[True, False])


def biggest(changed: pl.DataFrame, many: int) -> pl.DataFrame:
    """The restatements with the biggest change in views, then clicks."""
    size = [pl.col("views_change").abs(), pl.col("clicks_change").abs()]
    ordered = changed.sort(
        [*size, "restated_at", "table_name", "key"], descending=[True, True, True, False, False]
    )
    return ordered.head(many)
