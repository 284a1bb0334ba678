"""Frames of silver -> what the page on data quality shows: rules, refusals, ledger, drift, the gate."""

from __future__ import annotations

import re

import polars as pl

RUNS_DRAWN = 60
"""With more batches than this a rule is drawn by UTC day, at the day's lowest share."""

COUNTS = ("delivered", "accepted", "duplicate", "quarantined")
_PER_HOUR = re.compile(r"_\d\d$")


def of_runs(quality: pl.DataFrame) -> pl.DataFrame:
    """Checks of batches as they came, with `share`, the share that passed; without those of a reprocess."""
    share = pl.when(pl.col("evaluated") > 0).then(1 - pl.col("unexpected") / pl.col("evaluated"))
    return (
        quality.filter(pl.col("reprocess").is_null())
        .with_columns(share.alias("share"))
        .sort("batch_id", "rule")
    )


def of_newest_batch(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of the newest batch among them."""
    return rows.filter(pl.col("batch_id") == pl.col("batch_id").max())


def refusal(checks: pl.DataFrame) -> pl.DataFrame:
    """The blocking rules that keep the newest batch back; empty when the gate let it through."""
    return of_newest_batch(checks).filter(~pl.col("published") & ~pl.col("success") & pl.col("blocking"))


def newest_verdict(checks: pl.DataFrame, rule: str) -> bool | None:
    """Whether the rule held in the newest batch it was checked on; None when it never was."""
    verdicts = checks.filter(pl.col("rule") == rule)["success"]
    return bool(verdicts[-1]) if verdicts.len() else None


def by_rule(checks: pl.DataFrame) -> pl.DataFrame:
    """One row per rule: newest and lowest share, threshold, batches, breaches.

    Rules of one hour of the day each (volume_hour_00 …) share one row, `volume_hour_*`.
    """
    name = pl.col("rule").map_elements(lambda rule: _PER_HOUR.sub("_*", rule), return_dtype=pl.String())
    grouped = checks.with_columns(name.alias("rule")).group_by("suite", "rule", maintain_order=True)
    rows = grouped.agg(
        pl.col("severity").last(),
        pl.col("blocking").last(),
        pl.col("threshold").last(),
        pl.col("share").filter(pl.col("batch_id") == pl.col("batch_id").max()).min().alias("newest"),
        pl.col("share").min().alias("lowest"),
        pl.col("batch_id").n_unique().alias("batches"),
        pl.col("batch_id").filter(~pl.col("success")).n_unique().alias("breaches"),
        pl.col("success").filter(pl.col("batch_id") == pl.col("batch_id").max()).all().alias("holds"),
    )
    return rows.sort(pl.col("severity") != "row", "suite", maintain_order=True)


def drawn(checks: pl.DataFrame) -> pl.DataFrame:
    """Row by row rules over time: rule, at, share, threshold; by batch, or by day when there are many."""
    rows = checks.filter((pl.col("severity") == "row") & pl.col("share").is_not_null())
    by_day = rows["batch_id"].n_unique() > RUNS_DRAWN
    at = pl.col("validated_at").dt.truncate("1d") if by_day else pl.col("validated_at")
    lowest = [pl.col("share").min(), pl.col("threshold").max()]
    return rows.group_by("rule", at.alias("at"), maintain_order=True).agg(lowest).sort("rule", "at")


def refused_by_source(ledger: pl.DataFrame) -> pl.DataFrame:
    """One row per source that had records refused: source, quarantined, delivered, share; most first."""
    totals = ledger.group_by("source").agg(pl.col("quarantined", "delivered").sum())
    rows = totals.filter(pl.col("quarantined") > 0)
    rows = rows.with_columns((pl.col("quarantined") / pl.col("delivered")).alias("share"))
    return rows.sort(["quarantined", "source"], descending=[True, False])


def balanced(ledger: pl.DataFrame) -> pl.DataFrame:
    """The ledger with `unexplained`: delivered records that are neither accepted, duplicate nor refused."""
    _, *parts = COUNTS
    return ledger.with_columns((pl.col("delivered") - pl.sum_horizontal(parts)).alias("unexplained"))


def ledger_by_day(ledger: pl.DataFrame) -> pl.DataFrame:
    """One row per UTC day of delivery, newest first: sources, the four counts, unexplained, shares."""
    day = pl.col("ingested_at").dt.date().alias("day")
    days = balanced(ledger).group_by(day).agg(pl.len().alias("sources"), pl.col(*COUNTS, "unexplained").sum())
    share = {f"share_{what}": pl.col(what) / pl.col("delivered") for what in ("duplicate", "quarantined")}
    return days.with_columns(**share).sort("day", descending=True)


def unknown_fields(drift: pl.DataFrame, ledger: pl.DataFrame) -> pl.DataFrame:
    """One row per field that is none of the six, newest first: since, until, records, sources, examples."""
    taken = ledger.select("batch_id", "source", "ingested_at")
    seen = drift.join(taken, on=["batch_id", "source"], how="left").sort("batch_id", "source")
    fields = seen.group_by("field").agg(
        pl.col("ingested_at").min().alias("since"),
        pl.col("ingested_at").max().alias("until"),
        pl.col("records").sum(),
        pl.col("source").n_unique().alias("sources"),
        pl.col("source").unique(maintain_order=True).head(3).alias("examples"),
    )
    return fields.sort(["since", "field"], descending=[True, False])
