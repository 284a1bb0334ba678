"""Which file each event is delivered in, how often, and where in the file it stands.

Files are numbered by the hour of the order they close, from 0. Adds `file` to a frame of events.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from generator.order import HOUR, Order, apportion, events_by_hour

Counts = npt.NDArray[np.int64]

LOOK_BACK = 72
"""Hours before the order's start that late events still come from."""

MOST_LATE_BY = 72
"""Hours after which even the slowest device has reported."""

SAME_FILE = 0.6
"""Share of the duplicates that stand in the same file as what they repeat."""


@dataclass(frozen=True)
class Plan:
    """How many of what, by hour of the order; `earlier` events happened before its start."""

    earlier: int
    events: Counts
    late: Counts
    again: Counts
    malformed: Counts

    @property
    def all_late(self) -> int:
        """Events delivered in a later file than their hour."""
        return self.earlier + int(self.late.sum())


def plan(order: Order, reach_back: int | None) -> Plan:
    """The order by hour; `reach_back` is the Unix time that hours generated before begin at, if any do.

    A short order has few hours of its own to be late for, so more of its late events are from before.
    """
    late = round(order.events * order.late)
    earlier = 0 if reach_back is None else min(late // min(order.hours, 4), order.events // 2)
    events = events_by_hour(order, order.events - earlier)
    later = np.zeros(order.hours, dtype=np.int64)
    # What happens in the last hour has no later file to be late in.
    later[:-1] = apportion(late - earlier, events[:-1])
    return Plan(
        earlier=earlier,
        events=events,
        late=np.minimum(later, events),
        again=apportion(round(order.events * order.duplicates), events),
        malformed=apportion(round(order.events * order.malformed), events),
    )


def earlier_hours(rng: np.random.Generator, order: Order, reach_back: int | None, count: int) -> Counts:
    """The hours (Unix seconds) before the order's start that `count` of its events happened in."""
    hours = (order.first_second - (reach_back or order.first_second)) // HOUR
    back = np.minimum(_hours_late(rng, count), hours)
    return np.asarray(order.first_second - back * HOUR)


def deliver(
    rng: np.random.Generator, events: pl.DataFrame, file: int, late: int, again: int, order: Order
) -> pl.DataFrame:
    """One row per delivery of one hour's events: each once, `again` of them once more.

    `file` is the hour's own file; -1 stands for hours before the order, all of whose events are late.
    """
    last = order.hours - 1
    files = np.full(len(events), max(file, 0), dtype=np.int64)
    delayed = rng.choice(len(events), late, replace=False, shuffle=False)
    files[delayed] = np.minimum(file + _hours_late(rng, late), last)

    repeated = rng.integers(0, len(events), again)
    elsewhere = rng.random(len(repeated)) >= SAME_FILE
    resent = np.minimum(files[repeated] + elsewhere * rng.geometric(0.4, len(repeated)), last)
    return pl.concat(
        [
            events.with_columns(file=pl.Series(files)),
            events[repeated].with_columns(file=pl.Series(resent)),
        ]
    )


def _hours_late(rng: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
    """Mostly the next hour or two, one in twenty by half a day on average."""
    soon = rng.geometric(0.6, count)
    long_after = rng.geometric(1 / 14, count)
    hours = np.where(rng.random(count) < 0.95, soon, long_after)
    return np.asarray(np.minimum(hours, MOST_LATE_BY), dtype=np.int64)


def arrived(rng: np.random.Generator, deliveries: pl.DataFrame, hour: int) -> npt.NDArray[np.float64]:
    """When within the file's hour (Unix seconds) each delivery arrived; a file is in that order.

    Events of the hour itself arrive within seconds, events of other hours at any moment.
    """
    since = deliveries["timestamp"].to_numpy() - hour
    in_time = since >= 0
    return np.where(in_time, since + rng.exponential(3, len(since)), rng.uniform(0, HOUR, len(since)))
