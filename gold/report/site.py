"""Writes the site: whole, beside the old one, and then in its place, so nobody ever sees half of it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from deltalake.exceptions import DeltaError
from filelock import FileLock
from jinja2 import Environment, PackageLoader, StrictUndefined

from conf import claim, log, objects, warehouse
from conf.errors import LakehouseError, UsageError
from conf.home import Home
from conf.settings import Settings
from conf.tables import TABLES
from gold.report import charts, details, docs, reading, words
from gold.report.care import care
from gold.report.facts import Facts, collect
from gold.report.overview import overview
from gold.report.reading import Lake

PACKAGE = "gold.report"
INDEX = "index.html"
STAMP = "made-from.json"
STATIC = "static"
QUALITY = "quality.html"
DOCS = f"{docs.FOLDER}/{docs.INDEX}"
PAGES = ((INDEX, "Overview"), (QUALITY, "Data quality"))


@dataclass(frozen=True)
class Built:
    """Where the first page lies, and whether it was written anew."""

    index: Path
    rebuilt: bool

    @property
    def said(self) -> str:
        """For a person."""
        return f"Report: {self.index}{'' if self.rebuilt else ' (nothing has changed since it was written)'}"


def build(settings: Settings, versions: Mapping[str, int] | None = None, run: str | None = None) -> Built:
    """Write the site of these table versions, None: of the newest.

    `run` is the run whose versions they are, when it is not the newest state. A site that was made from
    the same stays. Raises UsageError when there are no tables.
    """
    home = settings.place
    lake = Lake(home, reading.newest(home) if versions is None else versions)
    if not lake.versions:
        raise UsageError(f"{home.warehouse} holds no tables yet. Run `lakehouse run` first.")
    claim.usable(home, settings.min_free_mib)
    home.reports_scratch.mkdir(parents=True, exist_ok=True)
    # Readers of the tables need no lock; this one keeps two reports from writing one site.
    with FileLock(home.reports_scratch / "lock"):
        made_from = _made_from(lake, run)
        if _is_current(home, made_from):
            return Built(home.reports / INDEX, rebuilt=False)
        new, old = home.reports_scratch / "new", home.reports_scratch / "old"
        for left in (new, old):
            shutil.rmtree(left, ignore_errors=True)
        _write(lake, new, made_from, run)
        # Two renames: nobody ever meets half a site.
        if home.reports.exists():
            home.reports.rename(old)
        new.rename(home.reports)
        shutil.rmtree(old, ignore_errors=True)
        objects.mirror(home.reports, home.shared(home.reports), last=INDEX)
    return Built(home.reports / INDEX, rebuilt=True)


def _is_current(home: Home, made_from: Mapping[str, Any]) -> bool:
    """Whether the site that stands there was made from just this."""
    try:
        return bool(json.loads((home.reports / STAMP).read_text("utf-8")) == made_from)
    except (OSError, ValueError):
        return False


def _made_from(lake: Lake, run: str | None) -> dict[str, Any]:
    present = [table for table in TABLES if table.name in lake.versions]
    return {
        "tables": {warehouse.identity(lake.home, table): lake.versions[table.name] for table in present},
        "as_of": run,
        "program": _fingerprint(),
    }


def _fingerprint() -> str:
    """Changes with the program that makes the site: a newer one makes it anew."""
    folder = Path(str(resources.files(PACKAGE)))
    sources = sorted(file for file in folder.rglob("*") if file.suffix in {".py", ".html", ".css", ".js"})
    content = b"".join(file.read_bytes() for file in sources)
    return hashlib.sha256(content + metadata.version("vl-convert-python").encode()).hexdigest()


def _collected(lake: Lake, run: str | None) -> Facts:
    """The facts; raises LakehouseError when the files of earlier versions are no longer there."""
    try:
        return collect(lake)
    except (FileNotFoundError, DeltaError) as gone:
        if run is None:
            raise
        raise LakehouseError(
            f"The tables as run {run} left them can no longer be read: {gone}.\n"
            "Files of earlier versions are kept for 30 days. The report that stands was not changed."
        ) from None


def _write(lake: Lake, site: Path, made_from: Mapping[str, Any], run: str | None) -> None:
    facts = _collected(lake, run)
    (site / STATIC).mkdir(parents=True)
    for file in resources.files(PACKAGE).joinpath(STATIC).iterdir():
        (site / STATIC / file.name).write_text(file.read_text("utf-8"), "utf-8")
    log.stage("report", "writing the series of the top placements and pages")
    (site / STATIC / "vega.js").write_text(charts.script(), "utf-8")
    (site / details.DATA).mkdir()
    for items in facts.items.values():
        for path, content in details.files(items):
            (site / path).write_text(content, "utf-8")
    log.stage("report", "drawing the pages")
    show = _template(facts, lake, run)
    _write_pages(facts, site, show)
    log.stage("report", "writing Data Docs")
    _write_docs(facts, site, show)
    (site / STAMP).write_text(json.dumps(made_from, indent=2), "utf-8")


def _template(facts: Facts, lake: Lake, run: str | None) -> Callable[..., str]:
    """Fills in a template: `show(template, here=its page, ...)`."""
    environment = Environment(
        loader=PackageLoader(PACKAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    of_items = [(details.page(subject), f"{subject.capitalize()}s") for subject in facts.items]
    everywhere = {
        "pages": [*PAGES, *of_items, (DOCS, "Data Docs")],
        "built_at": datetime.now(UTC),
        "first": facts.first,
        "last": facts.last,
        "versions": sorted(lake.versions.items()),
        "moment": words.moment,
        "day": words.day,
        "as_of": run,
        "root": "",
    }
    return lambda template, **shown: environment.get_template(template).render({**everywhere, **shown})


def _write_pages(facts: Facts, site: Path, show: Callable[..., str]) -> None:
    pages = {INDEX: (INDEX, overview(facts)), QUALITY: (QUALITY, care(facts))}
    for subject, items in facts.items.items():
        pages[details.page(subject)] = ("items.html", details.details(items, facts.whole))
    for file, (template, shown) in pages.items():
        (site / file).write_text(show(template, here=file, **shown), "utf-8")


def _write_docs(facts: Facts, site: Path, show: Callable[..., str]) -> None:
    """Data Docs are for those who know them: should Great Expectations fail, the site stands without."""
    folder = site / docs.FOLDER
    folder.mkdir()
    validations, here = docs.index(facts.checks), {"here": DOCS, "root": "../"}
    try:
        for file, shown in docs.pages(facts.checks):
            (folder / file).write_text(show("validation.html", **here, **shown), "utf-8")
    except Exception as failed:  # noqa: BLE001 - whatever another program does with our counts
        validations = replace(
            validations, rows=[], empty=f"Great Expectations failed: {type(failed).__name__}"
        )
    (folder / docs.INDEX).write_text(show("docs.html", **here, validations=validations), "utf-8")
