"""Engines that share no code with Spark read every table and come to the same numbers."""

from __future__ import annotations

from typing import Any

import duckdb
import polars as pl
import pytest
from deltalake import DeltaTable

from conf import warehouse
from conf.tables import (
    GOLD,
    PAGE_DAILY,
    PAGE_HOURLY,
    PLACEMENT_DAILY,
    PLACEMENT_HOURLY,
    SILVER_EVENTS,
    TABLES,
    Table,
)

# 2,000 events, 20 duplicates and 40 malformed in a file an hour, and one odd event in a file of its own.
ROWS = {
    "bronze.events": 2061,
    "bronze.deliveries": 4,
    "silver.events": 2001,
    "silver.quarantine": 40,
    "silver.ledger": 4,
}


def by_name(table: Table) -> str:
    return table.name


def plain(value: Any) -> Any:
    """A value that compares, whichever engine it came from: moments as seconds since 1970."""
    if isinstance(value, list):
        return tuple(value)
    return value.timestamp() if hasattr(value, "timestamp") else value


def sorted_rows(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return sorted((tuple(plain(row[name]) for name in sorted(row)) for row in rows), key=repr)


@pytest.fixture(scope="module")
def by_spark(spark, filled):
    """Every table's rows as Spark reads them."""
    return {
        table.name: sorted_rows(warehouse.read(spark, filled, table).toArrow().to_pylist())
        for table in TABLES
    }


@pytest.mark.parametrize("name", ROWS)
def test_the_tables_hold_what_was_delivered(by_spark, name):
    assert len(by_spark[name]) == ROWS[name]


@pytest.mark.parametrize("table", TABLES, ids=by_name)
def test_delta_rs(filled, by_spark, table):
    assert by_spark[table.name]
    assert sorted_rows(DeltaTable(filled.table(table)).to_pyarrow_table().to_pylist()) == by_spark[table.name]


@pytest.mark.parametrize("table", TABLES, ids=by_name)
def test_polars(filled, by_spark, table):
    assert sorted_rows(pl.read_delta(filled.table(table)).to_dicts()) == by_spark[table.name]
    assert sorted_rows(pl.scan_delta(filled.table(table)).collect().to_dicts()) == by_spark[table.name]


@pytest.mark.parametrize("table", TABLES, ids=by_name)
def test_duckdb(filled, by_spark, table):
    held = DeltaTable(filled.table(table)).to_pyarrow_table()  # noqa: F841 - DuckDB finds it by its name
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        answer = connection.sql("SELECT * FROM held").to_arrow_table()
    assert sorted_rows(answer.to_pylist()) == by_spark[table.name]


RECOUNT = """
    SELECT {subject}_id, {bucket},
           count(*) FILTER (event_type = 0) AS views,
           count(*) FILTER (event_type = 1) AS clicks,
           count(DISTINCT user_id) AS distinct_users
    FROM events GROUP BY ALL
"""


@pytest.mark.parametrize(
    ("table", "subject", "bucket"),
    [
        pytest.param(
            PLACEMENT_HOURLY, "placement", "date_trunc('hour', event_time) AS hour", id="placement_hourly"
        ),
        pytest.param(PLACEMENT_DAILY, "placement", "event_time::DATE AS day", id="placement_daily"),
        pytest.param(PAGE_HOURLY, "page", "date_trunc('hour', event_time) AS hour", id="page_hourly"),
        pytest.param(PAGE_DAILY, "page", "event_time::DATE AS day", id="page_daily"),
    ],
)
def test_duckdb_recounts_gold_from_silver(filled, by_spark, table, subject, bucket):
    events = DeltaTable(filled.table(SILVER_EVENTS)).to_pyarrow_table()  # noqa: F841 - found by its name
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        counted = connection.sql(RECOUNT.format(subject=subject, bucket=bucket)).to_arrow_table()
    assert sorted_rows(counted.to_pylist()) == by_spark[table.name]


def test_each_gold_table_counts_every_event(filled):
    for table in GOLD:
        counted = DeltaTable(filled.table(table)).to_pyarrow_table()
        assert sum(counted["views"].to_pylist()) + sum(counted["clicks"].to_pylist()) == 2001


def test_polars_and_delta_rs_travel_in_time(filled):
    assert pl.read_delta(filled.table(SILVER_EVENTS), version=0).height == 0
    assert DeltaTable(filled.table(SILVER_EVENTS), version=1).to_pyarrow_table().num_rows == 2001
