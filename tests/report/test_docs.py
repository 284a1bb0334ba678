"""Data Docs: what Great Expectations makes of our counts, and nothing of what it would add."""

from __future__ import annotations

import re
from datetime import timedelta

import polars as pl
import pytest

from conf.home import Home
from conf.tables import SILVER_LEDGER, SILVER_QUALITY
from gold.report import docs, quality, reading, site
from tests.report.lakes import NOON, busy_days, check, entry, publish, settings_of, write


def checks(*rows):
    return quality.of_runs(pl.DataFrame(rows, schema=reading.schema(SILVER_QUALITY)))


def test_the_newest_validations_and_no_more():
    """The thousandth run costs what the tenth does: twenty pages."""
    rows = checks(
        *[check(batch=batch, suite=suite) for batch in range(1, 1001) for suite in ("events", "batch")]
    )
    shown = docs.validations(rows)
    assert len(shown) == 20
    assert [docs.title(held) for _, held in shown[:3]] == [
        "Suite batch, batch 1000",
        "Suite events, batch 1000",
        "Suite batch, batch 999",
    ]
    assert docs.title(shown[-1][1]) == "Suite events, batch 991"


def test_a_validation_says_what_was_counted(full):
    text = (full.reports / "docs" / "validation-2.html").read_text("utf-8")
    assert "<h1>Suite events, batch 2</h1>" in text
    plain = " ".join(re.sub(r"<[^>]*>", " ", text).split())
    assert "well_formed (expect_column_values_to_be_in_set): at least 90.0 % must pass" in plain
    assert "1% unexpected" in plain
    assert "Evaluated Expectations 1 Successful Expectations 1" in plain


@pytest.mark.parametrize(
    "kind",
    [
        "expect_column_values_to_match_regex",
        "expect_column_values_to_be_between",
        "expect_table_row_count_to_be_between",
    ],
)
def test_every_kind_of_our_suites_is_shown(kind):
    column = None if "table" in kind else "timestamp"
    [(_, shown)] = docs.pages(checks(check(expectation_type=kind, column_name=column, success=False)))
    assert any("text-danger" in section for section in shown["sections"])


def test_nothing_can_be_loaded_or_run(full):
    pages = sorted((full.reports / "docs").glob("*.html"))
    assert len(pages) == 1 + 3
    for page in pages:
        text = page.read_text("utf-8")
        assert "http:" not in text
        assert "https:" not in text
        assert re.findall(r"<script[^>]*>", text) == ['<script src="../static/site.js" defer>']
        assert not re.search(r"<(?:img|iframe|object|form|style|base)\b|\son\w+=", text)


def test_an_expectation_great_expectations_does_not_know_leaves_the_rest_standing(home: Home):
    publish(home, busy_days(1))
    write(home, SILVER_LEDGER, [entry(ingested_at=NOON + timedelta(hours=1))])
    write(home, SILVER_QUALITY, [check(expectation_type="expect_what_nobody_knows")])
    index = site.build(settings_of(home)).index
    assert "<title>All is well" in index.read_text("utf-8")
    assert "Great Expectations failed: " in (index.parent / "docs" / "index.html").read_text("utf-8")
