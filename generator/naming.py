"""Events as senders write them: the world's numbers turned into ids."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from generator.draw import user_keys
from generator.world import World

USER_ID_LENGTH = 16

# Four hexadecimal digits of every 16-bit number, each four read as one 32-bit number.
_HEX = np.frombuffer(b"".join(b"%04x" % number for number in range(2**16)), dtype=np.uint32)


def user_ids(world: World, users: pl.Series) -> pl.Series:
    """Cookie ids: 16 hexadecimal digits."""
    keys = user_keys(world, users)
    digits = np.ascontiguousarray(_HEX[keys.view(np.uint16).reshape(-1, 4)[:, ::-1]])
    ends = np.arange(len(keys) + 1, dtype=np.int64) * USER_ID_LENGTH
    texts = pa.LargeStringArray.from_buffers(len(keys), pa.py_buffer(ends), pa.py_buffer(digits))
    return pl.Series("user_id", texts)


def named(world: World, events: pl.DataFrame) -> pl.DataFrame:
    """The six fields of each event, in their usual order."""
    meetings = world.meetings[events["meeting"]]
    return events.select(
        pl.col("timestamp").cast(pl.Int64), pl.col("event_type").cast(pl.Int32)
    ).with_columns(*meetings.get_columns(), user_ids(world, events["user"]))
