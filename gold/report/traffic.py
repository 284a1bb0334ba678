"""Frames of gold -> what the front page shows: the site over time, unusual hours, the top, restatements."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import polars as pl

from conf.tables import Table

COMPARED_WEEKS = 4
COMPARED_DAYS = 28
FEWEST_COMPARED = 3
LEAST, MOST = 0.5, 2.0
"""Times the usual volume outside which an hour is unusual, as the suite `batch` has it."""

CHANCE = 4.0
"""And it must differ by more than so many square roots of the usual count: small numbers vary by chance."""

SPARK_DAYS = 30
RANKED_DAYS = 7


def complete(hours: pl.DataFrame) -> pl.DataFrame:
    """Every UTC hour from the first to the last, those without events as zero: hour, views, clicks."""
    if hours.is_empty():
        return hours
    return (
        hours.sort("hour").upsample("hour", every="1h").with_columns(pl.col("views", "clicks").fill_null(0))
    )


def by_day(hours: pl.DataFrame, users: pl.DataFrame) -> pl.DataFrame:
    """One row per UTC day: day, views, clicks, ctr in percent, users (null where they were not counted)."""
    days = hours.group_by(pl.col("hour").dt.date().alias("day")).agg(pl.col("views", "clicks").sum())
    counted = users.select("day", "users")
    return days.join(counted, on="day", how="left").with_columns(rate()).sort("day")


def rate() -> pl.Expr:
    """Clicks per 100 views; null without views."""
    return pl.when(pl.col("views") > 0).then(100 * pl.col("clicks") / pl.col("views")).alias("ctr")


def beside_usual(hours: pl.DataFrame) -> pl.DataFrame:
    """Each hour beside what is usual for it: hour, events, usual, times (events over usual), unusual.

    Usual is the median of the same UTC hour on the same weekday of the 4 weeks before or, where fewer than
    3 of those are known, on any of the 28 days before; null with fewer than 3 of either. `hours` are
    complete; the last one may still be filling, and is never called unusual.
    """
    events = hours.select("hour", (pl.col("views") + pl.col("clicks")).alias("events"))
    weeks = [pl.col("events").shift(24 * 7 * back) for back in range(1, COMPARED_WEEKS + 1)]
    days = [pl.col("events").shift(24 * back) for back in range(1, COMPARED_DAYS + 1)]
    usual = pl.coalesce(_median(weeks), _median(days)).alias("usual")
    beside = events.with_columns(usual).with_columns(
        pl.when(pl.col("usual") > 0).then(pl.col("events") / pl.col("usual")).alias("times")
    )
    far = ~pl.col("times").is_between(LEAST, MOST)
    by_chance = (pl.col("events") - pl.col("usual")).abs() <= CHANCE * pl.col("usual").sqrt()
    is_last = pl.col("hour") == pl.col("hour").max()
    return beside.with_columns((far & ~by_chance & ~is_last).fill_null(value=False).alias("unusual"))


def _median(values: list[pl.Expr]) -> pl.Expr:
    """The median of those known, null with too few."""
    known = pl.concat_list(values).list.drop_nulls()
    return pl.when(known.list.len() >= FEWEST_COMPARED).then(known.list.median())


def last_whole_day(hours: pl.DataFrame) -> date | None:
    """The newest UTC day whose last hour has begun; failing that the newest day."""
    if hours.is_empty():
        return None
    newest: datetime = hours["hour"].max()  # type: ignore[assignment]
    is_whole = newest.hour == 23 or hours["hour"].min().date() == newest.date()  # type: ignore[union-attr]
    return newest.date() if is_whole else newest.date() - timedelta(days=1)


def ranked(daily: pl.DataFrame, table: Table, upto: date) -> pl.DataFrame:
    """One row per item, most views in the 7 days up to `upto` first.

    id, views, clicks, ctr (of those days), day_views, day_users (of `upto`), change in percent of `upto`'s
    views beside the mean of up to 7 days before it (days before the first known one do not count), trend
    (views of each of up to 30 days up to `upto`).
    """
    subject, day = table.key
    known = daily.filter(pl.col(day) <= upto).rename({subject: "id"})
    first: date = known[day].min() or upto  # type: ignore[assignment]
    before = min((upto - first).days, RANKED_DAYS)
    in_week, is_today = pl.col(day) > upto - timedelta(days=RANKED_DAYS), pl.col(day) == upto
    earlier = (pl.col(day) >= upto - timedelta(days=before)) & (pl.col(day) < upto)
    length = min((upto - first).days + 1, SPARK_DAYS)
    trend_days = [upto - timedelta(days=back) for back in range(length)]
    trend = [pl.col("views").filter(pl.col(day) == one).sum() for one in reversed(trend_days)]
    items = known.group_by("id").agg(
        pl.col("views", "clicks").filter(in_week).sum(),
        pl.col("views").filter(is_today).sum().alias("day_views"),
        pl.col("distinct_users").filter(is_today).sum().alias("day_users"),
        (pl.col("views").filter(earlier).sum() / max(before, 1)).alias("mean_before"),
        pl.concat_list(trend).alias("trend"),
    )
    change = 100 * (pl.col("day_views") / pl.col("mean_before") - 1)
    items = items.with_columns(rate(), pl.when(pl.col("mean_before") > 0).then(change).alias("change"))
    return items.drop("mean_before").sort(["views", "clicks", "id"], descending=[True, True, False])
