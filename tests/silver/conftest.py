"""Lakehouses with deliveries in bronze, written as bronze writes them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from conf import tables, warehouse
from conf.home import Home
from silver import rules
from tests.silver.two_batches import filled, with_rule

NOON = datetime(
    2026, 3, 1, 12, tzinfo=UTC
)  # 1_772_366_400, when batch 1 is taken; batch n, n - 1 hours later
VOLATILE = {"validated_at"}


def _line(user: str = "u1", **changed: Any) -> str:
    """A record of eleven o'clock; each test names what differs."""
    fields = {
        "timestamp": 1_772_362_800,
        "event_type": 0,
        "banner_id": "b",
        "placement_id": "p",
        "page_id": "g",
        "user_id": user,
    }
    return json.dumps({**fields, **changed})


def _delivery(source: str, batch: int, taken: datetime) -> dict[str, Any]:
    return {
        "source": source,
        "fingerprint": f"{source}-{batch}",
        "bytes": 1,
        "format": "jsonl",
        "status": tables.TAKEN,
        "ingested_at": taken,
        "batch_id": batch,
    }


def _deliver(spark, home: Home, batch: int, files: dict[str, list[str]]) -> None:
    taken = NOON + timedelta(hours=batch - 1)
    plan = [_delivery(source, batch, taken) for source in files]
    records = [
        {
            "payload": line,
            "valid_utf8": True,
            "source": source,
            "ingested_at": taken,
            "ingest_date": date(2026, 3, 1),
            "batch_id": batch,
        }
        for source, lines in files.items()
        for line in lines
    ]
    for table, rows in ((tables.BRONZE_DELIVERIES, plan), (tables.BRONZE_EVENTS, records)):
        frame = warehouse.local(spark, home, table, rows)
        warehouse.append(frame, home, table, warehouse.LANDING, batch)


@pytest.fixture(scope="session")
def line() -> Callable[..., str]:
    """Writes a record."""
    return _line


@pytest.fixture(scope="session")
def deliver(spark) -> Callable[..., None]:
    """Delivers files, each a list of payloads, as one bronze batch."""
    return lambda home, batch, files: _deliver(spark, home, batch, files)


@pytest.fixture(scope="module")
def copy_of(tmp_path_factory) -> Callable[[Home], Home]:
    """A lakehouse of the same content in a place of its own."""

    def copy(home: Home) -> Home:
        place = tmp_path_factory.mktemp("lake") / "home"
        shutil.copytree(home.root, place)
        return Home(Path(place))

    return copy


@pytest.fixture(scope="session")
def versions() -> Callable[[Home], dict[str, int]]:
    """The version of every silver table."""
    return lambda home: {
        table.name: warehouse.state(home, table).version()
        for table in tables.TABLES
        if table.layer == "silver"
    }


@pytest.fixture(scope="session")
def rows() -> Callable[..., list[tuple[Any, ...]]]:
    """A table's rows, sorted, without what differs from run to run; `columns` picks some."""

    def sorted_rows(home: Home, table: tables.Table, *columns: str) -> list[tuple[Any, ...]]:
        held = warehouse.state(home, table).to_pyarrow_table().to_pylist()
        kept = [tuple(row[name] for name in columns or row.keys() - VOLATILE) for row in held]
        return sorted(kept, key=repr)

    return sorted_rows


@pytest.fixture
def suite(monkeypatch, tmp_path) -> Callable[..., None]:
    """Puts a suite in which some rules differ in force; without any, the usual one."""
    usual = rules.load
    return lambda **changed: monkeypatch.setattr(
        rules, "load", with_rule(tmp_path, **changed) if changed else usual
    )


@pytest.fixture(scope="module")
def usual(spark, empty_lake, copy_of, deliver, line) -> Home:
    """Both batches, published under the usual suite."""
    return filled(spark, copy_of(empty_lake), deliver, line)
