"""Records as Parquet: typed columns, in an order that differs by file."""

from __future__ import annotations

import functools
import io

import numpy as np
import polars as pl

from conf.tables import EVENT_FIELDS
from generator.malformed import FLAWS, in_turn, typed, typed_value
from generator.naming import named
from generator.world import World
from generator.written import GOOD, Writer, Written

MALFORMATIONS = in_turn([flaw for flaw in FLAWS if typed(flaw)])

EXTRA_COLUMN = 1 / 8
"""Share of the files with a column that is none of ours."""


def writer(world: World) -> Writer:
    """One row per record."""
    return functools.partial(_write, world)


def _write(world: World, rng: np.random.Generator, records: pl.DataFrame) -> Written:
    columns = [EVENT_FIELDS[number] for number in rng.permutation(len(EVENT_FIELDS))]
    extra = [pl.lit("3.2.1").alias("sdk")] if rng.random() < EXTRA_COLUMN else []

    turns = records["turn"].to_numpy()
    fields = named(world, records)
    rows = np.flatnonzero(turns != GOOD)
    malformed = [MALFORMATIONS[turn % len(MALFORMATIONS)] for turn in turns[rows]]
    instead = [
        {**event, flaw.field: typed_value(flaw, event["timestamp"])}
        for flaw, event in zip(malformed, fields[rows].iter_rows(named=True), strict=True)
    ]
    order = np.arange(len(fields))
    order[rows] = len(fields) + np.arange(len(rows))
    chosen = pl.concat([fields, pl.DataFrame(instead, schema=fields.schema, orient="row")])[order]
    body = io.BytesIO()
    chosen.select(*columns, *extra).write_parquet(body, compression="zstd")
    return Written(body=body.getbuffer(), malformed=list(malformed))
