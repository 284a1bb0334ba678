"""The placements' and the pages' own views: a list of them, and one file of data each.

A browser may not read other files of a folder it was not served, only run scripts; so an item's data is a
script that hands over one JSON value. It is named by a digest: an id is never part of a path.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from conf.tables import STATISTICS
from gold.report import charts, words
from gold.report.facts import Items
from gold.report.listing import Column, listing

DATA = "data"
UNITS = ("day", "hour")
_BREAKS_OUT = re.compile("[<>&\u2028\u2029]")

IN_BROWSER = (
    ("views", "Views", charts.VIEWS),
    ("clicks", "Clicks", charts.CLICKS),
    ("ctr", "Clicks per 100 views", charts.RATE),
    ("distinct_users", "Distinct users", charts.USERS),
)


def digest(item: str) -> str:
    """What an item is called in addresses and file names."""
    return hashlib.sha256(item.encode("utf-8")).hexdigest()[:20]


def page(subject: str) -> str:
    """The file name of a subject's page."""
    return f"{subject}s.html"


def address(subject: str, item: str) -> str:
    """The item's own view, from any page of the site."""
    return f"{page(subject)}#{digest(item)}"


def details(items: Items, whole: date | None) -> dict[str, Any]:
    """What the template of the placements' or pages' page shows; `whole` is the last whole day."""
    columns = [
        Column("rank", "#", "count"),
        Column("id", items.subject.capitalize(), "id", link="href"),
        Column("views", "Views, 7 days", "count"),
        Column("clicks", "Clicks, 7 days", "count"),
        Column("ctr", "Clicks per 100 views", "rate"),
        Column("day_views", "Views, last whole day", "count"),
        Column("day_users", "Distinct users, last whole day", "count"),
        Column("change", "Change", "change"),
    ]
    rows = [
        {**row, "rank": rank, "href": f"#{digest(row['id'])}"}
        for rank, row in enumerate(items.ranked.drop("trend").to_dicts(), 1)
    ]
    caption = f"The {len(rows):,} {items.subject}s with most views"
    return {
        "subject": items.subject,
        "known": items.known,
        "whole": words.day(whole),
        "items": listing(f"{items.subject}s", caption, columns, rows, empty="No events yet."),
        "specs": inline({at: {"line": _specs(at, few=False), "bars": _specs(at, few=True)} for at in UNITS}),
        "few": charts.FEW,
        "titles": [(name, title) for name, title, _ in IN_BROWSER],
    }


def _specs(at: str, *, few: bool) -> dict[str, charts.Spec]:
    return {name: charts.in_browser(at, name, colour, title, few=few) for name, title, colour in IN_BROWSER}


def inline(value: Any) -> str:
    """JSON that stays data wherever it stands in a page or a script: nothing in it can end a script."""
    text = orjson.dumps(value).decode("utf-8")
    return _BREAKS_OUT.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def files(items: Items) -> Iterator[tuple[Path, str]]:
    """(path below the site, content) of every item's data."""
    days = _by_item(items.daily)
    hours = _by_item(items.hourly)
    for item, buckets in days.items():
        held = {"id": item, "day": _columns(buckets), "hour": _columns(hours.get(item))}
        yield Path(DATA, f"{items.subject}-{digest(item)}.js"), f"report.take({inline(held)});\n"


def _by_item(buckets: pl.DataFrame) -> dict[str, pl.DataFrame]:
    parted = buckets.partition_by(buckets.columns[0], as_dict=True, include_key=False)
    return {str(item): rows for (item,), rows in parted.items()}


def _columns(buckets: pl.DataFrame | None) -> dict[str, list[int]]:
    """The buckets as columns: `at` in unix seconds, then the statistics."""
    if buckets is None:
        return {"at": [], **{name: [] for name in STATISTICS}}
    at = pl.col(buckets.columns[0]).dt.epoch("s").alias("at")
    return buckets.select(at, *STATISTICS).to_dict(as_series=False)
