"""The answer key: what gold must be for everything ever generated into a home.

Counted by Polars from the events of every order, never by the code it is there to check. An event that
several orders hold counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from conf.home import Home
from conf.tables import CLICK, EVENT_FIELDS, GOLD, IMPRESSION, PAGE_HOURLY, Table
from generator import journal
from generator.draw import SCHEMA
from generator.naming import named
from generator.order import HOUR
from generator.world import World

DAY = 24 * HOUR
SUBJECTS = ("placement_id", "page_id")


@contextmanager
def event_log(path: Path, world: World) -> Iterator[Callable[[pl.DataFrame], None]]:
    """Appends distinct events to the file at `path`, which appears when all are in.

    Call it once an hour of events: each call is a row group, which a reader of another hour skips.
    """
    with journal.replacing(path) as unfinished:
        fields = named(world, pl.DataFrame(schema=SCHEMA))
        with pq.ParquetWriter(unfinished, fields.to_arrow().schema, compression="zstd") as file:

            def append(events: pl.DataFrame) -> None:
                file.write_table(named(world, events).to_arrow())

            yield append


def count(home: Home, days: range, tell: Callable[[str, int, int], None]) -> None:
    """Bring the key up to date for the UTC days that begin at these Unix times.

    Hour by hour, because a day of events may not fit in memory; only who was seen is kept for the day.
    """
    events = pl.scan_parquet(sorted((home.answers / journal.EVENTS).glob("events-*.parquet")))
    counted: dict[str, list[pl.DataFrame]] = {table.name: [] for table in GOLD}
    for done, day in enumerate(days, start=1):
        hours = [_hour(events, hour) for hour in range(day, day + DAY, HOUR)]
        for subject in SUBJECTS:
            seen = pl.concat([_seen(hour, subject) for hour in hours])
            name = subject.removesuffix("_id")
            counted[f"gold.{name}_hourly"].append(_statistics(seen, subject, "hour"))
            counted[f"gold.{name}_daily"].append(_statistics(seen, subject, "day"))
        tell("key", done, len(days))
    for table in GOLD:
        _replace_days(home, table, days, pl.concat(counted[table.name]))


def _hour(events: pl.LazyFrame, hour: int) -> pl.DataFrame:
    in_hour = pl.col("timestamp").is_between(hour, hour + HOUR, closed="left")
    return events.filter(in_hour).unique(EVENT_FIELDS).collect()


def _seen(events: pl.DataFrame, subject: str) -> pl.DataFrame:
    """One row per subject, user and hour."""
    happened = pl.from_epoch(pl.col("timestamp") * 1_000_000, time_unit="us").dt.replace_time_zone("UTC")
    return (
        events.group_by(subject, "user_id", hour=happened.dt.truncate("1h"))
        .agg(
            views=(pl.col("event_type") == IMPRESSION).sum().cast(pl.Int64),
            clicks=(pl.col("event_type") == CLICK).sum().cast(pl.Int64),
        )
        .with_columns(day=pl.col("hour").dt.date())
    )


def _statistics(seen: pl.DataFrame, subject: str, bucket: str) -> pl.DataFrame:
    """One row per subject and bucket, as gold has it."""
    return seen.group_by(subject, bucket).agg(
        pl.col("views", "clicks").sum(), distinct_users=pl.col("user_id").n_unique().cast(pl.Int64)
    )


def _replace_days(home: Home, table: Table, days: range, fresh: pl.DataFrame) -> None:
    path = answer(home, table)
    subject, bucket = table.key
    kept = fresh.clear()
    if path.exists():
        second = pl.col(bucket).cast(pl.Datetime("us")).dt.epoch("s")
        kept = pl.read_parquet(path).filter(~second.is_between(days.start, days.stop, closed="left"))
    with journal.replacing(path) as unfinished:
        pl.concat([kept, fresh]).sort(subject, bucket).write_parquet(unfinished)


def answer(home: Home, table: Table) -> Path:
    """Where the key of a gold table lies."""
    return home.answers / f"{table.short_name}.parquet"


def complete(home: Home) -> bool:
    """Whether the home has a key to bring up to date."""
    return all(answer(home, table).exists() for table in GOLD)


def write_totals(home: Home) -> None:
    """Write what all orders came to, to hold against the ledger; the key must be up to date.

    delivered = distinct_events + duplicates + malformed. An event that several orders delivered is
    distinct once, so the duplicates are what is left of the valid records.
    """
    entries = journal.entries(home)
    events = pl.read_parquet(answer(home, PAGE_HOURLY)).select(pl.col("views") + pl.col("clicks"))
    distinct = int(events.sum().item())
    delivered = sum(entry.records for entry in entries)
    malformed = sum(entry.malformed for entry in entries)
    totals = {
        "delivered": delivered,
        "distinct_events": distinct,
        "duplicates": delivered - malformed - distinct,
        "malformed": malformed,
    }
    journal.write_json(home.answers / "totals.json", totals)
    broken = {
        "rules": journal.summed(entry.rules for entry in entries),
        "kinds": journal.summed(entry.kinds for entry in entries),
    }
    journal.write_json(home.answers / "malformed.json", broken)
