"""Is one more hour as cheap after 500 hourly runs as after 50? `.venv/bin/python -m tests.bench.flat FOLDER`

500 runs would take hours. What they leave behind, one commit and one small file a run in every table, is
written with delta-rs instead; then real hours are run on it, as it is and after `maintain`, in turn with
a lakehouse of 50 runs.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, Transaction, write_deltalake
from pyspark.sql import SparkSession

import bronze.ingest
import gold.publish
import silver.publish
from conf import session, settings, upkeep, warehouse
from conf import tables as declared
from conf.home import Home
from conf.tables import EVENT_FIELDS, GOLD, IMPRESSION, TABLES, Table

START = datetime(2026, 10, 1, tzinfo=UTC)
EVENTS, USERS, PAGES, PLACEMENTS = 300, 400, 100, 20
TURNS = 4
FEW_JOBS = {
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.databricks.delta.snapshotPartitions": "1",
}
Event = tuple[int, int, str, str, str, str]
Seconds = dict[str, float]


@dataclass(frozen=True)
class Lake:
    """A lakehouse after so many hourly runs."""

    name: str
    home: Home
    hours: int


def events_of(hour: int) -> list[Event]:
    """The distinct events of one hour, the six fields each; the same in every call."""
    draw, first = random.Random(hour), int((START + timedelta(hours=hour)).timestamp())
    made: dict[Event, None] = {}
    while len(made) < EVENTS:
        page = draw.randrange(PAGES)
        placement, user = f"pl{page % PLACEMENTS}", f"u{draw.randrange(USERS)}"
        click = int(draw.random() < 0.02)
        made[first + draw.randrange(3600), click, f"b{page % 50}", placement, f"pg{page}", user] = None
    return list(made)


def line(event: Event) -> str:
    """The event as it is delivered."""
    return json.dumps(dict(zip(EVENT_FIELDS, event, strict=True)))


def moment(event: Event) -> datetime:
    """When it happened."""
    return datetime.fromtimestamp(event[0], UTC)


def counted(events: list[Event], table: Table) -> list[dict[str, Any]]:
    """The rows of a statistics table that these events give."""
    subject, bucket = table.key
    place = EVENT_FIELDS.index(subject)
    seen: dict[tuple[Any, Any], list[Event]] = {}
    for event in events:
        hour = moment(event).replace(minute=0, second=0)
        seen.setdefault((event[place], hour.date() if bucket == "day" else hour), []).append(event)
    return [
        {
            subject: key,
            bucket: start,
            "views": sum(event[1] == IMPRESSION for event in of_bucket),
            "clicks": sum(event[1] != IMPRESSION for event in of_bucket),
            "distinct_users": len({event[5] for event in of_bucket}),
        }
        for (key, start), of_bucket in seen.items()
    ]


def left_behind(run: int, day: list[Event]) -> dict[Table, list[dict[str, Any]]]:
    """The rows that the run of one hour adds to each table; `day` are the events of its day so far."""
    hour, events = START + timedelta(hours=run - 1), events_of(run - 1)
    taken = {"source": f"{run:05}.jsonl", "ingested_at": hour + timedelta(minutes=65), "batch_id": run}
    facts = {"fingerprint": f"{run:064}", "bytes": 1, "format": "jsonl", "status": declared.TAKEN}
    accounts = {"delivered": EVENTS, "accepted": EVENTS, "duplicate": 0, "quarantined": 0}
    span = {"min_event_time": hour, "max_event_time": hour + timedelta(minutes=59)}
    rules = [{"batch_id": run, "rule": f"r{n}", "severity": "row", "published": True} for n in range(36)]
    ids = ("event_type", *declared.IDS)
    whole = hour.hour == 23
    changed = {"old_views": 1, "new_views": 2, "cause": "late", "bucket": hour, "silver_version": run}
    pages = [changed | {"table_name": "gold.page_daily", "key": f"pg{n}"} for n in range(PAGES)]
    return {
        declared.BRONZE_DELIVERIES: [taken | facts],
        declared.BRONZE_EVENTS: [
            taken | {"payload": line(event), "valid_utf8": True, "ingest_date": hour.date()}
            for event in events
        ],
        declared.SILVER_EVENTS: [
            taken
            | {"event_time": moment(event), "event_date": moment(event).date()}
            | dict(zip(ids, event[1:], strict=True))
            for event in events
        ],
        declared.SILVER_VOLUME: [{"batch_id": run, "hour": hour, "accepted": EVENTS}],
        declared.SILVER_QUALITY: rules,
        declared.SILVER_LEDGER: [taken | accounts | span],
        declared.SILVER_QUARANTINE: [taken | {"payload": "x", "rules": ["well_formed"], "valid_utf8": True}],
        declared.PLACEMENT_HOURLY: counted(events, declared.PLACEMENT_HOURLY),
        declared.PAGE_HOURLY: counted(events, declared.PAGE_HOURLY),
        declared.PLACEMENT_DAILY: counted(day, declared.PLACEMENT_DAILY) if whole else [],
        declared.PAGE_DAILY: counted(day, declared.PAGE_DAILY) if whole else [],
        declared.GOLD_RESTATEMENTS: pages,
    }


def after(spark: SparkSession, lake: Lake) -> Lake:
    """The lakehouse, written as its runs leave it: rows, and how far each table has taken its source."""
    home = lake.home
    home.landing.mkdir(parents=True)
    warehouse.create_missing(spark, home)
    schemas = {table: pa.schema(warehouse.state(home, table).schema().to_arrow()) for table in TABLES}
    of_layer = {
        "bronze": warehouse.LANDING,
        "silver": warehouse.identity(home, declared.BRONZE_EVENTS),
        "gold": warehouse.identity(home, declared.SILVER_EVENTS),
    }
    day: list[Event] = []
    for run in range(1, lake.hours + 1):
        day = events_of(run - 1) if run % 24 == 1 else [*day, *events_of(run - 1)]
        for table, rows in left_behind(run, day).items():
            taken = CommitProperties(app_transactions=[Transaction(of_layer[table.layer], run)])
            frame = pa.Table.from_pylist(rows, schemas[table])
            write_deltalake(home.table(table), frame, mode="append", commit_properties=taken)
    return lake


def hour_more(spark: SparkSession, lake: Lake, turn: int) -> Seconds:
    """Deliver and run the next hour; how long each layer took."""
    hour = lake.hours + turn
    (lake.home.landing / f"{hour}.jsonl").write_text("\n".join(map(line, events_of(hour))), "utf-8")
    arrived = bronze.ingest.arrivals(lake.home)
    judged = bronze.ingest.judge_all(lake.home, arrived)
    steps: dict[str, Callable[[], object]] = {
        "bronze": lambda: bronze.ingest.ingest(spark, lake.home, arrived.batch_id, judged),
        "silver": lambda: silver.publish.publish(spark, lake.home),
        "gold": lambda: gold.publish.publish(spark, lake.home),
    }
    seconds: Seconds = {}
    for name, step in steps.items():
        started = time.monotonic()
        step()
        seconds[name] = time.monotonic() - started
    return seconds


def main(folder: Path) -> None:
    """Print seconds and files by lakehouse; medians of the turns after the first."""
    # delta-rs writes no in-commit timestamps; they do not change what a run reads.
    warehouse.PROPERTIES.pop("delta.enableInCommitTimestamps")
    small = settings.load(driver_memory="3g", spark=FEW_JOBS)
    spark = session.start(small, folder / "scratch", folder / "spark.log")
    young = after(spark, Lake("50 runs", Home(folder / "50"), 50))
    old = after(spark, Lake("500 runs", Home(folder / "500"), 500))
    kept = Lake("500 runs, maintained", Home(folder / "500-maintained"), 500)
    copytree(old.home.root, kept.home.root)
    for one in upkeep.maintain(spark, kept.home, {}):
        print(f"maintain {one.table:22} files {one.before.files:4} -> {one.after.files}")
    lakes = (young, old, kept)
    hour_more(spark, young, 0)
    times: dict[str, list[Seconds]] = {lake.name: [] for lake in lakes}
    for turn in range(1, TURNS + 1):
        for lake in lakes:
            times[lake.name].append(hour_more(spark, lake, turn))
    for lake in lakes:
        turns = times[lake.name][1:]
        layers = {name: round(statistics.median(turn[name] for turn in turns), 2) for name in turns[0]}
        files = {table.short_name: len(warehouse.state(lake.home, table).file_uris()) for table in GOLD}
        print(f"{lake.name:21} {layers}, in all {sum(layers.values()):.2f} s; files {files}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
