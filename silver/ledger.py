"""What became of every delivered record, counted by delivery; and the volume of every event hour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

HISTORY_DAYS = 28
HOURS = 24


def delivered_counts(judged: DataFrame, rules: list[str]) -> DataFrame:
    """One row per delivery: delivered, quarantined bigint, first_second, last_second bigint (unix seconds
    of the valid records), drifted boolean (any unknown field), bytes_aside bigint (of refused payloads and
    names of unknown fields), and for each of `rules` a bigint: records of the delivery that break it.
    """
    refused = F.octet_length(F.when(F.col("refused"), F.col("payload")))
    unknown = F.octet_length(F.array_join("extra_fields", ""))
    second = F.when(~F.col("refused"), F.col("timestamp_seconds"))
    return judged.groupBy("delivery").agg(
        F.count(F.lit(1)).alias("delivered"),
        F.count_if("refused").alias("quarantined"),
        F.min(second).alias("first_second"),
        F.max(second).alias("last_second"),
        F.bool_or(F.col("extra_fields").isNotNull()).alias("drifted"),
        F.sum(F.coalesce(refused, F.lit(0)) + F.coalesce(unknown, F.lit(0))).alias("bytes_aside"),
        *[F.count_if(F.array_contains("rules", rule)).alias(rule) for rule in rules],
    )


def day_spans(valid: DataFrame) -> DataFrame:
    """One row per UTC day of valid records: day date, first and last timestamp."""
    time = F.timestamp_seconds("timestamp_seconds")
    return valid.groupBy(F.to_date(time).alias("day")).agg(
        F.min(time).alias("first"), F.max(time).alias("last")
    )


def accepted_by_hour(published: DataFrame) -> DataFrame:
    """One row per batch, source and UTC hour: accepted bigint, counted in silver.events itself."""
    hour = F.date_trunc("hour", "event_time").alias("hour")
    return published.groupBy("batch_id", "source", hour).agg(F.count(F.lit(1)).alias("accepted"))


def unknown_fields(judged: DataFrame, deliveries: DataFrame) -> DataFrame:
    """One row per batch, source and field that is none of the six: records bigint."""
    carried = judged.where(F.col("extra_fields").isNotNull()).select(
        "delivery", F.explode("extra_fields").alias("field")
    )
    counted = carried.groupBy("delivery", "field").agg(F.count(F.lit(1)).alias("records"))
    named = counted.join(F.broadcast(deliveries), on="delivery", how="inner")
    return named.select("batch_id", "source", "field", "records")


def volume_ratios(volume: Mapping[int, int], hours: Iterable[int]) -> dict[int, float]:
    """By hour, its volume over the mean of the same hour on the HISTORY_DAYS days before it that have any;
    an hour is left out when none has. Hours are counted from 1970-01-01T00Z; `volume` says what each holds.
    """
    ratios = {}
    for hour in hours:
        days_before = range(hour - HISTORY_DAYS * HOURS, hour, HOURS)
        before = [volume[earlier] for earlier in days_before if earlier in volume]
        if before:
            ratios[hour] = volume[hour] / (sum(before) / len(before))
    return ratios
