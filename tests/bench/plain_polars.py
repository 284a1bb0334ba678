"""The four answers by Polars: `python -m tests.bench.plain_polars LANDING ANSWERS [--strict]`.

Read, judged and made distinct in memory, counted, the answers written; nothing else is kept. As strict as
the deliveries ask for, no more: an id is one when it looks as the ids here do, and what an odd record says
is taken where the same event was delivered in the usual way as well. Polars' reader ends at the first line
that is no JSON: with `--strict` lines are looked at before they are parsed, which costs half as much again.
A user id is 16 hexadecimal digits: as a number it is counted fastest, the other ids as those of a dictionary.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import polars as pl

FIELDS = ("timestamp", "event_type", "banner_id", "placement_id", "page_id", "user_id")
SCHEMA = dict.fromkeys(FIELDS, pl.String)
EARLIEST = 946_684_800
AHEAD = 3600

ONE_OBJECT = r"""^\s*\{(?:"geo":\{[^{}]*\},)?[^{}\[\]']*[^,{}\[\]']\}\s*$"""
"""What Polars parses without ending there: one object, flat but for the one field that holds another."""


def lenient(landing: Path) -> pl.LazyFrame:
    """One row per line, every field as text; each line must be JSON."""
    return pl.scan_ndjson(landing / "*.jsonl", schema=SCHEMA, ignore_errors=True)


def strict(landing: Path) -> pl.LazyFrame:
    """The same, of the lines that are one object without what Polars would take for an integer."""
    line = pl.col("line")
    lines = pl.scan_csv(
        landing / "*.jsonl",
        schema={"line": pl.String},
        has_header=False,
        separator="\x01",
        quote_char=None,
        encoding="utf8-lossy",
    )
    looks_right = line.str.contains(ONE_OBJECT)
    fractions = line.str.contains(":1.0", literal=True) | line.str.contains(":1e9", literal=True)
    parsed = lines.filter(looks_right, ~fractions).select(line.str.json_decode(pl.Struct(SCHEMA)))
    return parsed.unnest("line")


def distinct(read: pl.LazyFrame) -> pl.DataFrame:
    """One row per valid event."""
    seconds = pl.col("timestamp").cast(pl.Int64, strict=False)
    kind = pl.col("event_type").cast(pl.Int8)
    user = pl.col("user_id").str.to_integer(base=16, dtype=pl.UInt64, strict=False)
    ids = [pl.col(name).cast(pl.Categorical) for name in FIELDS[2:5]]
    return (
        read.filter(
            pl.col("event_type").is_in(["0", "1"]),
            seconds.is_between(EARLIEST, int(time.time()) + AHEAD),
            pl.col("banner_id").str.starts_with("b-"),
            pl.col("placement_id").str.contains("-", literal=True),
            pl.col("page_id").str.starts_with("p-"),
            user.is_not_null(),
        )
        .select(seconds, kind, *ids, user)
        .unique()
        .collect(engine="streaming")
    )


def answer(events: pl.DataFrame, subject: str, bucket: str, seconds: int) -> pl.LazyFrame:
    """One row per subject and bucket, as gold has it."""
    start = (pl.col("timestamp") // seconds * seconds).alias(bucket)
    counted = (
        events.lazy()
        .group_by(subject, start)
        .agg(
            views=(pl.col("event_type") == 0).sum(),
            clicks=(pl.col("event_type") == 1).sum(),
            distinct_users=pl.col("user_id").n_unique(),
        )
    )
    moment = pl.from_epoch(bucket, "s")
    told = moment.dt.date() if bucket == "day" else moment.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return counted.with_columns(pl.col(subject).cast(pl.String), told)


def main(landing: Path, answers: Path, *, is_strict: bool = False) -> None:
    """Write `placement_hourly.parquet` and its like."""
    events = distinct(strict(landing) if is_strict else lenient(landing))
    tables = {
        f"{subject}_{name}.parquet": answer(events, f"{subject}_id", bucket, seconds)
        for subject in ("placement", "page")
        for name, bucket, seconds in (("hourly", "hour", 3600), ("daily", "day", 86400))
    }
    for name, rows in zip(tables, pl.collect_all(tables.values(), engine="streaming"), strict=True):
        rows.write_parquet(answers / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), is_strict="--strict" in sys.argv)
