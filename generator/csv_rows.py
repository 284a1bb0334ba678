"""Records as CSV: a header row, RFC 4180; column order, quoting and line ends differ by file."""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import polars as pl

from conf.tables import EVENT_FIELDS
from generator.malformed import CSV_BREAKS, FLAWS, Break, Flaw, csv_text, in_turn
from generator.naming import named
from generator.world import World
from generator.written import GOOD, Writer, Written, as_bytes, spliced

MALFORMATIONS = in_turn([*(flaw for flaw in FLAWS if csv_text(flaw) is not None), *CSV_BREAKS])

EXTRA_COLUMN = 1 / 8
"""Share of the files with a column that is none of ours."""


def writer(world: World) -> Writer:
    """One row per record, after a header row."""
    return functools.partial(_write, world)


def _write(world: World, rng: np.random.Generator, records: pl.DataFrame) -> Written:
    columns = [EVENT_FIELDS[number] for number in rng.permutation(len(EVENT_FIELDS))]
    quote_all, crlf, extra = rng.random(3) < (0.5, 0.5, EXTRA_COLUMN)
    if extra:
        columns.insert(0, "sdk")
    ending = "\r\n" if crlf else "\n"
    row = functools.partial(_row, csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL)

    turns = records["turn"].to_numpy()
    fields = named(world, records).select("timestamp", pl.lit("3.2.1").alias("sdk"), pl.exclude("timestamp"))
    rows = np.flatnonzero(turns != GOOD)
    malformed = [MALFORMATIONS[turn % len(MALFORMATIONS)] for turn in turns[rows]]
    instead = [
        as_bytes(_malformed(malformation, row, columns, event) + ending)
        for malformation, event in zip(malformed, fields[rows].iter_rows(named=True), strict=True)
    ]
    lines = pl.concat(
        [pl.Series([row(columns) + ending]), _lines(fields, columns, '"' if quote_all else "", ending)]
    )
    return Written(body=spliced(lines, (rows + 1).tolist(), instead), malformed=malformed)


def _row(quoting: Literal[0, 1], values: Sequence[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, quoting=quoting, lineterminator="").writerow(values)
    return text.getvalue()


def _malformed(
    malformation: Flaw | Break, row: Callable[[list[Any]], str], columns: list[str], event: dict[str, Any]
) -> str:
    if isinstance(malformation, Break):
        return malformation.spoil(row([event[column] for column in columns]))
    text = (csv_text(malformation) or "").replace("{timestamp}", str(event["timestamp"]))
    return row([text if column == malformation.field else event[column] for column in columns])


def _lines(fields: pl.DataFrame, columns: list[str], quote: str, ending: str) -> pl.Series:
    values = pl.concat_str(pl.col(columns).cast(pl.String), separator=f"{quote},{quote}")
    return fields.select(line=pl.concat_str(pl.lit(quote), values, pl.lit(quote + ending)))["line"]
