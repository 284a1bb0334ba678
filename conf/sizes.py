"""How large the files of a table are, told by its log alone."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from conf import warehouse
from conf.home import Home
from conf.tables import Table


def of_table(home: Home, table: Table) -> int:
    """How large the table's files are."""
    return _bytes(warehouse.files(home, table))


def of_days(home: Home, table: Table, days: list[date]) -> int:
    """How large the files of these days are, of a table that is partitioned by day."""
    files = warehouse.files(home, table)
    if not files.num_rows:
        return 0
    [column] = table.partition
    return _bytes(files.filter(pc.is_in(files[f"partition.{column}"], pa.array(days, pa.date32()))))


def past(home: Home, table: Table, column: str, value: int) -> int:
    """How large the files are that may hold a row past this value, told from their statistics."""
    files = warehouse.files(home, table)
    if not files.num_rows:
        return 0
    past = pc.fill_null(pc.greater(files[f"max.{column}"], value), fill_value=True)
    return _bytes(files.filter(past))


def of_span(home: Home, table: Table, column: str, first: date, last: date) -> int:
    """How large the files are that may hold a row of these days or of one between, told from their
    statistics of a column of UTC timestamps or dates.
    """
    files = warehouse.files(home, table)
    if not files.num_rows:
        return 0
    least, most = (files[f"{edge}.{column}"].cast(pa.date32()) for edge in ("min", "max"))
    overlaps = pc.and_(pc.less_equal(least, last), pc.greater_equal(most, first))
    return _bytes(files.filter(pc.fill_null(overlaps, fill_value=True)))


def _bytes(files: pa.Table) -> int:
    return int(pc.sum(files["size_bytes"]).as_py() or 0)


def written_since(home: Home, table: Table, after: int) -> int:
    """How large the files are that versions later than `after` wrote; where one does not say, all files."""
    held = warehouse.state(home, table)
    commits = held.history(limit=held.version() - after) if held.version() > after else []
    written = [commit.get("operationMetrics", {}).get("numOutputBytes") for commit in commits]
    return of_table(home, table) if None in written else sum(int(size) for size in written)
