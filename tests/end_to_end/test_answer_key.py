"""Gold against the generator's key, counted by Polars from its events; the ledger against its totals."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

import generator
from conf import warehouse
from conf.home import Home
from conf.tables import GOLD, SILVER_EVENTS, SILVER_LEDGER, SILVER_QUARANTINE, Table

START = datetime(2026, 3, 2, tzinfo=UTC)
LATER = datetime(2026, 3, 3, 12, tzinfo=UTC)


def held(home: Home, table: Table) -> pl.DataFrame:
    """The table as delta-rs reads it, in the order of its key."""
    rows = pl.DataFrame(warehouse.state(home, table).to_pyarrow_table())
    return rows.sort(list(table.key)) if table.key else rows


def key(home: Home, table: Table) -> pl.DataFrame:
    """What the table must be."""
    return pl.read_parquet(home.answers / f"{table.short_name}.parquet").sort(list(table.key))


@pytest.fixture(scope="module")
def delivered(tmp_path_factory, pipeline) -> Home:
    """Two senders for a day and a half, run; then two more for two hours, with late events, run.

    Each sends another format, so all of them must be right for any number to be.
    """
    home = Home(Path(tmp_path_factory.mktemp("home")))
    for start, hours, formats in ((START, 36, ("json", "csv")), (LATER, 2, ("parquet", "json.gz", "csv.gz"))):
        for seed, format_ in enumerate(formats):
            name, _, gzip = format_.partition(".")
            order = generator.Order(
                4_000, hours, start, seed, name, bool(gzip), duplicates=0.03, late=0.05, malformed=0.03
            )
            generator.generate(order, home)
        pipeline(home)
    return home


@pytest.mark.parametrize("table", GOLD, ids=lambda table: table.short_name)
def test_gold_equals_the_key(delivered, table):
    published, expected = held(delivered, table), key(delivered, table)
    assert published.columns == expected.columns
    assert published.rows() == expected.rows()


def test_ledger_equals_the_generators_totals(delivered):
    totals = json.loads((delivered.answers / "totals.json").read_text())
    ledger = held(delivered, SILVER_LEDGER)
    summed = ledger.select("delivered", "accepted", "duplicate", "quarantined").sum().row(0)
    expected = (totals["delivered"], totals["distinct_events"], totals["duplicates"], totals["malformed"])
    assert summed == expected


def test_quarantine_names_every_rule_the_generator_broke(delivered):
    broken = json.loads((delivered.answers / "malformed.json").read_text())["rules"]
    refused = held(delivered, SILVER_QUARANTINE)
    counted = refused.explode("rules").group_by("rules").len().rows()
    assert dict(counted) == {rule: count for rule, count in broken.items() if count}


def test_views_and_clicks_are_silvers_rows(delivered):
    events = held(delivered, SILVER_EVENTS).height
    for table in GOLD:
        assert held(delivered, table).select(pl.col("views") + pl.col("clicks")).sum().item() == events
