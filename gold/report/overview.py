"""The front page: is it all right today, and what happened on the site?"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl
from markupsafe import Markup

from gold.report import charts, restated, traffic, words
from gold.report.details import address
from gold.report.facts import FRONT, Facts, Items
from gold.report.listing import Column, Listing, listing
from gold.report.standing import headline, signs

UNUSUAL_DAYS = 14
MOST_UNUSUAL = 30
BIGGEST = 10
HOURS_DRAWN = 24 * 7

MEASURES = (
    ("views", "Views", charts.VIEWS, words.count),
    ("clicks", "Clicks", charts.CLICKS, words.count),
    ("ctr", "Clicks per 100 views", charts.RATE, words.rate),
    ("users", "Distinct users", charts.USERS, words.count),
)


def overview(facts: Facts) -> dict[str, Any]:
    """What the template of the front page shows."""
    given = signs(facts)
    level, said = headline(given)
    days = traffic.by_day(facts.hours, facts.users) if facts.last else pl.DataFrame()
    beside = traffic.beside_usual(facts.hours) if facts.last else pl.DataFrame()
    return {
        "signs": given,
        "level": level,
        "headline": said,
        "is_empty": facts.last is None,
        "measures": _measures(days, facts.whole) if facts.whole else [],
        "days": _days(days) if facts.last else None,
        "hours_chart": _hours_chart(beside) if facts.last else "",
        "unusual": _unusual(beside, facts.last) if facts.last else None,
        "tops": [_top(items) for items in facts.items.values()] if facts.last else [],
        "shown_day": words.day(facts.whole),
        "restated": _restated(facts.restated),
        "biggest": _biggest(facts.restated),
        "users_days": facts.users.height,
    }


def _measures(days: pl.DataFrame, whole: date) -> list[dict[str, Any]]:
    """The four measures: the last whole day's value, beside the day before, and a chart."""
    found = []
    # A day that is still filling would look like a fall.
    drawn = days.filter(pl.col("day") <= whole)
    for name, title, colour, written in MEASURES:
        values = dict(days.select("day", name).rows())
        value, before = values.get(whole), values.get(whole - timedelta(days=1))
        change = 100 * (value / before - 1) if value is not None and before else None
        found.append(
            {
                "title": title,
                "value": written(value),
                "change": words.change(change) if change is not None else "",
                "chart": _measure_chart(drawn, name, title, colour),
            }
        )
    return found


def _measure_chart(days: pl.DataFrame, name: str, title: str, colour: str) -> Markup:
    return charts.both_widths(
        lambda width: charts.series(days, "day", name, colour, width), f"{title} by UTC day", charts.MIDDLE
    )


def _days(days: pl.DataFrame) -> Listing:
    columns = [
        Column("day", "Day (UTC)", "day"),
        Column("views", "Views", "count"),
        Column("clicks", "Clicks", "count"),
        Column("ctr", "Clicks per 100 views", "rate"),
        Column("users", "Distinct users", "count"),
    ]
    return listing("site-by-day", "The site by UTC day", columns, days.sort("day", descending=True))


def _hours_chart(beside: pl.DataFrame) -> Markup:
    newest = beside.tail(HOURS_DRAWN)
    label = "Events an hour over the last seven days, beside what is usual for the hour"
    return charts.both_widths(lambda width: charts.beside_usual(newest, width), label)


def _unusual(beside: pl.DataFrame, last: date) -> Listing:
    columns = [
        Column("hour", "Hour from (UTC)", "moment"),
        Column("events", "Events", "count"),
        Column("usual", "Usual", "count"),
        Column("times", "Times the usual", "times"),
    ]
    recent = pl.col("hour").dt.date() > last - timedelta(days=UNUSUAL_DAYS)
    rows = beside.filter(pl.col("unusual") & recent).sort("hour", descending=True)
    known = beside["usual"].drop_nulls().len()
    empty = (
        f"None in the last {UNUSUAL_DAYS} days."
        if known
        else "None can be told yet: it takes three earlier days."
    )
    return listing("unusual-hours", "Unusual hours", columns, rows, most=MOST_UNUSUAL, empty=empty)


def _top(items: Items) -> Listing:
    columns = [
        Column("id", items.subject.capitalize(), "id", link="href"),
        Column("views", "Views, 7 days", "count"),
        Column("clicks", "Clicks, 7 days", "count"),
        Column("ctr", "Clicks per 100 views", "rate"),
        Column("day_views", "Views, last whole day", "count"),
        Column("change", "Change", "change"),
        Column("drawn", "30 days", "chart"),
    ]
    rows = [
        {
            **row,
            "href": address(items.subject, row["id"]),
            "drawn": charts.decoration(charts.spark(row["trend"])) if len(row["trend"]) > 1 else None,
        }
        for row in items.ranked.head(FRONT).to_dicts()
    ]
    return listing(f"top-{items.subject}s", f"Top {items.subject}s", columns, rows)


def _restated(changed: pl.DataFrame) -> Listing:
    columns = [
        Column("day", "Restated on (UTC)", "day"),
        Column("cause", "Cause"),
        Column("buckets", "Buckets", "count"),
        Column("views_change", "Views", "signed"),
        Column("clicks_change", "Clicks", "signed"),
    ]
    empty = f"No number that had settled changed in the last {restated.DAYS} days."
    return listing("restated-by-day", "By day and cause", columns, restated.by_day(changed), empty=empty)


def _biggest(changed: pl.DataFrame) -> Listing:
    columns = [
        Column("table_name", "Table"),
        Column("key", "Placement or page", "id"),
        Column("bucket", "Hour or day (UTC)", "moment"),
        Column("old_views", "Views before", "count"),
        Column("new_views", "Views since", "count"),
        Column("views_change", "Change", "signed"),
        Column("cause", "Cause"),
        Column("restated_at", "Restated at (UTC)", "moment"),
    ]
    return listing("biggest-restatements", "Biggest changes", columns, restated.biggest(changed, BIGGEST))
