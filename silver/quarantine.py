"""Refused records as silver.quarantine keeps them."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

YEAR_1, YEAR_10000 = -62_135_596_800, 253_402_300_800
"""The unix seconds between which a timestamp can be written as a date."""


def refused(records: DataFrame) -> DataFrame:
    """One row per refused record, with silver.quarantine's columns."""
    return records.select(
        "payload",
        "source",
        "ingested_at",
        "batch_id",
        "rules",
        event_time().alias("event_time"),
        "valid_utf8",
    )


def event_time() -> Column:
    """When a record says it happened; null when that is no integer or beyond any calendar."""
    seconds = F.col("timestamp_seconds")
    return F.when((seconds >= YEAR_1) & (seconds < YEAR_10000), F.timestamp_seconds(seconds))
