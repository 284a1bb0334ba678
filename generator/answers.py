"""The answer key: what gold must be for everything ever generated into a home.

Counted by Polars from the events of every order, never by the code it is there to check. An event that
several orders hold counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from conf.home import Home
from conf.tables import CLICK, EVENT_FIELDS, GOLD, IMPRESSION, PAGE_HOURLY, STATISTICS, Table
from generator import journal
from generator.draw import SCHEMA, user_keys
from generator.order import HOUR
from generator.world import World

DAY = 24 * HOUR
SUBJECTS = ("placement_id", "page_id")


@contextmanager
def event_log(path: Path, world: World) -> Iterator[Callable[[pl.DataFrame], None]]:
    """Appends distinct events to the file at `path`, which appears when all are in.

    Call it once an hour of events: each call is a row group, which a reader of another hour skips.
    `user_id` is kept as the number whose 16 hexadecimal digits are the cookie id, the other fields as sent.
    """
    meetings = world.meetings.cast(pl.Categorical)

    def rows(events: pl.DataFrame) -> pa.Table:
        names = meetings[events["meeting"]].get_columns()
        users = pl.Series("user_id", user_keys(world, events["user"]))
        return events.select("timestamp", "event_type", *names, users).to_arrow()

    with journal.replacing(path) as unfinished:
        schema = rows(pl.DataFrame(schema=SCHEMA)).schema
        with pq.ParquetWriter(unfinished, schema, compression="zstd", compression_level=1) as file:
            yield lambda events: file.write_table(rows(events))


def count(home: Home, entry: journal.Entry, tell: Callable[[str, int, int], None]) -> None:
    """Bring the key up to date for the UTC days of the entry's events; for all days when there is no key.

    Hour by hour, because a day of events may not fit in memory; only who saw what is held for the day. Of
    other orders only those that reach into the hour are read, so an order costs what it touches.
    """
    entries = journal.entries(home)
    days = sorted({day for each in ([entry] if complete(home) else entries) for day in _days(home, each)})
    counted: dict[str, list[pl.DataFrame]] = {table.name: [] for table in GOLD}
    for done, day in enumerate(days, start=1):
        _count_day(home, entries, day, counted)
        tell("key", done, len(days))
    for table in GOLD:
        _replace_days(home, table, days, pl.concat(counted[table.name]))


def _days(home: Home, entry: journal.Entry) -> list[int]:
    """The UTC days (Unix seconds) the entry has events on."""
    log = pl.scan_parquet(journal.events_file(home, entry.order), glob=False)
    return log.select(pl.col("timestamp") // DAY * DAY).unique().collect()["timestamp"].to_list()


def _happened(home: Home, entries: list[journal.Entry], hour: int) -> pl.DataFrame | None:
    """One row per distinct event of the hour; None when no order reaches into it."""
    reach = [each for each in entries if each.seconds.start < hour + HOUR and hour < each.seconds.stop]
    if not reach:
        return None
    events = pl.scan_parquet([journal.events_file(home, each.order) for each in reach], glob=False)
    in_hour = pl.col("timestamp").is_between(hour, hour + HOUR, closed="left")
    return events.filter(in_hour).unique(EVENT_FIELDS).collect()


def _count_day(
    home: Home, entries: list[journal.Entry], day: int, counted: dict[str, list[pl.DataFrame]]
) -> None:
    hourly: dict[str, list[pl.DataFrame]] = {subject: [] for subject in SUBJECTS}
    seen: dict[str, list[pl.DataFrame]] = {subject: [] for subject in SUBJECTS}
    for hour in range(day, day + DAY, HOUR):
        happened = _happened(home, entries, hour)
        if happened is None:
            continue
        for subject in SUBJECTS:
            by_user = _by_user(happened, subject)
            hourly[subject].append(_by_hour(by_user, subject, hour))
            seen[subject].append(by_user.select(subject, "user_id"))
    for subject in SUBJECTS:
        name = subject.removesuffix("_id")
        of_day = pl.concat(hourly[subject])
        counted[f"gold.{name}_hourly"].append(of_day)
        counted[f"gold.{name}_daily"].append(_by_day(of_day, pl.concat(seen[subject]), subject))


def _by_user(events: pl.DataFrame, subject: str) -> pl.DataFrame:
    return events.group_by(subject, "user_id").agg(
        views=(pl.col("event_type") == IMPRESSION).sum().cast(pl.Int64),
        clicks=(pl.col("event_type") == CLICK).sum().cast(pl.Int64),
    )


def _by_hour(by_user: pl.DataFrame, subject: str, hour: int) -> pl.DataFrame:
    """One row per subject, as gold has it; `by_user` has a row per subject and user of the hour."""
    starts = pl.lit(datetime.fromtimestamp(hour, UTC), pl.Datetime("us", "UTC"))
    users = by_user.group_by(subject).agg(
        pl.col("views", "clicks").sum(), distinct_users=pl.len().cast(pl.Int64)
    )
    return users.select(pl.col(subject).cast(pl.String), starts.alias("hour"), *STATISTICS)


def _by_day(hourly: pl.DataFrame, seen: pl.DataFrame, subject: str) -> pl.DataFrame:
    """One row per subject, as gold has it; `seen` has a row per subject, user and hour."""
    totals = hourly.group_by(subject, day=pl.col("hour").dt.date()).agg(pl.col("views", "clicks").sum())
    users = seen.group_by(pl.col(subject)).agg(distinct_users=pl.col("user_id").n_unique().cast(pl.Int64))
    return totals.join(users.cast({subject: pl.String}), on=subject, how="inner", validate="1:1").select(
        subject, "day", *STATISTICS
    )


def _replace_days(home: Home, table: Table, days: list[int], fresh: pl.DataFrame) -> None:
    path = answer(home, table)
    subject, bucket = table.key
    kept = fresh.clear()
    if path.exists():
        day = pl.col(bucket).cast(pl.Datetime("us")).dt.epoch("s") // DAY * DAY
        kept = pl.read_parquet(path, glob=False).filter(~day.is_in(days))
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
    events = pl.read_parquet(answer(home, PAGE_HOURLY), glob=False).select(pl.col("views") + pl.col("clicks"))
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
