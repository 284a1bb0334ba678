"""silver.quarantine -> counts by rule and source, and a few examples fit to be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from conf.tables import SILVER_QUARANTINE
from gold.report.reading import Lake, batches

MOST_RECORDS = 100_000
"""Refused records looked at, the newest ones; by rule alone all are counted."""

A_RULE = 3
LONGEST = 300
KEPT = 4 * LONGEST
MASK = "•••"

# The user's id however the record is broken: the key in any quotes or none, then the value up to its closing
# quote or bracket, up to what ends a bare one, or up to the end of the record.
_USER = re.compile(
    r"""(user_id[\\"']*\s*[:=,]\s*)"""
    r"""(?:\\?"(?:[^"\\]|\\.)*(?:\\?"|$)|'[^']*(?:'|$)|\{[^}]*(?:\}|$)|\[[^\]]*(?:\]|$)|[^,;}\]\s]*)""",
    re.IGNORECASE,
)
_ESCAPED = re.compile(r"\\u00([3-7][0-9a-f])", re.IGNORECASE)
# A CSV row with too many or too few fields is a JSON array: which of them is the user is not known.
_VALUE = re.compile(r'"(?:[^"\\]|\\.)*(?:"|$)')
_NO_USER = re.compile(r'"(?:\d|1\d{9})"')
"""A type or a time."""


@dataclass
class Refused:
    """What was seen of quarantine: `looked_at` records, counts by (rule, source), examples by rule."""

    looked_at: int = 0
    by_rule_and_source: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(
            schema={"rule": pl.String(), "source": pl.String(), "records": pl.UInt32()}
        )
    )
    examples: dict[str, list[dict[str, object]]] = field(default_factory=dict)


def newest_batches(ledger: pl.DataFrame) -> list[int]:
    """The newest batches that together had up to the looked-at number of records refused, at least one."""
    sums = ledger.group_by("batch_id").agg(pl.col("quarantined").sum()).filter(pl.col("quarantined") > 0)
    sums = sums.sort("batch_id", descending=True).with_columns(
        pl.col("quarantined").cum_sum().alias("so_far")
    )
    return sums.filter((pl.col("so_far") <= MOST_RECORDS) | (pl.int_range(pl.len()) == 0))[
        "batch_id"
    ].to_list()


def look(lake: Lake, ledger: pl.DataFrame) -> Refused:
    """Reads the newest refused records, some at a time; of a payload only its beginning is kept."""
    seen, counts = Refused(), []
    wanted = newest_batches(ledger)
    if not wanted:
        return seen
    where = pc.field("batch_id").isin(pa.array(wanted, pa.int64()))
    columns = ["batch_id", "ingested_at", "source", "payload", "rules"]
    # Few at a time: a refused record may be as long as a line may be.
    for batch in batches(lake, SILVER_QUARANTINE, columns, where, rows=2048):
        if seen.looked_at >= MOST_RECORDS:
            break
        seen.looked_at += batch.height
        rules = (
            batch.with_columns(pl.col("payload").str.slice(0, KEPT))
            .explode("rules")
            .rename({"rules": "rule"})
        )
        counts.append(rules.group_by("rule", "source").agg(pl.len().alias("records")))
        _keep(seen, rules)
    if counts:
        totals = pl.concat(counts).group_by("rule", "source").agg(pl.col("records").sum())
        seen.by_rule_and_source = totals.sort(["records", "rule", "source"], descending=[True, False, False])
    return seen


def by_rule(lake: Lake, where: pc.Expression) -> pl.DataFrame:
    """One row per rule that refused records break as quarantine stands: rule, records, most first."""
    rule = pl.col("rules").alias("rule")
    none = pl.DataFrame(schema={"rule": pl.String(), "records": pl.UInt32()})
    counts = (
        batch.explode("rules").group_by(rule).agg(pl.len().alias("records"))
        for batch in batches(lake, SILVER_QUARANTINE, ["rules"], where)
    )
    totals = pl.concat([none, *counts]).group_by("rule").agg(pl.col("records").sum())
    return totals.sort(["records", "rule"], descending=[True, False])


def _keep(seen: Refused, rules: pl.DataFrame) -> None:
    for (rule,), rows in rules.sort("batch_id", "source", "payload").group_by("rule"):
        kept = seen.examples.setdefault(str(rule), [])
        # One an appearance: ten records broken the same way teach no more than one.
        for row in (
            rows.unique("payload", keep="first", maintain_order=True).head(A_RULE - len(kept)).to_dicts()
        ):
            kept.append({**row, "payload": shown(row["payload"])})


def shown(payload: str | None) -> str:
    """A payload fit to be shown: no user's id, and no longer than a few lines."""
    text = masked(payload or "")
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def masked(payload: str) -> str:
    """The payload with every user id in it replaced, whether or not it is JSON."""
    if payload.lstrip().startswith("["):
        return _VALUE.sub(lambda found: found[0] if _NO_USER.fullmatch(found[0]) else f'"{MASK}"', payload)
    return _USER.sub(lambda found: f'{found[1]}"{MASK}"', _ESCAPED.sub(_letter, payload))


def _letter(escape: re.Match[str]) -> str:
    """A key may be spelled with escapes: those of letters, digits and the underscore are read."""
    sign = chr(int(escape[1], 16))
    return sign if sign.isalnum() or sign == "_" else escape[0]
