"""Everything the site shows, read once: the edge between the tables and the pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import polars as pl

from conf import log
from conf.tables import (
    BRONZE_DELIVERIES,
    GOLD_RESTATEMENTS,
    PAGE_DAILY,
    PAGE_HOURLY,
    PLACEMENT_DAILY,
    PLACEMENT_HOURLY,
    SET_ASIDE,
    SILVER_DRIFT,
    SILVER_LEDGER,
    SILVER_QUALITY,
    STATISTICS,
    Table,
)
from gold.report import arrivals, examples, quality, restated, traffic
from gold.report.examples import Refused
from gold.report.reading import Lake, among, frame, since, summed

DAYS = 90
TOP = 200
FRONT = 10
COUNTED = ["views", "clicks"]


@dataclass(frozen=True)
class Items:
    """The placements or pages with most views: `ranked` one row each, and their buckets in both tables."""

    subject: str
    known: int
    ranked: pl.DataFrame
    daily: pl.DataFrame
    hourly: pl.DataFrame


@dataclass(frozen=True)
class Facts:
    """What the pages are made from, as the modules describe it; `whole` is the last whole day.

    `last` and `whole` are None before any event.
    """

    first: date
    last: date | None
    whole: date | None
    taken_at: datetime | None
    hours: pl.DataFrame
    users: pl.DataFrame
    items: dict[str, Items]
    checks: pl.DataFrame
    ledger: pl.DataFrame
    fields: pl.DataFrame
    set_aside: pl.DataFrame
    refused: Refused
    refused_by_rule: pl.DataFrame
    restated: pl.DataFrame
    silver_events: int
    gold_events: int

    @property
    def recent_ledger(self) -> pl.DataFrame:
        """What was delivered in the time shown."""
        return self.ledger.filter(pl.col("ingested_at").dt.date() >= self.first)


def collect(lake: Lake) -> Facts:
    """Read what the site shows of the last 90 days; memory holds sums and the top, not the tables."""
    log.stage("report", "reading the statistics")
    days = summed(lake, PLACEMENT_DAILY, ["day"], COUNTED)
    last: date | None = days["day"].max()  # type: ignore[assignment]
    first = (last or date(2000, 1, 1)) - timedelta(days=DAYS - 1)
    start = datetime.combine(first, time(), UTC)
    hours = traffic.complete(summed(lake, PLACEMENT_HOURLY, ["hour"], COUNTED, since("hour", start)))
    whole = traffic.last_whole_day(hours) if last else None
    shown = whole or first
    items = [
        _items(lake, PLACEMENT_DAILY, PLACEMENT_HOURLY, first, shown),
        _items(lake, PAGE_DAILY, PAGE_HOURLY, first, shown),
    ]
    ledger = frame(lake, SILVER_LEDGER, list(LEDGER))
    taken_at: datetime | None = ledger["ingested_at"].max()  # type: ignore[assignment]
    log.stage("report", "counting users and lateness of the newest days")
    in_silver = arrivals.events_a_day(lake)
    users = arrivals.by_day(lake, arrivals.affordable(in_silver, last) if last else [])
    log.stage("report", "reading what was refused")
    return Facts(
        first=first,
        last=last,
        whole=whole,
        taken_at=taken_at,
        hours=hours,
        users=users,
        items={one.subject: one for one in items},
        checks=quality.of_runs(frame(lake, SILVER_QUALITY, list(CHECK), since("validated_at", start))),
        ledger=ledger,
        fields=quality.unknown_fields(
            frame(lake, SILVER_DRIFT, ["batch_id", "source", "field", "records"]), ledger
        ),
        set_aside=_set_aside(lake),
        refused=examples.look(lake, ledger),
        refused_by_rule=examples.by_rule(lake, since("ingested_at", start)),
        restated=_restated(lake, taken_at),
        silver_events=sum(in_silver.values()),
        gold_events=int(days.select(pl.sum_horizontal(pl.col(COUNTED).sum())).item() or 0),
    )


LEDGER = ("batch_id", "source", *quality.COUNTS, "max_event_time", "ingested_at")
CHECK = (
    "batch_id",
    "validated_at",
    "suite",
    "rule",
    "expectation_type",
    "column_name",
    "severity",
    "evaluated",
    "unexpected",
    "threshold",
    "success",
    "blocking",
    "published",
    "reprocess",
)
CHANGE = (
    "table_name",
    "key",
    "bucket",
    "old_views",
    "old_clicks",
    "new_views",
    "new_clicks",
    "cause",
    "run_id",
    "restated_at",
)


def _items(lake: Lake, daily: Table, hourly: Table, first: date, shown: date) -> Items:
    """The top 200 of the whole time shown, and whatever tops the last week."""
    subject = daily.key[0]
    totals = summed(lake, daily, [subject], COUNTED, since("day", first))
    week = summed(
        lake, daily, [subject], COUNTED, since("day", shown - timedelta(days=traffic.RANKED_DAYS - 1))
    )
    ids = [*_most(totals, subject, TOP), *_most(week, subject, FRONT)]
    start = datetime.combine(first, time(), UTC)
    of_days = frame(lake, daily, [*daily.key, *STATISTICS], among(subject, ids) & since("day", first))
    of_hours = frame(lake, hourly, [*hourly.key, *STATISTICS], among(subject, ids) & since("hour", start))
    return Items(
        subject=subject.removesuffix("_id"),
        known=totals.height,
        ranked=traffic.ranked(of_days, daily, shown),
        daily=of_days.sort(daily.key),
        hourly=of_hours.sort(hourly.key),
    )


def _most(totals: pl.DataFrame, subject: str, many: int) -> list[str]:
    ordered = totals.sort(["views", "clicks", subject], descending=[True, True, False])
    return ordered.head(many)[subject].to_list()


def _set_aside(lake: Lake) -> pl.DataFrame:
    """Files that were no events at all, newest first: source, reason, ingested_at."""
    rows = frame(lake, BRONZE_DELIVERIES, ["source", "reason", "ingested_at", "status"])
    rows = rows.filter(pl.col("status") == SET_ASIDE).drop("status")
    return rows.sort(["ingested_at", "source"], descending=[True, False])


def _restated(lake: Lake, upto: datetime | None) -> pl.DataFrame:
    oldest = (upto or datetime.now(UTC)) - timedelta(days=restated.DAYS)
    changes = frame(lake, GOLD_RESTATEMENTS, list(CHANGE), since("restated_at", oldest))
    return restated.settled(changes, oldest)
