"""A lakehouse after so many hourly runs: `python -m tests.bench.history HOME HOURS EVENTS`.

Hundreds of runs would take hours. What they leave behind is written with delta-rs instead: in every table
one commit a run with its marker, one file a run, put together where a run would, and a checkpoint where Spark
would have left the last one.
Events are the generator's, of 3 million users, 1,500 pages and 70 placements; gold is counted from them.
"""

from __future__ import annotations

import os
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake

from bronze.landing import stamp, survey, write_stamps
from conf import session, settings, upkeep, warehouse
from conf import tables as declared
from conf.home import Home
from conf.tables import EVENT_FIELDS, TABLES, Table
from generator import world
from generator.draw import distinct, draw
from generator.naming import named
from generator.order import HOUR
from silver import rules
from tests.bench.part import say
from tests.bench.plain_polars import answer

END = datetime(2026, 11, 1, tzinfo=UTC)
"""The hour before which every history ends. It is midnight, so that what is delivered then, late events of
the day before among it, touches the same days whole however long the history is.
"""

SEED = 1
CHECKPOINT_EVERY = 10
"""Commits between two checkpoints of Spark's Delta."""

REFUSED = 0.005
UNKNOWN_FIELDS = ("geo", "referrer", "sdk")
Rows = dict[Table, pl.DataFrame]


def happened(hour: datetime, events: int) -> pl.DataFrame:
    """The six fields of the distinct events of one hour; the same in every call."""
    site, starts = world.build(SEED), int(hour.timestamp())
    rng = world.random(SEED, world.Purpose.EVENTS, starts)
    return named(site, distinct(draw(rng, site, np.full(events, starts))))


def lines(events: pl.DataFrame) -> pl.DataFrame:
    """The events as they are delivered: column payload."""
    members = [
        pl.concat_str(pl.lit(f'"{name}":'), pl.lit('"'), pl.col(name), pl.lit('"'))
        for name in EVENT_FIELDS[2:]
    ]
    numbers = [pl.concat_str(pl.lit(f'"{name}":'), pl.col(name)) for name in EVENT_FIELDS[:2]]
    inner = pl.concat_str(*numbers, *members, separator=",")
    return events.select(payload=pl.concat_str(pl.lit("{"), inner, pl.lit("}")))


def source(run: int) -> str:
    """The delivery that the run took."""
    return f"{run:05}.jsonl"


def fingerprint(run: int) -> str:
    """What bronze knows its bytes by."""
    return f"{run:064}"


def in_bronze(run: int, hour: datetime, events: pl.DataFrame) -> Rows:
    """The rows that the run of one hour adds to bronze."""
    facts = {"fingerprint": fingerprint(run), "bytes": 1, "format": "jsonl", "status": declared.TAKEN}
    day = _taken(run, hour)[1].dt.date()
    return {
        declared.BRONZE_DELIVERIES: pl.DataFrame([facts]).with_columns(_taken(run, hour)),
        declared.BRONZE_EVENTS: lines(events).with_columns(
            *_taken(run, hour), pl.lit(value=True).alias("valid_utf8"), day.alias("ingest_date")
        ),
    }


def in_silver(run: int, hour: datetime, events: pl.DataFrame) -> Rows:
    """The rows it adds to silver."""
    moment = pl.from_epoch("timestamp", "s").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    refused = round(events.height * REFUSED)
    accounts = {
        "delivered": events.height + refused,
        "accepted": events.height,
        "duplicate": 0,
        "quarantined": refused,
        "min_event_time": hour,
        "max_event_time": hour + timedelta(minutes=59),
    }
    taken = _taken(run, hour)
    every = [*rules.load("events").rules, *rules.load("batch").rules]
    quality = [
        {"batch_id": run, "rule": rule.name, "severity": rule.severity, "published": True} for rule in every
    ]
    drift = [{"batch_id": run, "source": source(run), "field": name} for name in UNKNOWN_FIELDS]
    broken = {"payload": ["{}"] * refused, "rules": [["well_formed"]] * refused}
    return {
        declared.SILVER_EVENTS: events.select(
            *EVENT_FIELDS[1:], *taken, moment.alias("event_time"), moment.dt.date().alias("event_date")
        ),
        declared.SILVER_QUARANTINE: pl.DataFrame(broken).with_columns(*taken),
        declared.SILVER_DRIFT: pl.DataFrame(drift),
        declared.SILVER_VOLUME: pl.DataFrame(
            {"batch_id": [run], "hour": [hour], "accepted": [events.height]}
        ),
        declared.SILVER_QUALITY: pl.DataFrame(quality),
        declared.SILVER_LEDGER: pl.DataFrame([accounts]).with_columns(*taken),
    }


def in_gold(run: int, hour: datetime, events: pl.DataFrame, day: pl.DataFrame | None) -> Rows:
    """The rows it adds to gold; `day` are the events of the hour's day when no later run counts them."""
    midnight = hour.replace(hour=0)
    pages = answer(events, "page_id", "hour", HOUR).collect()
    old, new = ([f"{age}_{name}" for name in declared.STATISTICS] for age in ("old", "new"))
    restated = pages.select(
        pl.col("page_id").alias("key"),
        *[pl.col(name).alias(column) for name, column in zip(declared.STATISTICS, old, strict=True)],
        *[(pl.col(name) + 1).alias(column) for name, column in zip(declared.STATISTICS, new, strict=True)],
        table_name=pl.lit(declared.PAGE_DAILY.name),
        bucket=pl.lit(midnight),
        cause=pl.lit("late"),
        silver_version=pl.lit(run),
    )
    rows = {
        declared.PLACEMENT_HOURLY: answer(events, "placement_id", "hour", HOUR).collect(),
        declared.PAGE_HOURLY: pages,
        declared.GOLD_RESTATEMENTS: restated,
    }
    for table in (declared.PLACEMENT_DAILY, declared.PAGE_DAILY):
        none = pl.DataFrame(schema=[table.key[0]])
        rows[table] = none if day is None else answer(day, table.key[0], "day", 24 * HOUR).collect()
    return rows


def _taken(run: int, hour: datetime) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """Columns source, ingested_at and batch_id."""
    at = pl.lit(hour + timedelta(minutes=65), pl.Datetime("us", "UTC"))
    return pl.lit(source(run)).alias("source"), at.alias("ingested_at"), pl.lit(run).alias("batch_id")


class Writer:
    """Writes what one run after the other leaves in the tables of a lakehouse."""

    def __init__(self, home: Home) -> None:
        self.tables = {table: warehouse.state(home, table) for table in TABLES}
        self.of_layer = {
            "bronze": warehouse.LANDING,
            "silver": warehouse.identity(home, declared.BRONZE_EVENTS),
            "gold": warehouse.identity(home, declared.SILVER_EVENTS),
        }

    def write(self, run: int, rows: Rows) -> None:
        """One commit in each table."""
        for table, frame in rows.items():
            held = self.tables[table]
            marker = Transaction(self.of_layer[table.layer], run)
            write_deltalake(
                held,
                _shaped(frame, held),
                mode="append",
                writer_properties=WriterProperties(compression="ZSTD"),
                commit_properties=CommitProperties(app_transactions=[marker]),
            )
            if table in upkeep.READ_WHOLE and len(held.file_uris()) > upkeep.MANY_FILES:
                held.optimize.compact()

    def checkpoint(self) -> None:
        """Where the next run reads on from."""
        for held in self.tables.values():
            held.create_checkpoint()


def _shaped(frame: pl.DataFrame, table: DeltaTable) -> pa.Table:
    """The rows with the table's columns; null where it has more."""
    schema = pa.schema(table.schema().to_arrow())
    rows = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    columns = [
        rows[field.name].cast(field.type)
        if field.name in rows.column_names
        else pa.nulls(len(rows), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def make(home: Home, hours: int, events: int) -> None:
    """Write the lakehouse that so many hourly runs leave, the last one of the hour before END."""
    shutil.rmtree(home.root, ignore_errors=True)
    # delta-rs writes no in-commit timestamps; they do not change what a run reads.
    warehouse.BY_SPARK.pop("delta.enableInCommitTimestamps", None)
    spark = session.start(settings.load(), home.scratch, home.root / "spark.log")
    warehouse.create_missing(spark, home)
    spark.stop()
    write(home, hours, events)
    (home.root / "made").touch()


def write(home: Home, hours: int, events: int) -> None:
    """What the runs write into tables that are there and empty."""
    writer = Writer(home)
    day: list[pl.DataFrame] = []
    for run in range(1, hours + 1):
        hour = END - timedelta(hours=hours - run + 1)
        of_hour = happened(hour, events)
        day = [of_hour] if hour.hour == 0 else [*day, of_hour]
        is_counted = hour.hour == 23 or run == hours
        writer.write(run, in_bronze(run, hour, of_hour))
        writer.write(run, in_silver(run, hour, of_hour))
        writer.write(run, in_gold(run, hour, of_hour, pl.concat(day) if is_counted else None))
        if run == hours - hours % CHECKPOINT_EVERY:
            writer.checkpoint()
        if run % 24 == 0:
            say(f"history: {run} of {hours} hours")


def copied(made: Home, home: Home, hours: int) -> Home:
    """The same lakehouse in another place, to run on. Its deliveries lie in landing, known but empty."""
    shutil.rmtree(home.root, ignore_errors=True)
    shutil.copytree(made.warehouse, home.warehouse, copy_function=_linked)
    home.landing.mkdir(parents=True)
    for run in range(1, hours + 1):
        (home.landing / source(run)).touch()
    known = enumerate(survey(home), start=1)
    write_stamps(home, {found.source: (stamp(found), fingerprint(run)) for run, found in known})
    return home


def _linked(source: str, target: str) -> None:
    """Data files are never written to; those of the log may be."""
    if source.endswith(".parquet") and "_delta_log" not in source:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


if __name__ == "__main__":
    make(Home(Path(sys.argv[1]).absolute()), int(sys.argv[2]), int(sys.argv[3]))
