"""Rows that are few and made by this process, committed without Spark: half a second of Spark for such a
commit is a hundredth of one for delta-rs.

For the tables of `warehouse.WITHOUT_SPARK`. delta-rs writes no in-commit timestamps: the time of a version is
that of its file of the log, so a copy must keep it.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import pyarrow as pa
from deltalake import CommitProperties, Transaction, WriterProperties, write_deltalake
from pyspark.sql import DataFrame, SparkSession

from conf import notes, warehouse
from conf.home import Home
from conf.tables import Table

Rows: TypeAlias = "list[dict[str, Any]] | pa.Table"

_NEVER_IN_A_PATH = frozenset("[]^|")
"""delta-rs reads a table below such a folder, but fails to write there; Spark has no such trouble."""


def append(rows: Rows, home: Home, table: Table, source: str, upto: int) -> None:
    """Append `rows` and note in the same commit that `source` is taken up to `upto`; a column that a row
    lacks is null.

    A second append with the same or a lower `upto` commits nothing.
    """
    if _is_out_of_reach(home):
        warehouse.append(_frame(rows, home, table), home, table, source, upto)
    elif warehouse.marker(home, table, source) < upto:
        _write(rows, home, table, upto, markers=[Transaction(source, upto)], mode="append")


def replace_after(rows: Rows, home: Home, table: Table, source: str, taken: int, upto: int) -> None:
    """Append `rows`, all of batches later than `taken`, in place of any such rows already there, as
    `warehouse.replace_after` does.
    """
    if _is_out_of_reach(home):
        warehouse.replace_after(_frame(rows, home, table), home, table, source, taken, upto)
    elif warehouse.marker(home, table, source) <= taken:
        append(rows, home, table, source, upto)
    else:
        _write(rows, home, table, upto, mode="overwrite", predicate=f"batch_id > {taken}")


def _is_out_of_reach(home: Home) -> bool:
    return not _NEVER_IN_A_PATH.isdisjoint(str(home.root))


def _frame(rows: Rows, home: Home, table: Table) -> DataFrame:
    return SparkSession.active().createDataFrame(_shaped(rows, home, table)).coalesce(1)


def _shaped(rows: Rows, home: Home, table: Table) -> pa.Table:
    columns = pa.schema(warehouse.state(home, table).schema().to_arrow())
    return pa.Table.from_pylist(rows, columns) if isinstance(rows, list) else rows.select(columns.names)


def _write(
    rows: Rows,
    home: Home,
    table: Table,
    upto: int,
    *,
    markers: list[Transaction] | None = None,
    **how: Any,
) -> None:
    note = {"userMetadata": notes.of(SparkSession.active(), upto=upto)}
    write_deltalake(
        warehouse.state(home, table),
        _shaped(rows, home, table),
        writer_properties=WriterProperties(compression="ZSTD"),
        commit_properties=CommitProperties(note, app_transactions=markers),
        **how,
    )
