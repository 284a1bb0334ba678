"""The promises, on tables: twice, in any order, in any batching, replaced, refused."""

from __future__ import annotations

import json
import random
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import generator
import gold.publish
import lakehouse
import silver.publish
from conf import settings as configuration
from conf import warehouse
from conf.errors import LakehouseError
from conf.home import Home
from conf.session import Spark
from conf.tables import BRONZE_EVENTS, EVENT_IDENTITY, GOLD, SILVER_EVENTS, SILVER_LEDGER, TABLES, Table

START = datetime(2026, 3, 2, tzinfo=UTC)
HOURS = 6
EVENT = {"timestamp": 1772445600, "event_type": 0, "banner_id": "b", "placement_id": "p", "page_id": "g"}


def rows(home: Home, table: Table, columns: tuple[str, ...] | None = None) -> list[tuple[Any, ...]]:
    held = pl.DataFrame(warehouse.state(home, table).to_pyarrow_table())
    return sorted(held.select(columns or held.columns).rows())


def versions(home: Home) -> dict[str, int]:
    return {table.name: warehouse.state(home, table).version() for table in TABLES}


def numbers(home: Home) -> dict[str, list[tuple[Any, ...]]]:
    """What must not depend on order or batching: silver's six fields and all of gold."""
    silver = {SILVER_EVENTS.name: rows(home, SILVER_EVENTS, EVENT_IDENTITY)}
    return silver | {table.name: rows(home, table) for table in GOLD}


def assert_balanced(home: Home) -> None:
    ledger = pl.DataFrame(warehouse.state(home, SILVER_LEDGER).to_pyarrow_table())
    explained = pl.col("accepted") + pl.col("duplicate") + pl.col("quarantined")
    assert ledger.filter(pl.col("delivered") != explained).is_empty()


@pytest.fixture(scope="module")
def deliveries(tmp_path_factory) -> list[Path]:
    """Six hourly files with duplicates across files, late events and malformed records."""
    home = Home(Path(tmp_path_factory.mktemp("sender")))
    order = generator.Order(3_000, HOURS, START, 3, "json", duplicates=0.1, late=0.2, malformed=0.02)
    generator.generate(order, home)
    return sorted(home.landing.iterdir())


@pytest.fixture(scope="module")
def at_once(tmp_path_factory, pipeline, deliveries) -> Home:
    """The six files taken as one batch."""
    home = Home(Path(tmp_path_factory.mktemp("at-once")))
    home.landing.mkdir(parents=True)
    for delivery in deliveries:
        shutil.copy(delivery, home.landing)
    pipeline(home)
    return home


def test_a_second_run_commits_nothing(at_once, pipeline):
    before = versions(at_once)
    assert pipeline(at_once) == []
    assert versions(at_once) == before


def test_any_order_and_batching_gives_the_same_numbers(at_once, home, pipeline, deliveries):
    seed = 11
    shuffled = random.Random(seed).sample(deliveries, len(deliveries))
    for batch in (shuffled[:1], shuffled[1:3], shuffled[3:]):
        for delivery in batch:
            shutil.copy(delivery, home.landing)
        pipeline(home)
    assert numbers(home) == numbers(at_once)
    assert_balanced(home)


def test_delivered_again_under_another_name_changes_no_number(at_once, home, pipeline, deliveries):
    for delivery in deliveries:
        shutil.copy(delivery, home.landing)
        shutil.copy(delivery, home.landing / f"again {delivery.name}")
    [outcome] = pipeline(home)
    assert numbers(home) == numbers(at_once)
    assert_balanced(home)
    ledger = pl.DataFrame(warehouse.state(at_once, SILVER_LEDGER).to_pyarrow_table())
    assert outcome.delivered == 2 * ledger["delivered"].sum()
    assert outcome.accepted == ledger["accepted"].sum()


def test_a_replaced_file_is_a_new_delivery(home, pipeline):
    delivery = home.landing / "events.jsonl"
    delivery.write_text(json.dumps(EVENT | {"user_id": "u1"}))
    pipeline(home)
    delivery.write_text("\n".join(json.dumps(EVENT | {"user_id": user}) for user in ("u1", "u2")))
    [outcome] = pipeline(home)
    assert (outcome.delivered, outcome.accepted, outcome.duplicate) == (2, 1, 1)
    [(placement, _, views, clicks, users)] = rows(home, GOLD[0])
    assert (placement, views, clicks, users) == ("p", 2, 0, 2)


def test_a_refused_batch_changes_no_number_and_is_not_lost(home, pipeline, spark):
    (home.landing / "first.jsonl").write_text(json.dumps(EVENT | {"user_id": "first"}))
    pipeline(home)
    before = numbers(home)
    users = [f"u{number}" if number % 2 else "" for number in range(1_000)]
    half_bad = "\n".join(json.dumps(EVENT | {"user_id": user}) for user in users)
    (home.landing / "half-bad.jsonl").write_text(half_bad)
    [refused] = pipeline(home)
    assert refused.refusing
    assert numbers(home) == before
    [accepted] = silver.publish.publish(spark, home, accept=refused.batch_id)
    gold.publish.publish(spark, home)
    assert (accepted.accepted, accepted.quarantined) == (500, 500)
    [(_, _, views, _, users_counted)] = rows(home, GOLD[0])
    assert (views, users_counted) == (501, 501)


def test_an_older_bronze_is_told_before_anything_is_added_to_it(at_once, home, deliveries):
    shutil.copytree(at_once.warehouse, home.warehouse)
    for later in Path(home.table(BRONZE_EVENTS), "_delta_log").glob("*1.*"):
        later.unlink()
    shutil.copy(deliveries[0], home.landing)
    settings = configuration.load(home=home.root)
    never_started = Spark(settings, home.scratch, home.logs / "spark.log")
    with pytest.raises(LakehouseError, match="bronze is an older copy"):
        lakehouse._advance(lakehouse.Report("r"), settings, never_started, lakehouse.LAYERS, None)
    assert warehouse.state(home, BRONZE_EVENTS).version() == 0
