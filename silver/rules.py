"""The expectation suite, read once, for both its uses: the Great Expectations run and the row-level split."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from conf.errors import EditedError
from silver.reading import COLUMNS

ROW = "row"
SEVERITIES = (ROW, "batch")
ROW_BY_ROW = {
    "expect_column_values_to_match_regex": {"regex"},
    "expect_column_values_to_be_in_set": {"value_set"},
    "expect_column_values_to_be_between": {"min_value", "max_value"},
}
"""Expectations whose verdict on one record is known, and the arguments it is known for."""

SUITES = Path(__file__).parent.parent / "conf" / "expectations"


@dataclass(frozen=True)
class Rule:
    """One expectation of a suite. `blocking` keeps a batch back; `unit` is what a warning counts in."""

    name: str
    expectation_type: str
    kwargs: dict[str, Any]
    severity: str
    blocking: bool
    unit: str = ""

    @property
    def column(self) -> str | None:
        """The column it looks at; None for a table-level expectation."""
        return self.kwargs.get("column")

    @property
    def threshold(self) -> float:
        """Share of the evaluated values that must pass."""
        return float(self.kwargs.get("mostly", 1.0))


@dataclass(frozen=True)
class Suite:
    """A Great Expectations suite; below `gate_from_records` records a breach only warns."""

    name: str
    rules: tuple[Rule, ...]
    gate_from_records: int
    definition: str = ""

    @property
    def verdicts(self) -> tuple[Any, ...]:
        """What a record's verdict depends on; two suites equal in it judge every record alike."""
        return tuple(
            (rule.name, rule.expectation_type, sorted((rule.kwargs | {"mostly": None}).items()))
            for rule in self.row_rules
        )

    @property
    def row_rules(self) -> tuple[Rule, ...]:
        """The rules with a verdict for each record, in the suite's order."""
        return tuple(rule for rule in self.rules if rule.severity == ROW)


def load(name: str, folder: Path = SUITES) -> Suite:
    """The suite `conf/expectations/<name>.json`.

    Raises EditedError when it is no suite, a rule lacks its name, or a row rule uses an expectation that
    cannot be told row by row.
    """
    file = folder / f"{name}.json"
    try:
        suite = parse(file.read_text("utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as wrong:
        raise EditedError(
            f"{file}: not an expectation suite this lakehouse can run ({type(wrong).__name__}: {wrong}).\n"
            "Nothing was validated. Correct it (the README's “add a rule” shows one) and run again."
        ) from None
    if len({rule.name for rule in suite.rules}) < len(suite.rules):
        raise EditedError(f"{file}: two rules share a name. Give each its own and run again.")
    return suite


def parse(definition: str) -> Suite:
    """The suite that JSON text defines; raises ValueError, KeyError or TypeError when it is none."""
    held = json.loads(definition)
    rules = tuple(_rule(expectation) for expectation in held["expectations"])
    for rule in rules:
        _check(rule)
    return Suite(held["name"], rules, int(held.get("meta", {}).get("gate_from_records", 0)), definition)


def _rule(expectation: dict[str, Any]) -> Rule:
    meta = expectation["meta"]
    return Rule(
        name=meta["rule"],
        expectation_type=expectation["type"],
        kwargs=expectation["kwargs"],
        severity=meta["severity"],
        blocking=bool(meta["blocking"]),
        unit=meta.get("unit", ""),
    )


def _check(rule: Rule) -> None:
    if rule.severity not in SEVERITIES:
        raise ValueError(f"rule {rule.name}: severity {rule.severity!r} is none of {', '.join(SEVERITIES)}")
    if not 0 <= rule.threshold <= 1:
        raise ValueError(f"rule {rule.name}: mostly {rule.threshold} is no share between 0 and 1")
    if rule.severity != ROW:
        return
    allowed = ROW_BY_ROW.get(rule.expectation_type, set())
    given = rule.kwargs.keys() - {"column", "mostly"}
    if not given or not given <= allowed:
        raise ValueError(
            f"rule {rule.name}: {rule.expectation_type} with {', '.join(rule.kwargs)} cannot be told row by "
            f"row; use one of {', '.join(ROW_BY_ROW)}"
        )
    if rule.column not in COLUMNS:
        raise ValueError(f"rule {rule.name}: column {rule.column!r} is none of {', '.join(COLUMNS)}")


def passes(rule: Rule) -> Column:
    """True where a record's value meets the expectation, null where there is no value to evaluate.

    Means exactly what Great Expectations evaluates on Spark for the same arguments; each run checks it.
    """
    value, kwargs = F.col(str(rule.column)), rule.kwargs
    if "regex" in kwargs:
        return value.rlike(kwargs["regex"])
    if "value_set" in kwargs:
        return value.isin(kwargs["value_set"])
    holds = F.when(value.isNotNull(), F.lit(True))
    if (least := kwargs.get("min_value")) is not None:
        holds = holds & (value >= least)
    if (most := kwargs.get("max_value")) is not None:
        holds = holds & (value <= most)
    return holds


def judged(read: DataFrame, rules: tuple[Rule, ...]) -> DataFrame:
    """Adds rules array<string>, every row rule the record breaks, and refused boolean, whether any."""
    return read.withColumn("rules", broken(rules)).withColumn("refused", F.size("rules") > 0)


def broken(rules: tuple[Rule, ...]) -> Column:
    """The names of the row rules a record breaks, as array<string>."""
    verdicts = F.array(*[F.when(~passes(rule), F.lit(rule.name)) for rule in rules])
    broken = F.array_except(verdicts, F.array(F.lit(None).cast("string")))
    none = reduce(Column.__and__, [F.coalesce(passes(rule), F.lit(True)) for rule in rules], F.lit(True))
    # Most records break none, and making an array costs as much as a rule.
    return F.when(none, F.array().cast("array<string>")).otherwise(broken)
