"""The page on data quality: rules, refusals, duplicates, lateness, volume, drift, the ledger."""

from __future__ import annotations

from typing import Any

import polars as pl

from gold.report import arrivals, charts, examples, quality, traffic
from gold.report.facts import Facts
from gold.report.listing import Column, Listing, listing

FEWEST_DRAWN = 2
HOURS_COMPARED = 72
MOST_SOURCES = 100
MOST_ENTRIES = 100
MOST_FIELDS = 100
MOST_SET_ASIDE = 50


def care(facts: Facts) -> dict[str, Any]:
    """What the template of the quality page shows."""
    drawn = quality.drawn(facts.checks)
    beside = traffic.beside_usual(facts.hours) if facts.last else pl.DataFrame()
    return {
        "rule_charts": [
            (str(rule), charts.svg(charts.rule(rows), f"Share of records that pass {rule}, over time"))
            for (rule,), rows in drawn.group_by("rule", maintain_order=True)
        ],
        "rules_by_day": facts.checks["batch_id"].n_unique() > quality.RUNS_DRAWN,
        "rules": _rules(facts.checks),
        "refused_by_rule": _refused_by_rule(facts.refused_by_rule),
        "refused_by_source": _refused_by_source(facts.recent_ledger),
        "refused_by_both": _refused_by_both(facts.refused),
        "examples": _examples(facts.refused),
        "looked_at": facts.refused.looked_at,
        "set_aside": _set_aside(facts.set_aside),
        "late_chart": _late_chart(facts.users),
        "late": _late(facts.users),
        "late_limits": (arrivals.DAYS, arrivals.MOST_EVENTS, arrivals.MOST_EVENTS_A_DAY),
        "volume": _volume(beside) if facts.last else None,
        "volume_chart": charts.both_widths(
            lambda width: charts.beside_usual(beside.tail(HOURS_COMPARED), width),
            "Events an hour over the last three days, beside what is usual for the hour",
        )
        if facts.last
        else "",
        "fields": _fields(facts.fields),
        "ledger_chart": _ledger_chart(facts.recent_ledger),
        "ledger_by_day": _ledger_by_day(facts.recent_ledger),
        "ledger": _ledger(facts.recent_ledger),
        "events": (facts.silver_events, facts.gold_events),
    }


def _rules(checks: pl.DataFrame) -> Listing:
    columns = [
        Column("rule", "Rule"),
        Column("newest", "Newest share", "share"),
        Column("threshold", "Threshold", "share"),
        Column("lowest", "Lowest share", "share"),
        Column("batches", "Batches checked", "count"),
        Column("breaches", "Batches below", "count"),
        Column("blocking", "Keeps a batch back", "yes"),
        Column("verdict", "Newest batch"),
    ]
    held = pl.when(pl.col("newest").is_null()).then(None).when("holds").then(pl.lit("holds"))
    rows = quality.by_rule(checks).with_columns(held.otherwise(pl.lit("breached")).alias("verdict"))
    return listing("rules", "Rules", columns, rows, empty="Nothing was checked yet.")


def _refused_by_rule(rows: pl.DataFrame) -> Listing:
    columns = [Column("rule", "Rule"), Column("records", "Records", "count")]
    return listing(
        "refused-by-rule", "Refused records by rule", columns, rows, empty="No record was refused."
    )


def _refused_by_source(ledger: pl.DataFrame) -> Listing:
    columns = [
        Column("source", "Source", "id"),
        Column("quarantined", "Refused", "count"),
        Column("delivered", "Delivered", "count"),
        Column("share", "Share refused", "share"),
    ]
    rows = quality.refused_by_source(ledger)
    more = {"most": MOST_SOURCES, "empty": "No record was refused."}
    return listing("refused-by-source", "Refused records by source", columns, rows, **more)


def _refused_by_both(refused: examples.Refused) -> Listing:
    columns = [
        Column("rule", "Rule"),
        Column("source", "Source", "id"),
        Column("records", "Records", "count"),
    ]
    more = {"most": MOST_SOURCES, "empty": "No record was refused."}
    return listing(
        "refused-by-rule-and-source", "By rule and source", columns, refused.by_rule_and_source, **more
    )


def _examples(refused: examples.Refused) -> Listing:
    columns = [
        Column("rule", "Rule"),
        Column("payload", "Payload", "code"),
        Column("source", "Source", "id"),
        Column("batch_id", "Batch", "count"),
        Column("ingested_at", "Taken at (UTC)", "moment"),
    ]
    rows = [row for rule in sorted(refused.examples) for row in refused.examples[rule]]
    return listing("examples", "Examples", columns, rows, empty="No record was refused.")


def _set_aside(files: pl.DataFrame) -> Listing:
    columns = [
        Column("source", "File", "id"),
        Column("reason", "Reason", "id"),
        Column("ingested_at", "Taken at (UTC)", "moment"),
    ]
    return listing(
        "set-aside",
        "Files set aside whole",
        columns,
        files,
        most=MOST_SET_ASIDE,
        empty="No file was set aside.",
    )


def _late_chart(days: pl.DataFrame) -> Any:
    names = {f"after_{hours}h": f"after {hours} h" for hours in arrivals.HOURS_LATE}
    if days.height < FEWEST_DRAWN:
        return ""
    label = "Share of each day's events that came more than 1, 6 and 24 hours after they happened"
    return charts.both_widths(lambda width: charts.shares(days, "day", names, width), label)


def _late(days: pl.DataFrame) -> Listing:
    columns = [
        Column("day", "Day of the event (UTC)", "day"),
        Column("events", "Events", "count"),
        *[Column(name, name, "duration") for name in arrivals.QUANTILES],
        *[Column(f"after_{hours}h", f"After {hours} h", "share") for hours in arrivals.HOURS_LATE],
    ]
    return listing(
        "lateness", "Lateness by day", columns, days.sort("day", descending=True), empty="No events yet."
    )


def _volume(beside: pl.DataFrame) -> Listing:
    columns = [
        Column("hour", "Hour from (UTC)", "moment"),
        Column("events", "Events", "count"),
        Column("usual", "Usual", "count"),
        Column("times", "Times the usual", "times"),
        Column("unusual", "Unusual", "yes"),
    ]
    rows = beside.tail(HOURS_COMPARED).sort("hour", descending=True)
    return listing("volume", "Volume of the last 72 hours", columns, rows)


def _fields(fields: pl.DataFrame) -> Listing:
    columns = [
        Column("field", "Field", "id"),
        Column("since", "Since (UTC)", "moment"),
        Column("until", "Last seen (UTC)", "moment"),
        Column("records", "Records", "count"),
        Column("sources", "Sources", "count"),
        Column("named", "Some of them", "id"),
    ]
    rows = fields.with_columns(pl.col("examples").list.join(", ").alias("named"))
    more = {"most": MOST_FIELDS, "empty": "Every record had the six fields and no other."}
    return listing("unknown-fields", "Fields that are none of the six", columns, rows, **more)


def _ledger_chart(ledger: pl.DataFrame) -> Any:
    names = {"share_duplicate": "duplicates", "share_quarantined": "refused"}
    days = quality.ledger_by_day(ledger)
    if days.height < FEWEST_DRAWN:
        return ""
    label = "Share of each day's delivered records that were duplicates, and that were refused"
    return charts.both_widths(lambda width: charts.shares(days, "day", names, width), label)


def _ledger_by_day(ledger: pl.DataFrame) -> Listing:
    columns = [
        Column("day", "Delivered on (UTC)", "day"),
        Column("sources", "Sources", "count"),
        *_counts(),
        Column("share_duplicate", "Share duplicate", "share"),
        Column("share_quarantined", "Share refused", "share"),
    ]
    rows = quality.ledger_by_day(ledger)
    return listing(
        "ledger-by-day", "The ledger by day of delivery", columns, rows, empty="Nothing was delivered yet."
    )


def _ledger(ledger: pl.DataFrame) -> Listing:
    columns = [
        Column("batch_id", "Batch", "count"),
        Column("source", "Source", "id"),
        *_counts(),
        Column("ingested_at", "Taken at (UTC)", "moment"),
    ]
    rows = quality.balanced(ledger).sort(["batch_id", "source"], descending=[True, False])
    return listing(
        "ledger", "The newest sources in the ledger", columns, rows, most=MOST_ENTRIES, empty="Nothing yet."
    )


def _counts() -> list[Column]:
    titles = dict(zip(quality.COUNTS, ("Delivered", "Accepted", "Duplicate", "Refused"), strict=True))
    return [
        *[Column(name, titles[name], "count") for name in quality.COUNTS],
        Column("unexplained", "Unexplained", "signed"),
    ]
