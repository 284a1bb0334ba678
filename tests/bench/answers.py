"""The four answers, whoever gives them, held against the generator's key: every row, every column."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from deltalake import DeltaTable

from conf.home import Home
from conf.tables import GOLD, Table

Answers = dict[str, pl.DataFrame]
"""By a table's short name, its rows."""


class WrongAnswerError(Exception):
    """An answer differs from the key."""


def key(delivered: Home) -> Answers:
    """What the generator says gold must be."""
    return {table.short_name: pl.read_parquet(_file(delivered.answers, table)) for table in GOLD}


def in_parquet(folder: Path) -> Answers:
    """Answers written as four Parquet files."""
    return {table.short_name: pl.read_parquet(_file(folder, table)) for table in GOLD}


def in_delta(folder: Path) -> Answers:
    """Answers written as four Delta tables; of a lakehouse, its warehouse's folder `gold`."""
    return {
        table.short_name: pl.DataFrame(DeltaTable(folder / table.short_name).to_pyarrow_table())
        for table in GOLD
    }


def check(given: Answers, expected: Answers) -> None:
    """Raise WrongAnswerError, with the first row that differs, unless both hold the same rows."""
    for table in GOLD:
        equal(given[table.short_name], expected[table.short_name], table)


def equal(given: pl.DataFrame, expected: pl.DataFrame, table: Table) -> None:
    """The same for one table."""
    right = _in_order(expected, table)
    answer = _in_order(given.select(right.columns).cast(right.schema), table)
    if not answer.equals(right):
        raise WrongAnswerError(_difference(answer, right, table))


def _in_order(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    return rows.sort(*table.key)


def _difference(answer: pl.DataFrame, right: pl.DataFrame, table: Table) -> str:
    wrong = answer.join(right, on=right.columns, how="anti", nulls_equal=True)
    lacking = right.join(answer, on=right.columns, how="anti", nulls_equal=True)
    sides = {"given": wrong, "the key": lacking}
    shown = [f"{what}: {rows.row(0)}" for what, rows in sides.items() if rows.height]
    return (
        f"{table.short_name}: {wrong.height:,} rows are not in the key, {lacking.height:,} of the key are "
        f"missing, of {right.height:,}. {'; '.join(shown)}"
    )


def _file(folder: Path, table: Table) -> Path:
    return folder / f"{table.short_name}.parquet"
