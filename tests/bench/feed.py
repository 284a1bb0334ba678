"""Files that appear at a steady pace, and the moments at which gold shows what is in them."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.compute as pc

from conf import warehouse
from conf.home import Home
from conf.tables import GOLD, Table
from generator import world
from generator.draw import draw
from generator.naming import named
from tests.bench import history
from tests.bench.history import lines
from tests.bench.lakes import body

FILE_EVERY_S = 1
LOOK_EVERY_S = 0.25

Moments = list[tuple[float, int]]
"""When, and how many events in all had been delivered, or were shown, by then."""


@dataclass
class Feeder:
    """Delivers files of distinct events, each of a second of its own, after the end of the history."""

    home: Home
    place: Path
    total: int = 0
    second: int = 0

    def deliver(self, rate: int, seconds: int) -> Moments:
        """A file a second for so long, made beforehand; when each appeared."""
        files = self._made(rate, seconds)
        appeared: Moments = []
        begun = time.monotonic()
        for number, (file, events) in enumerate(files):
            time.sleep(max(0.0, begun + number * FILE_EVERY_S - time.monotonic()))
            file.rename(self.home.landing / file.name)
            self.total += events
            appeared.append((time.monotonic(), self.total))
        return appeared

    def _made(self, rate: int, seconds: int) -> list[tuple[Path, int]]:
        """The files, and how many events each holds."""
        self.place.mkdir(parents=True, exist_ok=True)
        site = world.build(history.SEED)
        made = []
        for _ in range(0, seconds, FILE_EVERY_S):
            happened = history.END + timedelta(seconds=self.second)
            rng = world.random(history.SEED, world.Purpose.EVENTS, int(happened.timestamp()))
            drawn = draw(rng, site, np.zeros(rate * FILE_EVERY_S, dtype=np.int64))
            of_second = drawn.with_columns(timestamp=pl.lit(int(happened.timestamp()), pl.Int64)).unique()
            file = self.place / f"live-{self.second:06}.jsonl"
            file.write_bytes(body(lines(named(site, of_second))))
            made.append((file, of_second.height))
            self.second += FILE_EVERY_S
        return made


@dataclass
class Shown:
    """How many of the delivered events gold shows, from moment to moment; the least of its four tables."""

    home: Home
    moments: Moments = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _versions: dict[Table, tuple[int, int]] = field(default_factory=dict)
    _before: int | None = None

    def watch(self) -> None:
        """Look until told to stop."""
        while not self._ended.wait(LOOK_EVERY_S):
            self.look()

    def look(self) -> None:
        """Once. What the first look finds does not count as delivered."""
        counted = min(self._counted(table) for table in GOLD)
        if self._before is None:
            self._before = counted
        if not self.moments or self.moments[-1][1] < counted - self._before:
            self.moments.append((time.monotonic(), counted - self._before))

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()

    def wait_for(self, total: int, seconds: float) -> None:
        """Until gold shows so many events; raises TimeoutError when it takes longer."""
        until = time.monotonic() + seconds
        while not self.moments or self.moments[-1][1] < total:
            if time.monotonic() > until:
                raise TimeoutError(f"{self.home.root}: gold does not show {total:,} events after {seconds} s")
            time.sleep(LOOK_EVERY_S)

    def _counted(self, table: Table) -> int:
        """Views and clicks of the table; read again when it has changed."""
        state = warehouse.state(self.home, table)
        if self._versions.get(table, (-1, 0))[0] != state.version():
            held = state.to_pyarrow_table(columns=["views", "clicks"])
            self._versions[table] = (
                state.version(),
                sum(pc.sum(held[name]).as_py() or 0 for name in held.column_names),
            )
        return self._versions[table][1]


def lags(appeared: Moments, shown: Moments) -> list[float]:
    """For each file, the seconds until gold showed it."""
    totals = [total for _, total in shown]
    return [shown[bisect_left(totals, total)][0] - moment for moment, total in appeared]
