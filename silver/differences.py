"""What silver should hold beside what it holds: the rows that differ, as `warehouse.merge` takes them."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from conf.tables import EVENT_IDENTITY, SILVER_VOLUME
from conf.warehouse import GONE

FIRST_DELIVERY = ("source", "ingested_at", "batch_id")


def events(fresh: DataFrame, live: DataFrame) -> DataFrame:
    """One row per event that differs, with silver.events' columns, and gone, unknown boolean: whether only
    `live` or only `fresh` has it; where both do, its first delivery differs.
    """
    return _differing(fresh, live, EVENT_IDENTITY, ("event_date", *FIRST_DELIVERY))


def volume(fresh: DataFrame, live: DataFrame) -> DataFrame:
    """One row per batch and hour whose accepted differs, with silver.volume's columns, gone and unknown."""
    return _differing(fresh, live, SILVER_VOLUME.key, ("accepted",))


def earlier(fresh: DataFrame, live: DataFrame) -> DataFrame:
    """The events of `fresh` that `live` lacks or first had from a later delivery; as `events` shows them."""
    differing = _differing(fresh, live, EVENT_IDENTITY, ("event_date", *FIRST_DELIVERY), kept=FIRST_DELIVERY)
    before, after = ([F.col(f"{side}{name}") for name in ("ingested_at", "source")] for side in ("live_", ""))
    is_earlier = (after[0] < before[0]) | ((after[0] == before[0]) & (after[1] < before[1]))
    kept = ~F.col(GONE) & (F.col("unknown") | is_earlier)
    return differing.where(kept).drop(*[f"live_{name}" for name in FIRST_DELIVERY])


def _differing(
    fresh: DataFrame,
    live: DataFrame,
    key: tuple[str, ...],
    values: tuple[str, ...],
    kept: tuple[str, ...] = (),
) -> DataFrame:
    same_row = [F.col(f"fresh.{name}") == F.col(f"live.{name}") for name in key]
    joined = fresh.alias("fresh").join(live.alias("live"), on=same_row, how="full")
    gone, unknown = F.col(f"fresh.{key[0]}").isNull(), F.col(f"live.{key[0]}").isNull()
    return joined.where(
        _any(~F.col(f"fresh.{name}").eqNullSafe(F.col(f"live.{name}")) for name in values)
    ).select(
        *[F.coalesce(f"fresh.{name}", f"live.{name}").alias(name) for name in (*key, *values)],
        gone.alias(GONE),
        unknown.alias("unknown"),
        *[F.col(f"live.{name}").alias(f"live_{name}") for name in kept],
    )


def _any(conditions: object) -> Column:
    return reduce(Column.__or__, conditions)  # type: ignore[call-overload,no-any-return]


def quarantine(fresh: DataFrame, live: DataFrame) -> DataFrame:
    """One row per refused record, as silver.quarantine shows it, that one side holds more often than the
    other: more bigint, how much more often `fresh` does; negative when `live` does.
    """
    columns = fresh.columns
    counted = fresh.select("*", F.lit(1).alias("side")).unionByName(
        live.select(*columns, F.lit(-1).alias("side"))
    )
    return counted.groupBy(*columns).agg(F.sum("side").alias("more")).where("more <> 0")
