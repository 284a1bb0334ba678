"""Tables -> frames, without Spark: the versions asked for, and of them the columns and rows needed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from conf import warehouse
from conf.home import Home
from conf.tables import TABLES, Table

TYPES: dict[str, pl.DataType] = {
    "STRING": pl.String(),
    "INT": pl.Int32(),
    "BIGINT": pl.Int64(),
    "DOUBLE": pl.Float64(),
    "BOOLEAN": pl.Boolean(),
    "DATE": pl.Date(),
    "TIMESTAMP": pl.Datetime("us", "UTC"),
    "ARRAY<BIGINT>": pl.List(pl.Int64()),
    "ARRAY<STRING>": pl.List(pl.String()),
}
ROWS_AT_ONCE = 1 << 17
ROWS_BEFORE_SUMMING = 1 << 20
INSTANT = pa.timestamp("us", "UTC")


@dataclass(frozen=True)
class Lake:
    """The lakehouse at one moment: which version of each table is looked at."""

    home: Home
    versions: Mapping[str, int]

    def table(self, table: Table) -> DeltaTable | None:
        """The table at its version; None when it did not exist then."""
        if table.name not in self.versions:
            return None
        held = warehouse.state(self.home, table)
        held.load_as_version(self.versions[table.name])
        return held


def newest(home: Home) -> dict[str, int]:
    """The version of every table as it stands; later layers first, so none is ahead of what it came from."""
    present = [table for table in reversed(TABLES) if warehouse.exists(home, table)]
    return {table.name: warehouse.state(home, table).version() for table in present}


def schema(table: Table) -> dict[str, pl.DataType]:
    """The declared columns."""
    columns = re.findall(r"^\s*(\w+)\s+([A-Z<>]+)", table.ddl, re.MULTILINE)
    return {name: TYPES[kind] for name, kind in columns}


def batches(
    lake: Lake,
    table: Table,
    columns: Sequence[str],
    where: pc.Expression | None = None,
    rows: int = ROWS_AT_ONCE,
) -> Iterator[pl.DataFrame]:
    """The rows, some at a time; a column the table lacks (it is older than this program) is null."""
    held, declared = lake.table(table), schema(table)
    if held is None:
        return
    dataset = held.to_pyarrow_dataset()
    present = [column for column in columns if column in dataset.schema.names]
    absent = [pl.lit(None, declared[column]).alias(column) for column in columns if column not in present]
    scanner = dataset.scanner(
        columns=present, filter=where, batch_size=rows, batch_readahead=2, fragment_readahead=2
    )
    for batch in scanner.to_batches():
        if batch.num_rows:
            found = pl.DataFrame(pa.Table.from_batches([batch]))
            yield found.with_columns(absent).select(columns).cast(pl.Schema(_only(declared, columns)))


def frame(
    lake: Lake, table: Table, columns: Sequence[str], where: pc.Expression | None = None
) -> pl.DataFrame:
    """The rows asked for, all at once: for tables whose rows are few, or whose filter leaves few."""
    empty = pl.DataFrame(schema=_only(schema(table), columns))
    return pl.concat([empty, *batches(lake, table, columns, where)])


def summed(
    lake: Lake, table: Table, by: Sequence[str], counts: Sequence[str], where: pc.Expression | None = None
) -> pl.DataFrame:
    """One row per `by` with the sums of `counts`; memory holds the groups, not the table."""
    parts = [pl.DataFrame(schema=_only(schema(table), [*by, *counts]))]
    for batch in batches(lake, table, [*by, *counts], where):
        parts.append(batch.group_by(by).agg(pl.col(counts).sum()))
        if sum(part.height for part in parts) > ROWS_BEFORE_SUMMING:
            parts = [pl.concat(parts).group_by(by).agg(pl.col(counts).sum())]
    return pl.concat(parts).group_by(by).agg(pl.col(counts).sum()).sort(by)


def among(column: str, values: Sequence[str]) -> pc.Expression:
    """Rows whose `column` is one of `values`."""
    return pc.field(column).isin(pa.array(values, pa.string()))


def since(column: str, moment: Any) -> pc.Expression:
    """Rows whose day or instant `column` is `moment` or later."""
    kind = INSTANT if hasattr(moment, "hour") else pa.date32()
    return pc.field(column) >= pa.scalar(moment, kind)


def _only(declared: Mapping[str, pl.DataType], columns: Sequence[str]) -> dict[str, pl.DataType]:
    return {column: declared[column] for column in columns}
