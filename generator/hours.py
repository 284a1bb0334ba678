"""An order hour by hour: what happened in it, and the records of the file that closes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from generator.draw import distinct, draw
from generator.order import HOUR, Order
from generator.schedule import arrived, deliver, earlier_hours, plan
from generator.world import Purpose, World, random
from generator.written import GOOD


@dataclass(frozen=True)
class Hour:
    """`events` are the distinct ones that happened, `records` what is delivered, in order of arrival.

    A record is an event and its `turn` (see `written`). `number` counts from 0; -1 stands for all
    hours before the order, which have no file of their own.
    """

    number: int
    events: pl.DataFrame
    records: pl.DataFrame


def hours(order: Order, reach_back: int | None, world: World) -> Iterator[Hour]:
    """Every hour of the order, in turn; what is still under way to a later file is all that is held."""
    share = plan(order, reach_back)
    spoilt = 0
    rng = random(order.seed, Purpose.EARLIER, order.first_second)
    happened = draw(rng, world, earlier_hours(rng, order, reach_back, share.earlier))
    under_way = deliver(rng, happened, -1, share.earlier, 0, order)
    yield Hour(-1, distinct(happened), under_way.clear())
    for number in range(order.hours):
        starts = order.first_second + number * HOUR
        happened = draw(
            random(order.seed, Purpose.EVENTS, starts), world, np.full(share.events[number], starts)
        )
        rng = random(order.seed, Purpose.DELIVERY, starts)
        deliveries = deliver(rng, happened, number, share.late[number], share.again[number], order)
        under_way = pl.concat([under_way, deliveries])
        here = pl.col("file") == number
        bad = happened[rng.integers(0, max(len(happened), 1), share.malformed[number])]
        turns = pl.Series("turn", np.arange(spoilt, spoilt + len(bad)))
        spoilt += len(bad)
        records = pl.concat(
            [
                under_way.filter(here).select(*happened.columns, turn=pl.lit(GOOD, pl.Int64)),
                bad.with_columns(turns),
            ]
        )
        under_way = under_way.filter(~here)
        yield Hour(number, distinct(happened), records[np.argsort(arrived(rng, records, starts))])
