"""Lakehouses of different age, side by side: what is delivered, what a run takes, whether gold is right."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from pyspark.sql import SparkSession

import bronze.ingest
import generator
import gold.progress
import gold.publish
import silver.publish
from conf import upkeep, warehouse
from conf.home import Home
from conf.tables import EVENT_FIELDS, EVENT_IDENTITY, GOLD, SILVER_EVENTS
from generator import hours, jsonl, world
from generator.draw import distinct, draw
from generator.naming import named
from generator.order import HOUR
from tests.bench import answers, deliveries, history
from tests.bench.counted import Cost, cost
from tests.bench.part import ROOT
from tests.bench.plain_polars import answer

HOUR_EVENTS = 140_000
LATE_BY = timedelta(days=29)
LATE_EVENTS = 1000
Costs = dict[str, Cost]
"""By layer."""


@dataclass(frozen=True)
class Lake:
    """A lakehouse after so many hourly runs."""

    home: Home
    hours: int
    note: str = ""

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return f"{self.hours} hours{self.note}"

    @property
    def late_day(self) -> date:
        """The day its late events happened on: long ago where that is within it, else the last whole one."""
        one = timedelta(days=1)
        holds = history.END - timedelta(hours=self.hours) <= history.END - LATE_BY - one
        return (history.END - (LATE_BY if holds else one)).date()


def made(folder: Path, hours_before: int, events: int) -> Home:
    """The history, written unless an earlier call did."""
    home = Home(folder / f"history-{hours_before}x{events}")
    if not (home.root / "made").exists():
        program = [sys.executable, "-m", "tests.bench.history"]
        subprocess.run([*program, home.root, str(hours_before), str(events)], cwd=ROOT, check=True)
    return home


def hourly(hour: datetime, events: int) -> bytes:
    """What is delivered for an hour: with some late events of the 24 hours before it, repeats and flaws."""
    site, order = world.build(history.SEED), generator.Order(events, 1, hour, history.SEED)
    reach_back = int((history.END - timedelta(hours=24)).timestamp())
    with deliveries.read_alike():
        *_, of_hour = hours.hours(order, reach_back, site)
        rng = world.random(history.SEED, world.Purpose.WRITING, order.first_second)
        return bytes(jsonl.writer(site)(rng, of_hour.records).body)


def late(day: date, turn: int) -> bytes:
    """A delivery of events that all happened on one day, spread over its hours."""
    site = world.build(history.SEED)
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    rng = world.random(history.SEED, world.Purpose.EARLIER, turn)
    events = draw(rng, site, midnight + np.arange(LATE_EVENTS) % 24 * HOUR)
    return body(history.lines(named(site, distinct(events))))


def body(payloads: pl.DataFrame) -> bytes:
    """Lines as a file holds them."""
    return payloads.write_csv(include_header=False, quote_style="never").encode()


def take(spark: SparkSession, lake: Lake, name: str, delivery: bytes) -> Costs:
    """Deliver it, and run each layer, as an interval of a stream does."""
    home = lake.home
    (home.landing / name).write_bytes(delivery)
    steps: dict[str, Callable[[], object]] = {
        "bronze": lambda: _ingest(spark, home),
        "silver": lambda: silver.publish.publish(spark, home),
        "gold": lambda: _publish_gold(spark, home),
    }
    return {layer: cost(spark, step) for layer, step in steps.items()}


def _ingest(spark: SparkSession, home: Home) -> None:
    arrived = bronze.ingest.arrivals(home)
    bronze.ingest.ingest(spark, home, arrived.batch_id, bronze.ingest.judge_all(home, arrived))


def _publish_gold(spark: SparkSession, home: Home) -> None:
    gold.publish.publish(spark, home)
    upkeep.fold(spark, home)


def look(spark: SparkSession, lake: Lake) -> Cost:
    """What an interval costs in which nothing new has arrived."""

    def looked() -> None:
        behind = silver.publish.waiting(lake.home), gold.progress.waiting(lake.home)
        arrived = bronze.ingest.arrivals(lake.home).found
        if arrived or any(done != available for done, available in behind):
            raise answers.WrongAnswerError(f"{lake.name}: something is left to do: {arrived}, {behind}")

    return cost(spark, looked)


def check(lake: Lake) -> None:
    """Raise unless gold is what Polars counts in silver, on the days that the deliveries touched."""
    days = sorted({history.END.date() - timedelta(days=1), history.END.date(), lake.late_day})
    # Spark's files and delta-rs' hold timestamps of two precisions: Polars alone would refuse them.
    held = warehouse.state(lake.home, SILVER_EVENTS).to_pyarrow_table(
        filters=[("event_date", "in", days)], columns=[*EVENT_IDENTITY]
    )
    events = pl.DataFrame(held).with_columns(timestamp=pl.col("event_time").dt.epoch("s"))
    if events.select(EVENT_FIELDS).is_duplicated().any():
        raise answers.WrongAnswerError(f"{lake.name}: silver holds an event twice")
    given = answers.in_delta(lake.home.warehouse / "gold")
    for table in GOLD:
        subject, bucket = table.key
        counted = answer(events, subject, bucket, HOUR if bucket == "hour" else 24 * HOUR).collect()
        of_days = pl.col(bucket).cast(pl.Date).is_in(days)
        answers.equal(given[table.short_name].filter(of_days), counted, table)
