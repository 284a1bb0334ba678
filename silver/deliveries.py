"""Deliveries as bronze lists them, in the order that says which of them was an event's first."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from conf import warehouse
from conf.tables import BRONZE_DELIVERIES, BRONZE_EVENTS, TAKEN
from silver.reading import readings
from silver.window import Window

_MICROS = pa.timestamp("us", "UTC")


@dataclass(frozen=True)
class Delivery:
    """One delivery as bronze lists it."""

    source: str
    ingested_at: datetime
    batch_id: int
    status: str


_DELIVERY = [column.name for column in fields(Delivery)]


@dataclass(frozen=True)
class Deliveries:
    """A batch's deliveries in the order they count as first; `numbered` has delivery int, source,
    ingested_at, batch_id.
    """

    listed: list[Delivery]
    numbered: DataFrame


def listed(window: Window, batches: list[int] | None = None) -> Deliveries:
    """The window's deliveries, or those of some of its batches, by (ingested_at, source), the order that
    says which was first.
    """
    of_window = [("batch_id", ">", window.after), ("batch_id", "<=", window.upto)]
    held = warehouse.state(window.home, BRONZE_DELIVERIES).to_pyarrow_table(filters=of_window)
    rows = [Delivery(**row) for row in held.select(_DELIVERY).to_pylist() if row["status"] == TAKEN]
    if batches is not None:
        rows = [row for row in rows if row.batch_id in set(batches)]
    in_order = sorted(rows, key=lambda row: (row.ingested_at, row.source.encode("utf-8"), row.batch_id))
    numbered = pa.table(
        {
            "delivery": pa.array(range(len(in_order)), pa.int32()),
            "source": pa.array([row.source for row in in_order], pa.string()),
            "ingested_at": pa.array([row.ingested_at for row in in_order], _MICROS),
            "batch_id": pa.array([row.batch_id for row in in_order], pa.int64()),
        }
    )
    return Deliveries(in_order, window.spark.createDataFrame(numbered))


def read(window: Window, taken: Deliveries, of: Column | None = None) -> DataFrame:
    """One row per record of the window, or of some of its batches, that bronze holds: payload, valid_utf8,
    ingested_at, batch_id, its delivery int (null when the delivery is not listed), and its reading.
    """
    held = window.read(BRONZE_EVENTS).where(window.holds if of is None else window.holds & of)
    numbered = F.broadcast(taken.numbered.drop("ingested_at"))
    records = held.join(numbered, on=["batch_id", "source"], how="left")
    columns = ("payload", "valid_utf8", "ingested_at", "batch_id", "delivery")
    return records.select(*columns).transform(readings)
