"""A table on a page: what its columns are and what stands in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from gold.report import words

KINDS: dict[str, Callable[[Any], Any]] = {
    "text": str,
    "id": str,
    "code": str,
    "count": words.count,
    "share": words.percent,
    "rate": words.rate,
    "change": words.change,
    "signed": words.signed,
    "times": words.times,
    "moment": words.moment,
    "day": words.day,
    "duration": words.duration,
    "yes": lambda value: words.NOTHING if value is None else "yes" if value else "no",
    "chart": lambda value: value,
}
"""How a value is written, by the kind of its column."""

ON_THE_LEFT = {"text", "id", "code", "day", "moment"}


@dataclass(frozen=True)
class Column:
    """One column: the field it shows, its heading, its kind; `link` names the field with an address."""

    field: str
    title: str
    kind: str = "text"
    link: str = ""

    @property
    def is_words(self) -> bool:
        """Whether it holds words or times, which stand on the left; figures on the right."""
        return self.kind in ON_THE_LEFT


@dataclass(frozen=True)
class Cell:
    """One value: as a person reads it, as a program does, and where it leads."""

    shown: Any
    value: str
    kind: str
    href: str = ""


@dataclass(frozen=True)
class Listing:
    """A table with its caption; `name` is the CSV file's, `left_out` how many rows are not shown."""

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    left_out: int = 0
    empty: str = "Nothing."


def listing(
    name: str,
    caption: str,
    columns: Sequence[Column],
    held: pl.DataFrame | Iterable[dict[str, Any]],
    **more: Any,
) -> Listing:
    """A table of these rows; `most` in `more` bounds them."""
    most = more.pop("most", None)
    rows = held.to_dicts() if isinstance(held, pl.DataFrame) else list(held)
    kept = rows if most is None else rows[:most]
    cells = [[_cell(row, column) for column in columns] for row in kept]
    return Listing(name, caption, columns, cells, left_out=len(rows) - len(kept), **more)


def _cell(row: dict[str, Any], column: Column) -> Cell:
    value = row.get(column.field)
    shown = words.NOTHING if value is None else KINDS[column.kind](value)
    machine = "" if column.kind == "chart" else words.machine(value)
    return Cell(shown, machine, column.kind, row.get(column.link) or "" if column.link else "")
