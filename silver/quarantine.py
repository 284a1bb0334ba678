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


def of_deliveries(judged: DataFrame, deliveries: DataFrame) -> DataFrame:
    """The refused records of `judged`, with silver.quarantine's columns; `deliveries` says source,
    ingested_at and batch_id of each.
    """
    records = judged.where("refused").drop("ingested_at", "batch_id")
    return records.join(F.broadcast(deliveries), on="delivery", how="inner").transform(refused)


def payloads(judged: DataFrame) -> DataFrame:
    """The same records, the payload kept of refused ones alone: nobody needs the others again, and they
    would fill memory.
    """
    return judged.withColumn("payload", F.when(F.col("refused"), F.col("payload")))


def event_time() -> Column:
    """When a record says it happened; null when that is no integer or beyond any calendar."""
    seconds = F.col("timestamp_seconds")
    return F.when((seconds >= YEAR_1) & (seconds < YEAR_10000), F.timestamp_seconds(seconds))
