"""What is asked of the generator, checked before anything is written, and how it falls on the hours."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from conf.errors import UsageError

FORMATS = {"json": "jsonl", "csv": "csv", "parquet": "parquet"}
"""What --format may be, and the file name ending each gives."""

HOUR = 3600
TO_THE_HOUR = "%Y-%m-%dT%H:00:00Z"

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""Silver refuses what happened before."""

# Share of a day's traffic by UTC hour, and of a week's by weekday from Monday.
_DAY = (26, 18, 13, 11, 12, 18, 32, 52, 68, 74, 77, 80, 84, 80, 77, 75, 76, 80, 88, 96, 100, 92, 70, 44)
_WEEK = (100, 102, 103, 101, 96, 82, 88)


@dataclass(frozen=True)
class Order:
    """One `generate`: `events` distinct valid events over `hours` hours from `start`.

    `late` is the share of `events` delivered in a later file than their hour; duplicates and malformed
    records come on top, each as a share of `events`.
    """

    events: int
    hours: int
    start: datetime
    seed: int = 1
    format: str = "json"
    gzip: bool = False
    duplicates: float = 0.01
    late: float = 0.02
    malformed: float = 0.005

    @property
    def first_second(self) -> int:
        """Unix time of `start`."""
        return int(self.start.timestamp())

    @property
    def values(self) -> dict[str, Any]:
        """The order as JSON can hold it."""
        return {**asdict(self), "start": self.start.isoformat()}

    @property
    def name(self) -> str:
        """A file name of its own: no two orders share it."""
        digest = hashlib.sha256(json.dumps(self.values, sort_keys=True).encode()).hexdigest()[:8]
        return f"{self.start:%Y-%m-%d-%H}-{self.hours}h-s{self.seed}-{digest}"

    @property
    def command(self) -> str:
        """What to type to give this order."""
        return (
            f"lakehouse generate --events {self.events} --hours {self.hours} "
            f"--start {self.start:{TO_THE_HOUR}} --seed {self.seed} "
            f"--format {self.format}{' --gzip' if self.gzip else ''} "
            f"--duplicates {self.duplicates} --late {self.late} --malformed {self.malformed}"
        )

    def file_name(self, hour: int) -> str:
        """The delivery of the order's hour number `hour`, counted from 0."""
        starts = self.start + timedelta(hours=hour)
        ending = FORMATS[self.format] + (".gz" if self.gzip else "")
        return f"events-{starts:%Y-%m-%d-%H}-s{self.seed}.{ending}"


def read(values: dict[str, Any]) -> Order:
    """The order these are the `values` of."""
    return Order(**{**values, "start": datetime.fromisoformat(values["start"])})


def check(order: Order, now: datetime) -> None:
    """Raise UsageError, saying what to type instead, for an order that cannot be carried out.

    What lies in the future is refused here because silver would refuse it, and gold would not
    match the key.
    """
    for what, number in (("events", order.events), ("hours", order.hours)):
        if number < 1:
            raise UsageError(f"--{what} {number}: must be 1 or more.")
    if not 0 <= order.seed < 2**32:
        raise UsageError(f"--seed {order.seed}: must be between 0 and {2**32 - 1}.")
    for what, share in (
        ("duplicates", order.duplicates),
        ("late", order.late),
        ("malformed", order.malformed),
    ):
        if not 0 <= share <= 1:
            raise UsageError(f"--{what} {share}: must be a share between 0 and 1; for 2 % give 0.02.")
    _check_format(order)
    _check_times(order, now)


def _check_format(order: Order) -> None:
    if order.format not in FORMATS:
        raise UsageError(f"--format {order.format}: must be one of {', '.join(FORMATS)}.")
    if order.gzip and order.format == "parquet":
        raise UsageError("--gzip: Parquet is compressed already; leave --gzip out or choose json or csv.")


def _check_times(order: Order, now: datetime) -> None:
    start = order.start
    given = f"--start {start.isoformat()}"
    if start.utcoffset() != timedelta(0):
        utc = start.astimezone(UTC) if start.tzinfo else start
        raise UsageError(f"{given}: must be in UTC, e.g. {utc:{TO_THE_HOUR}}.")
    if start != start.replace(minute=0, second=0, microsecond=0):
        raise UsageError(f"{given}: must be a whole hour, e.g. {start:{TO_THE_HOUR}}.")
    if start < EARLIEST:
        raise UsageError(f"{given}: silver refuses events before 2000; start later.")
    under_way = now.replace(minute=0, second=0, microsecond=0)
    most = (under_way - start) // timedelta(hours=1) + 1
    if order.hours > most:
        instead = (
            f"Ask for at most {most} hours." if most > 0 else f"Start at {under_way:{TO_THE_HOUR}} or before."
        )
        raise UsageError(
            f"{given} --hours {order.hours}: reaches into the future, "
            f"and silver refuses events that have not happened.\n{instead}"
        )


def events_by_hour(order: Order, events: int) -> npt.NDArray[np.int64]:
    """How many of `events` happen in each hour of the order: the rhythm of day and week."""
    hours = order.first_second // HOUR + np.arange(order.hours)
    # 1970-01-01 was a Thursday, day 3 of a week that starts on Monday.
    weights = np.take(_DAY, hours % 24) * np.take(_WEEK, (hours // 24 + 3) % 7)
    return apportion(events, weights)


def apportion(total: int, weights: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """`total` split by weight into whole numbers that add up to it; none where all weights are 0."""
    if not weights.sum():
        return np.zeros(len(weights), dtype=np.int64)
    edges = np.rint(np.cumsum(weights) / weights.sum() * total).astype(np.int64)
    return np.asarray(np.diff(edges, prepend=0))
