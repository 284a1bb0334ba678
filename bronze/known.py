"""bronze.deliveries -> which bytes of which source bronze has taken or set aside; read without Spark."""

from __future__ import annotations

import functools
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from conf import warehouse
from conf.home import Home
from conf.tables import BRONZE_DELIVERIES, TAKEN


def known_deliveries(home: Home, committed: int) -> dict[str, dict[str, str]]:
    """By source and fingerprint, whether it was taken or set aside.

    Rows of a batch that bronze.events never committed do not count.
    """
    if not warehouse.exists(home, BRONZE_DELIVERIES):
        return {}
    deliveries = _deliveries(home)
    kept = deliveries.filter(pc.less_equal(deliveries["batch_id"], committed)).sort_by("batch_id")
    known: dict[str, dict[str, str]] = {}
    columns = [kept[name].to_pylist() for name in ("source", "fingerprint", "status")]
    for source, fingerprint, status in zip(*columns, strict=True):
        if known.setdefault(source, {}).get(fingerprint) != TAKEN:
            known[source][fingerprint] = status
    return known


def last_ingested(home: Home) -> datetime | None:
    """The latest moment at which a batch was taken or planned."""
    last: datetime | None = pc.max(_deliveries(home)["ingested_at"]).as_py()
    return last


def _deliveries(home: Home) -> pa.Table:
    held = warehouse.state(home, BRONZE_DELIVERIES)
    return _at_version(home, held.metadata().id, held.version())


@functools.lru_cache(maxsize=1)
def _at_version(home: Home, _table: str, version: int) -> pa.Table:
    """Each run left a file there, and a stream looks every few seconds: they are read when there are more."""
    columns = ["source", "fingerprint", "status", "batch_id", "ingested_at"]
    return warehouse.state(home, BRONZE_DELIVERIES, version).to_pyarrow_table(columns=columns)
