"""What `verify` finds: one place in one table that is not what it should be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame

from conf.shown import Shown
from conf.tables import Table

MOST = 10_000
"""Findings listed of one table; a table that differs in more places is wrong as a whole."""


@dataclass(frozen=True)
class Finding:
    """`where` names the place by the columns of its key; `found` and `expected` are its values, None where
    there is no row, or where the comparison counts rows that differ.
    """

    table: str
    where: dict[str, Any]
    found: dict[str, Any] | None
    expected: dict[str, Any] | None

    @property
    def place(self) -> str:
        """Where, in words."""
        return ", ".join(f"{name} {value}" for name, value in self.where.items())

    @staticmethod
    def says(values: dict[str, Any] | None) -> str:
        """Values in words."""
        return ", ".join(f"{name} {value}" for name, value in (values or {"": "-"}).items()).strip()


def of_rows(table: Table, differing: DataFrame, key: tuple[str, ...]) -> list[Finding]:
    """One finding a row; columns that are not of the key are what was found."""
    rows = [row.asDict() for row in differing.limit(MOST).collect()]
    return [
        Finding(
            table.name,
            {name: row[name] for name in key},
            {name: value for name, value in row.items() if name not in key},
            None,
        )
        for row in rows
    ]


def tables(findings: list[Finding], shown: int) -> list[Shown]:
    """What a person is shown: title, columns, rows of each table that differs."""
    by_table: dict[str, list[Finding]] = {}
    for finding in findings:
        by_table.setdefault(finding.table, []).append(finding)
    return [
        (
            f"{name}, places that differ: {len(found):,}{f', the first {shown}' * (len(found) > shown)}",
            ("where", "found", "should be"),
            [(one.place, one.says(one.found), one.says(one.expected)) for one in found[:shown]],
        )
        for name, found in by_table.items()
    ]
