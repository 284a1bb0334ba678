"""The tables people and programs outside rely on: design.md §2, spelled out again."""

from __future__ import annotations

import re

import pytest

from conf import tables

COUNTS = {"views": "BIGINT", "clicks": "BIGINT", "distinct_users": "BIGINT"}
CONTRACT = {
    "bronze.events": {
        "payload": "STRING",
        "source": "STRING",
        "source_offset": "BIGINT",
        "ingested_at": "TIMESTAMP",
        "ingest_date": "DATE",
        "batch_id": "BIGINT",
    },
    "silver.events": {
        "event_time": "TIMESTAMP",
        "event_type": "INT",
        "banner_id": "STRING",
        "placement_id": "STRING",
        "page_id": "STRING",
        "user_id": "STRING",
        "event_date": "DATE",
        "source": "STRING",
        "ingested_at": "TIMESTAMP",
        "batch_id": "BIGINT",
    },
    "silver.quarantine": {
        "payload": "STRING",
        "source": "STRING",
        "ingested_at": "TIMESTAMP",
        "batch_id": "BIGINT",
        "rules": "ARRAY<STRING>",
    },
    "silver.quality": {
        "batch_id": "BIGINT",
        "validated_at": "TIMESTAMP",
        "suite": "STRING",
        "rule": "STRING",
        "expectation_type": "STRING",
        "column_name": "STRING",
        "severity": "STRING",
        "evaluated": "BIGINT",
        "unexpected": "BIGINT",
        "threshold": "DOUBLE",
        "success": "BOOLEAN",
    },
    "silver.ledger": {
        "batch_id": "BIGINT",
        "source": "STRING",
        "delivered": "BIGINT",
        "accepted": "BIGINT",
        "duplicate": "BIGINT",
        "quarantined": "BIGINT",
        "min_event_time": "TIMESTAMP",
        "max_event_time": "TIMESTAMP",
    },
    "gold.placement_hourly": {"placement_id": "STRING", "hour": "TIMESTAMP", **COUNTS},
    "gold.placement_daily": {"placement_id": "STRING", "day": "DATE", **COUNTS},
    "gold.page_hourly": {"page_id": "STRING", "hour": "TIMESTAMP", **COUNTS},
    "gold.page_daily": {"page_id": "STRING", "day": "DATE", **COUNTS},
}
DECLARED = {table.name: table for table in tables.TABLES}


def columns(table: tables.Table) -> dict[str, str]:
    """Each column of the declaration and its type."""
    return dict(re.findall(r"^\s*(\w+)\s+([A-Z<>]+)\s+COMMENT ", table.ddl, re.MULTILINE))


@pytest.mark.parametrize("name", CONTRACT)
def test_a_promised_table_keeps_its_columns(name):
    declared = columns(DECLARED[name])
    assert {column: declared.get(column) for column in CONTRACT[name]} == CONTRACT[name]


@pytest.mark.parametrize("name", [name for name in CONTRACT if name.startswith("gold.")])
def test_gold_holds_nothing_else(name):
    assert columns(DECLARED[name]) == CONTRACT[name]


def test_no_table_is_declared_twice():
    assert len(DECLARED) == len(tables.TABLES)


@pytest.mark.parametrize("table", tables.TABLES, ids=lambda table: table.name)
def test_a_declaration_is_whole(table):
    assert table.grain
    assert {*table.key, *table.partition} <= columns(table).keys()
    assert all(text.strip() for text in re.findall(r"COMMENT '(.*)'", table.ddl))
    assert len(columns(table)) == len(table.ddl.strip().splitlines())


@pytest.mark.parametrize(
    ("name", "key"),
    [
        (
            "silver.events",
            ("event_time", "event_type", "banner_id", "placement_id", "page_id", "user_id"),
        ),
        ("silver.ledger", ("batch_id", "source")),
        ("gold.placement_hourly", ("placement_id", "hour")),
        ("gold.placement_daily", ("placement_id", "day")),
        ("gold.page_hourly", ("page_id", "hour")),
        ("gold.page_daily", ("page_id", "day")),
    ],
)
def test_what_identifies_a_row(name, key):
    assert DECLARED[name].key == key


def test_no_table_is_partitioned_by_an_id():
    """An empty string as a partition value would become null."""
    assert [
        table.name for table in tables.TABLES if any(name.endswith("_id") for name in table.partition)
    ] == []


def test_the_change_feed_is_on_where_a_layer_follows_it():
    assert DECLARED["silver.events"].change_feed
    assert all(table.change_feed for table in tables.GOLD)
