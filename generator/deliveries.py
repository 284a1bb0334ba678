"""The edge: carries out an order, hour by hour, into landing and the answer key."""

from __future__ import annotations

import gzip
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import polars as pl

from conf.errors import UsageError
from conf.home import Home
from generator import answers, csv_rows, journal, jsonl, parquet_rows
from generator.hours import Hour, hours
from generator.journal import Entry
from generator.malformed import RULES
from generator.order import HOUR, Order, check
from generator.schedule import LOOK_BACK, plan
from generator.world import Purpose, World, build, random
from generator.written import Writer, Written

WRITERS = {"json": jsonl.writer, "csv": csv_rows.writer, "parquet": parquet_rows.writer}

FAST_GZIP = 1
"""Senders compress to save the network, not to save every byte."""

Progress = Callable[[str, int, int], None]
"""Told the stage, how much of it is done, and of how much."""

Send = Callable[[bytes | memoryview], int]
"""Takes an hour's records as lines, elsewhere than into landing; returns the bytes it sent."""


@dataclass(frozen=True)
class Delivered:
    """What one order came to; records = events + duplicates + malformed.

    `events` counts distinct valid ones, `late` those first delivered in a later file than their hour.
    Generating is drawing and ordering them, writing is formatting, compressing and the disk, counting is
    keeping the distinct events and the key.
    """

    files: int
    records: int
    events: int
    duplicates: int
    late: int
    malformed: int
    bytes: int
    seconds_generating: float
    seconds_writing: float
    seconds_counting: float

    def said(self, where: str, key: str) -> str:
        """What a person is told; `where` it was delivered, and where the key lies."""
        return (
            f"{self.records:,} records (files: {self.files:,}, {self.bytes / 1e6:,.1f} MB) in {where}:\n"
            f"{self.events:,} events ({self.late:,} of them late), {self.duplicates:,} duplicates, "
            f"{self.malformed:,} malformed. The gold they must give is in {key}."
        )


@dataclass
class _Tally:
    files: int = 0
    records: int = 0
    events: int = 0
    bytes: int = 0
    rules: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(RULES, 0)))
    kinds: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("generate", "write", "count"), 0.0)
    )


def generate(
    order: Order, home: Home, progress: Progress | None = None, send: Send | None = None
) -> Delivered:
    """Carry out the order: hourly files in landing, then the key and the totals in answers.

    With `send` each hour's records go there instead, in the order in which a file would hold them. The same
    order again writes the same bytes, and completes one that was cut short. Raises UsageError, before
    anything is written, for an order that cannot be carried out.
    """
    check(order, datetime.now(UTC))
    tell = progress or (lambda *_: None)
    entry = _admit(order, home)
    journal.record(home, replace(entry, finished=False))
    site = build(order.seed)
    _keep_world(site, order.seed, home)
    tally = _deliver(order, entry.reach_back, site, home, tell, send)
    with _timed(tally, "count"):
        answers.count(home, entry, tell)
    malformed = tally.kinds.total()
    journal.record(
        home,
        replace(
            entry,
            finished=True,
            records=tally.records,
            malformed=malformed,
            rules=dict(tally.rules),
            kinds=dict(tally.kinds),
        ),
    )
    answers.write_totals(home)
    return Delivered(
        files=tally.files,
        records=tally.records,
        events=tally.events,
        duplicates=tally.records - tally.events - malformed,
        late=plan(order, entry.reach_back).all_late,
        malformed=malformed,
        bytes=tally.bytes,
        seconds_generating=tally.seconds["generate"],
        seconds_writing=tally.seconds["write"],
        seconds_counting=tally.seconds["count"],
    )


def _keep_world(site: World, seed: int, home: Home) -> None:
    """Add the seed's pages, placements and banners to what other seeds put there."""
    for name in ("pages", "placements", "banners"):
        rows: pl.DataFrame = getattr(site, name)
        fresh = rows.select(pl.lit(seed, pl.Int64).alias("seed"), pl.all())
        path = home.world / f"{name}.parquet"
        kept = (
            pl.read_parquet(path, glob=False).filter(pl.col("seed") != seed)
            if path.exists()
            else fresh.clear()
        )
        with journal.replacing(path) as unfinished:
            pl.concat([kept, fresh]).sort("seed", maintain_order=True).write_parquet(unfinished)


def _admit(order: Order, home: Home) -> Entry:
    """The order's entry; refuses what would make the key differ from what was delivered."""
    known = journal.entries(home)
    for entry in known:
        if entry.order != order and not entry.finished:
            raise UsageError(
                f"{home.answers}: an earlier order was cut short, and the key does not count it yet.\n"
                f"Complete it first: {entry.order.command}"
            )
    for entry in known:
        if entry.order == order:
            return entry
    names = [order.file_name(number) for number in range(order.hours)]
    there = [name for name in names if (home.outgoing / name).exists()]
    if there:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise UsageError(
            f"{home.outgoing / there[0]}{more}: already there from another order, and would be overwritten.\n"
            f"Nothing was written. Give another --seed or a later --start."
        )
    starts = [entry.order.first_second for entry in known if entry.order.start < order.start]
    oldest = order.first_second - LOOK_BACK * HOUR
    return Entry(order=order, reach_back=max(min(starts), oldest) if starts else None)


def _deliver(
    order: Order, reach_back: int | None, site: World, home: Home, tell: Progress, send: Send | None
) -> _Tally:
    tally = _Tally()
    writer = WRITERS[order.format](site)
    if send is None:
        home.outgoing.mkdir(parents=True, exist_ok=True)
    remaining = hours(order, reach_back, site)
    with answers.event_log(journal.events_file(home, order), site) as log:
        while True:
            with _timed(tally, "generate"):
                hour = next(remaining, None)
            if hour is None:
                return tally
            with _timed(tally, "count"):
                log(hour.events)
                tally.events += len(hour.events)
            if len(hour.records):
                with _timed(tally, "write"):
                    written = _written(order, hour, writer)
                    size = send(written.body) if send else _write_file(order, hour, written, home)
                    _add(tally, hour, written, size)
            tell("deliveries", hour.number + 1, order.hours)


def _written(order: Order, hour: Hour, writer: Writer) -> Written:
    starts = order.first_second + hour.number * HOUR
    return writer(random(order.seed, Purpose.WRITING, starts), hour.records)


def _write_file(order: Order, hour: Hour, written: Written, home: Home) -> int:
    body = gzip.compress(written.body, FAST_GZIP, mtime=0) if order.gzip else written.body
    with journal.replacing(home.outgoing / order.file_name(hour.number)) as unfinished:
        unfinished.write_bytes(body)
    return len(body)


def _add(tally: _Tally, hour: Hour, written: Written, size: int) -> None:
    tally.files += 1
    tally.records += len(hour.records)
    tally.bytes += size
    tally.kinds.update(malformation.name for malformation in written.malformed)
    tally.rules.update(rule for malformation in written.malformed for rule in malformation.rules)


@contextmanager
def _timed(tally: _Tally, stage: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    tally.seconds[stage] += time.perf_counter() - begun
