"""Great Expectations' Data Docs, of the counts in silver.quality: for those who know them.

Great Expectations writes values into its pages as they are, and has them load styles and scripts from
elsewhere. So it is given counts alone, only the sections of its pages are taken, and of these only plain
elements: no script, style, address or picture. The newest few only, so a page more never costs more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib import metadata
from typing import Any

import nh3
import polars as pl
from markupsafe import Markup

from gold.report import words
from gold.report.listing import Column, Listing, listing

FOLDER = "docs"
INDEX = "index.html"
MOST = 20
"""Validations shown: one a suite and batch."""

# What an expectation must have to be one; its page shows the description instead.
UNSAID: dict[str, dict[str, Any]] = {
    "expect_column_values_to_match_regex": {"regex": ""},
    "expect_column_values_to_be_in_set": {"value_set": []},
    "expect_column_values_to_be_between": {"min_value": 0},
    "expect_table_row_count_to_be_between": {"min_value": 0},
}

ELEMENTS = {
    "div",
    "span",
    "p",
    "h4",
    "h5",
    "h6",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "ul",
    "li",
    "br",
    "i",
}
ATTRIBUTES = {"*": {"class"}, "td": {"colspan"}, "th": {"colspan"}}


def validations(checks: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    """(file name, checks of one suite on one batch), the newest first, a bounded number."""
    keys = ["batch_id", "suite"]
    newest = checks.select(keys).unique().sort(keys, descending=[True, False]).head(MOST)
    ours = checks.join(newest, on=keys, how="semi").sort(
        "batch_id", "suite", descending=[True, False], maintain_order=True
    )
    parts = ours.partition_by(keys, maintain_order=True)
    return [(f"validation-{place}.html", rows) for place, rows in enumerate(parts, 1)]


def pages(checks: pl.DataFrame) -> Iterator[tuple[str, dict[str, Any]]]:
    """(file name, what the template shows) of each validation; importing Great Expectations takes seconds."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaSectionView

    renderer = ValidationResultsPageRenderer(run_info_at_end=True)
    view: Any = DefaultJinjaSectionView()
    for file, rows in validations(checks):
        document = renderer.render(_result(rows)).to_json_dict()
        sections = [
            view.render({"section": section, "section_loop": {"index": place}})
            for place, section in enumerate(document["sections"], 1)
        ]
        yield file, {"title": title(rows), "sections": [plain(section) for section in sections]}


def index(checks: pl.DataFrame) -> Listing:
    """The validations shown, newest first, each with a link to its page."""
    columns = [
        Column("title", "Validation", "id", link="file"),
        Column("at", "Validated at (UTC)", "moment"),
        Column("rules", "Rules", "count"),
        Column("met", "Met", "count"),
        Column("published", "Published", "yes"),
    ]
    found = [
        {
            "title": title(rows),
            "file": file,
            "at": rows["validated_at"][0],
            "rules": rows.height,
            "met": rows["success"].sum(),
            "published": rows["published"][0],
        }
        for file, rows in validations(checks)
    ]
    return listing("validations", "Validations", columns, found, empty="Nothing was validated yet.")


def title(rows: pl.DataFrame) -> str:
    """What a validation is called: its suite and batch."""
    return f"Suite {rows['suite'][0]}, batch {rows['batch_id'][0]}"


def plain(html: str) -> Markup:
    """The section with nothing in it that could load, run or style anything."""
    return Markup(nh3.clean(html, tags=ELEMENTS, attributes=ATTRIBUTES, url_schemes=set()))  # noqa: S704


def _result(rows: pl.DataFrame) -> Any:
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult

    results = [_checked(row) for row in rows.to_dicts()]
    met = sum(result.success for result in results)
    at: datetime = rows["validated_at"][0]
    return ExpectationSuiteValidationResult(
        success=met == len(results),
        results=results,
        suite_name=rows["suite"][0],
        statistics={
            "evaluated_expectations": len(results),
            "successful_expectations": met,
            "unsuccessful_expectations": len(results) - met,
            "success_percent": 100 * met / len(results),
        },
        meta={
            "run_id": {"run_name": f"batch {rows['batch_id'][0]}", "run_time": at.isoformat()},
            "batch_kwargs": {"data_asset_name": f"batch {rows['batch_id'][0]}"},
            "great_expectations_version": metadata.version("great-expectations"),
        },
    )


def _demand(threshold: float) -> str:
    return "every value must pass" if threshold == 1 else f"at least {words.percent(threshold)} must pass"


def _checked(row: Mapping[str, Any]) -> Any:
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    share = 100 * row["unexpected"] / row["evaluated"] if row["evaluated"] else 0.0
    column = {"column": row["column_name"]} if row["column_name"] else {}
    return ExpectationValidationResult(
        success=row["success"],
        expectation_config=ExpectationConfiguration(
            type=row["expectation_type"],
            kwargs={**UNSAID.get(row["expectation_type"], {}), **column},
            description=f"{row['rule']} ({row['expectation_type']}): {_demand(row['threshold'])}",
        ),
        result={
            "element_count": row["evaluated"],
            "unexpected_count": row["unexpected"],
            "unexpected_percent": share,
            "unexpected_percent_nonmissing": share,
            "missing_count": 0,
            "missing_percent": 0.0,
            "partial_unexpected_list": [],
        },
    )
