"""Events from numbers: who sees which banner where, in which second, and who clicks.

A frame of events holds one row an event: `timestamp` (Unix seconds), `event_type`, `meeting` (row of
the world's meetings) and `user` (a number; `user_keys` gives the cookie id).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from conf.tables import CLICK, IMPRESSION
from generator.order import HOUR
from generator.world import World

USERS = 3_000_000
REGULARS = 2_000
"""Visits fall off as 1 / (rank + REGULARS): some users come hourly, most come once or twice."""

VISIT = 4
"""Views in one visit, on average."""

SLOWEST_CLICK = 60
"""Seconds between a view and its click are fewer than this."""

SCHEMA = {"timestamp": pl.Int64, "event_type": pl.Int8, "meeting": pl.Int32, "user": pl.Int32}
"""A frame of events."""

Hours = npt.NDArray[np.int64]
Numbers = npt.NDArray[Any]


def draw(rng: np.random.Generator, world: World, hours: Hours) -> pl.DataFrame:
    """`len(hours)` events, clicks counted in; impressions take their hours (Unix seconds) in turn.

    A click is by the user who saw the banner, there, seconds later and within the same hour.
    """
    count = len(hours)
    if not count:
        return pl.DataFrame(schema=SCHEMA)
    meeting = _meetings(rng, world, count)
    user, second = _visits(rng, count)
    clicks = rng.random(count, dtype=np.float32) < world.ctr[meeting]

    events_so_far = np.arange(1, count + 1) + np.cumsum(clicks)
    views = int(np.searchsorted(events_so_far, count)) + 1
    if events_so_far[views - 1] > count:
        clicks[views - 1] = False
    clicked = np.flatnonzero(clicks[:views])
    wait = 1 + rng.exponential(8, len(clicked)).astype(np.int32) % (SLOWEST_CLICK - 1)
    second[clicked] = np.minimum(second[clicked], HOUR - 1 - wait)

    viewed = hours[:views] + second[:views]
    return pl.DataFrame(
        {
            "timestamp": np.concatenate([viewed, viewed[clicked] + wait]),
            "event_type": np.repeat(np.array([IMPRESSION, CLICK], dtype=np.int8), [views, len(clicked)]),
            "meeting": np.concatenate([meeting[:views], meeting[clicked]]),
            "user": np.concatenate([user[:views], user[clicked]]),
        }
    )


def _meetings(rng: np.random.Generator, world: World, count: int) -> Numbers:
    slot = rng.integers(0, len(world.other), count, dtype=np.int32)
    keep = rng.integers(0, 2**32, count, dtype=np.uint32) < world.threshold[slot]
    return np.where(keep, slot, world.other[slot])


def _visits(rng: np.random.Generator, count: int) -> tuple[Numbers, Numbers]:
    """User and second of each view: visits begin at any second, their views follow within a minute or so."""
    begins = rng.random(count, dtype=np.float32) < 1 / VISIT
    visit = np.cumsum(begins)
    visits = int(visit[-1]) + 1
    begun = rng.integers(0, HOUR, visits, dtype=np.int32)
    second = begun[visit] + rng.integers(0, 90, count, dtype=np.int32)
    return _users(rng, visits)[visit], second % HOUR


def _users(rng: np.random.Generator, count: int) -> Numbers:
    reach = np.float32(np.log1p(USERS / REGULARS))
    rank = REGULARS * np.expm1(rng.random(count, dtype=np.float32) * reach)
    return np.asarray(np.minimum(rank, USERS - 1), dtype=np.int32)


def user_keys(world: World, users: pl.Series) -> npt.NDArray[np.uint64]:
    """Cookie ids as 64-bit numbers: splitmix64, which maps different users to different ids."""
    mixed = users.to_numpy().astype(np.uint64) + np.uint64(world.user_key)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def distinct(events: pl.DataFrame) -> pl.DataFrame:
    """Each event once, in order of time; two true views in one second are one event."""
    if events.is_empty():
        return events
    # One number per event sorts and compares several times faster than four columns: 22 bits of user,
    # 20 of meeting, one of type, and the seconds since the first event above them.
    first = events["timestamp"].min()
    second = (pl.col("timestamp") - first) * 2 + pl.col("event_type")
    return (
        events.select(code=second * 2**42 + pl.col("meeting").cast(pl.Int64) * 2**22 + pl.col("user"))
        .unique("code")
        .sort("code")
        .select(
            timestamp=pl.col("code") // 2**43 + first,
            event_type=(pl.col("code") // 2**42 % 2).cast(pl.Int8),
            meeting=(pl.col("code") // 2**22 % 2**20).cast(pl.Int32),
            user=(pl.col("code") % 2**22).cast(pl.Int32),
        )
    )
