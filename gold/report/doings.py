"""What one run did, in the shape the metrics and the messages are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pyarrow as pa

from conf.home import Home
from conf.tables import SILVER_LEDGER
from gold.report.quality import COUNTS
from gold.report.reading import Lake, newest


@dataclass(frozen=True)
class Doings:
    """One run: `records` by outcome and `broken` by rule, of the batches it published.

    `refused_batch` is what a gate keeps back, `refusing` why; `batch` and `newest_event` are silver's.
    """

    at: datetime
    batch: int | None
    newest_event: datetime | None
    fresh_hours: float
    records: dict[str, int]
    broken: dict[str, int]
    refused_batch: int | None
    refusing: list[str]
    seconds: dict[str, float]

    @property
    def behind(self) -> float | None:
        """Seconds from the newest event to the end of the run; None without events."""
        return None if self.newest_event is None else (self.at - self.newest_event).total_seconds()

    @property
    def is_stale(self) -> bool:
        """Whether the newest event is older than the rule on freshness allows."""
        return self.behind is not None and self.behind > self.fresh_hours * 3600


def of_run(home: Home, report: Mapping[str, Any], fresh_hours: float) -> Doings:
    """What the run did, from its report (outcomes, seconds) and from what silver's ledger says of itself."""
    outcomes: list[dict[str, Any]] = report["outcomes"]
    published = [outcome for outcome in outcomes if not outcome["refusing"]]
    refused = next((outcome for outcome in outcomes if outcome["refusing"]), None)
    broken: dict[str, int] = {}
    for outcome in published:
        for rule, count in outcome["broken"].items():
            broken[rule] = broken.get(rule, 0) + count
    batch, newest_event = _ledger_ends(home)
    return Doings(
        at=datetime.now(UTC),
        batch=batch,
        newest_event=newest_event,
        fresh_hours=fresh_hours,
        records={name: sum(outcome[name] for outcome in published) for name in COUNTS},
        broken=broken,
        refused_batch=refused["batch_id"] if refused else None,
        refusing=refused["refusing"] if refused else [],
        seconds=report["seconds"],
    )


def _ledger_ends(home: Home) -> tuple[int | None, datetime | None]:
    """The newest batch and event in the ledger, from its log alone: no data is read."""
    ledger = Lake(home, newest(home)).table(SILVER_LEDGER)
    if ledger is None:
        return None, None
    files = pl.DataFrame(pa.table(ledger.get_add_actions(flatten=True)))
    ends = ["max.batch_id", "max.max_event_time"]
    if not set(ends) <= set(files.columns):
        return None, None
    batch, event = files.select(pl.col(ends).max()).row(0)
    return batch, event
