"""silver.events -> distinct users and lateness by day, of as many of the newest days as are cheap."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from conf.tables import SILVER_EVENTS
from gold.report.reading import Lake, batches

DAYS = 14
"""Days counted from the events themselves; gold keeps no distinct users of the whole site."""

MOST_EVENTS = 40_000_000
"""Events read for that in all; the days that do not fit are left out, oldest first."""

MOST_EVENTS_A_DAY = 20_000_000
"""A day with more is left out: its users would have to be in memory together."""

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
HOURS_LATE = (1, 6, 24)
SCHEMA: dict[str, pl.DataType] = {
    "day": pl.Date(),
    "events": pl.Int64(),
    "users": pl.Int64(),
    **{name: pl.Int64() for name in QUANTILES},
    **{f"after_{hours}h": pl.Float64() for hours in HOURS_LATE},
}


def events_a_day(lake: Lake) -> dict[date, int]:
    """How many events silver holds of each UTC day, from the table's own log: no data is read."""
    held = lake.table(SILVER_EVENTS)
    if held is None:
        return {}
    files = pl.DataFrame(pa.table(held.get_add_actions(flatten=True)))
    counts = files.group_by("partition.event_date").agg(pl.col("num_records").sum())
    return dict(sorted(counts.rows()))


def affordable(counts: dict[date, int], last: date) -> list[date]:
    """The newest days up to `last` that fit into what may be read."""
    days: list[date] = []
    budget = MOST_EVENTS
    for day in sorted((day for day in counts if day <= last), reverse=True)[:DAYS]:
        if counts[day] > MOST_EVENTS_A_DAY:
            continue
        budget -= counts[day]
        if budget < 0:
            break
        days.append(day)
    return sorted(days)


def by_day(lake: Lake, days: list[date]) -> pl.DataFrame:
    """One row per day: events, exact distinct users, and as `lateness` says how late they came."""
    rows = [_day(day, lake) for day in days]
    return pl.concat([pl.DataFrame(schema=SCHEMA), *rows])


def _day(day: date, lake: Lake) -> pl.DataFrame:
    happened = pc.field("event_date") == pa.scalar(day, pa.date32())
    users: list[pl.Series] = []
    delays: list[pl.Series] = []
    for batch in _columns(lake, happened):
        users.append(batch["user_id"].unique())
        delays.append(batch["delay"])
    seen = pl.concat(users) if users else pl.Series("user_id", [], pl.String())
    late = pl.concat(delays) if delays else pl.Series("delay", [], pl.Int64())
    return lateness(day, late).insert_column(2, pl.Series("users", [seen.n_unique()], pl.Int64()))


def _columns(lake: Lake, where: pc.Expression) -> Iterator[pl.DataFrame]:
    for batch in batches(lake, SILVER_EVENTS, ["user_id", "event_time", "ingested_at"], where):
        delay = (pl.col("ingested_at") - pl.col("event_time")).dt.total_seconds()
        yield batch.select("user_id", delay.alias("delay"))


def lateness(day: date, delays: pl.Series) -> pl.DataFrame:
    """One row: day, events, quantiles of the whole seconds by which events came late, shares past each limit.

    A quantile q is the smallest delay that at least q of the events do not exceed: a delay that occurred.
    """
    ordered, many = delays.sort(), delays.len()
    row: dict[str, object] = {"day": day, "events": many}
    for name, share in QUANTILES.items():
        # In thousandths, for 0.999 is no binary fraction.
        place = -(-many * round(share * 1000) // 1000) - 1
        row[name] = ordered[place] if many else None
    for hours in HOURS_LATE:
        row[f"after_{hours}h"] = int((delays > hours * 3600).sum()) / many if many else None
    columns = {name: kind for name, kind in SCHEMA.items() if name != "users"}
    return pl.DataFrame([row], schema=columns)
