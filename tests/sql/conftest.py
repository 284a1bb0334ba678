"""A small lakehouse, filled once for every test that only reads it."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from delta.tables import DeltaTable
from pyspark.sql import SparkSession

import bronze.ingest
import generator
import gold.publish
import silver.publish
from conf.home import Home
from conf.tables import PAGE_HOURLY


@pytest.fixture(scope="session")
def filled(spark: SparkSession, empty_lake: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Deliveries through every layer, one with ids that need quoting everywhere. Not to be written to."""
    home = Home(tmp_path_factory.mktemp("filled"))
    start = datetime(2026, 3, 1, tzinfo=UTC)
    generator.generate(generator.Order(2000, 3, start, malformed=0.02), home)
    (home.landing / "odd.jsonl").write_text(
        '{"timestamp": 1772366400, "event_type": 0, "banner_id": "b\'1", "placement_id": "[p]\\\\ %", '
        '"page_id": "日本", "user_id": "\\"u\\"", "new": 1}\n'
    )
    shutil.copytree(empty_lake.warehouse, home.warehouse)
    arrived = bronze.ingest.arrivals(home)
    bronze.ingest.ingest(spark, home, arrived.batch_id, bronze.ingest.judge_all(home, arrived))
    silver.publish.publish(spark, home)
    gold.publish.publish(spark, home)
    # One number changed by hand and put right again: a restatement.
    pages = DeltaTable.forPath(spark, home.table(PAGE_HOURLY))
    pages.update("page_id = '日本'", {"views": "views + 1"})
    gold.publish.recount(spark, home, start, start + timedelta(days=1))
    return home


@pytest.fixture
def odd(filled: Home, tmp_path: Path) -> Home:
    """The same at a path that holds what has a meaning in SQL, in a shell and to Hadoop."""
    home = Home(tmp_path / 'it\'s my "lake"; -- [1] $HOME')
    shutil.copytree(filled.warehouse, home.warehouse)
    return home
