"""What bronze knows of deliveries, at every look as the table then says."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

import pytest

from bronze.known import known_deliveries, last_ingested
from conf import warehouse
from conf.tables import BRONZE_DELIVERIES, SET_ASIDE, TAKEN

TEN = datetime(2026, 3, 1, 10, tzinfo=UTC)


@pytest.fixture
def list_delivery(spark, lake):
    def listed(batch_id: int, source: str, status: str = TAKEN) -> None:
        row = {"source": source, "fingerprint": "f", "status": status, "batch_id": batch_id}
        facts = {"ingested_at": TEN.replace(hour=batch_id), "bytes": 1, "format": "jsonl"}
        rows = warehouse.local(spark, lake, BRONZE_DELIVERIES, [row | facts])
        warehouse.append(rows, lake, BRONZE_DELIVERIES, warehouse.LANDING, batch_id)

    return listed


def test_a_look_sees_what_was_listed_since_the_last(lake, list_delivery):
    list_delivery(1, "a")
    assert known_deliveries(lake, 1) == {"a": {"f": TAKEN}}
    list_delivery(2, "b", SET_ASIDE)
    assert known_deliveries(lake, 2) == {"a": {"f": TAKEN}, "b": {"f": SET_ASIDE}}
    assert known_deliveries(lake, 1) == {"a": {"f": TAKEN}}
    assert last_ingested(lake) == TEN.replace(hour=2)


def test_a_table_made_anew_in_its_place_is_another(spark, lake, list_delivery):
    list_delivery(1, "a")
    assert known_deliveries(lake, 1) == {"a": {"f": TAKEN}}
    shutil.rmtree(lake.folder(BRONZE_DELIVERIES))
    assert known_deliveries(lake, 1) == {}
    warehouse.create_missing(spark, lake)
    list_delivery(1, "b")
    assert known_deliveries(lake, 1) == {"b": {"f": TAKEN}}
