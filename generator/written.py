"""What a format makes of one hour's records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from generator.malformed import NOT_UTF8, Break, Flaw

GOOD = -1
"""The `turn` of a record that is not malformed. Malformed ones count up from 0: a format takes its
malformations in turn, and begins again after the last."""


@dataclass(frozen=True)
class Written:
    """A file's bytes, and the malformations of the records in it, one each."""

    body: bytes | memoryview
    malformed: list[Flaw | Break]


Writer = Callable[[np.random.Generator, pl.DataFrame], Written]
"""Turns records, in their order, into a file; a record is an event and its `turn`."""


def as_bytes(text: str) -> bytes:
    """The text in UTF-8, but for the bytes that are meant not to be."""
    return text.encode().replace(NOT_UTF8.encode(), b"\xff\xc3(")


def spliced(lines: pl.Series, rows: list[int], instead: list[bytes]) -> memoryview:
    """The lines one after the other, `rows` replaced by `instead`."""
    order = np.arange(len(lines))
    order[rows] = len(lines) + np.arange(len(rows))
    chosen = pl.concat([lines.cast(pl.Binary), pl.Series(instead, dtype=pl.Binary)]).gather(order)
    _, ends, body = chosen.rechunk().to_arrow().buffers()
    return memoryview(body)[: int(np.frombuffer(ends, dtype=np.int64)[len(lines)])]
