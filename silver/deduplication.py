"""Valid records -> distinct events: which delivery of an event was its first, and is it known already."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from conf.tables import EVENT_IDENTITY, IDS


def events(valid: DataFrame) -> DataFrame:
    """One row per valid record: the six fields as silver stores them, and its delivery int."""
    return valid.select(
        F.timestamp_seconds("timestamp_seconds").alias("event_time"), "event_type", *IDS, "delivery"
    )


def first_delivery(delivered: DataFrame) -> DataFrame:
    """One row per distinct event with the delivery that brought it first.

    Deliveries are numbered by (ingested_at, source), so the smallest number is the first whatever the
    order of the rows.
    """
    return delivered.groupBy(*EVENT_IDENTITY).agg(F.min("delivery").alias("delivery"))


def distinct(valid: DataFrame, deliveries: DataFrame) -> DataFrame:
    """One row per distinct event among valid records, with silver.events' columns."""
    return events(valid).transform(first_delivery).transform(accepted, deliveries)


def alike(known: DataFrame, distinct: DataFrame) -> DataFrame:
    """Those events of `known` that some event of a small `distinct` may equal: by a hash of the six fields,
    so that what is known of a day is looked through where it lies, instead of being moved.
    """
    hashed = F.xxhash64(*EVENT_IDENTITY)
    hashes = F.broadcast(distinct.select(hashed.alias("hash")))
    return known.join(hashes, on=hashed == F.col("hash"), how="left_semi")


def unseen(distinct: DataFrame, known: DataFrame) -> DataFrame:
    """The events that `known` does not hold yet; all six fields count."""
    return distinct.join(known.select(*EVENT_IDENTITY), on=list(EVENT_IDENTITY), how="left_anti")


def accepted(new: DataFrame, deliveries: DataFrame) -> DataFrame:
    """New events with silver.events' columns; `deliveries` says source, ingested_at and batch_id of each."""
    return new.join(F.broadcast(deliveries), on="delivery", how="inner").select(
        *EVENT_IDENTITY,
        F.to_date("event_time").alias("event_date"),
        "source",
        "ingested_at",
        "batch_id",
    )
