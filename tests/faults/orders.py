"""The same 48 hours, delivered in another order, in other batches, in files cut otherwise, or twice."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from pyspark.sql import SparkSession

import bronze.ingest
import gold.publish
import silver.publish
from conf.home import Home
from tests.faults.arrival import deliver
from tests.faults.deliveries import DAY, DIRT, event

HOURS = 48
MINUTE, YEAR = 60, 365 * DAY
Batches = list[dict[str, bytes]]


@dataclass(frozen=True)
class Delivering:
    """How the hours arrive: `parts` is how many files an hour is cut into, `together` how many hours share
    one, `again` whether each file comes a second time under another name, `batches` how many runs take them.
    """

    order: str
    batches: int
    parts: int = 1
    together: int = 1
    again: bool = False


def hour(number: int) -> list[bytes]:
    """The lines of one hour's file: a few events, some late by a minute, a day or a year, repeats, dirt."""
    chance = random.Random(f"hour {number}")
    said = []
    for _ in range(8):
        record = event(chance, number)
        if chance.random() < 1 / 4:
            record["timestamp"] -= chance.choice((MINUTE, DAY, YEAR))
        said.append(json.dumps(record))
    return [line.encode() for line in (*said, chance.choice(said), chance.choice(DIRT))]


def delivering(seed: int) -> Delivering:
    """A way for the hours to arrive; seeds in a row differ in their order."""
    chance = random.Random(seed)
    return Delivering(
        order=("in order", "reversed", "shuffled")[seed % 3],
        batches=chance.choice((1, 1, 2, 2, 3, 4)),
        parts=chance.choice((1, 1, 2)),
        together=chance.choice((1, 1, 5, HOURS)),
        again=chance.random() < 1 / 3,
    )


def arrivals(way: Delivering, seed: int) -> Batches:
    """The batches, each source to bytes; a source's name says its place in the order."""
    chance = random.Random(seed)
    hours = [hour(number) for number in range(HOURS)]
    joined = [list(chain(*hours[at : at + way.together])) for at in range(0, HOURS, way.together)]
    files = [lines[part :: way.parts] for lines in joined for part in range(way.parts)]
    if way.order == "reversed":
        files.reverse()
    elif way.order == "shuffled":
        chance.shuffle(files)
    named = [(f"{place:03}.jsonl", b"\n".join(lines)) for place, lines in enumerate(files)]
    if way.again:
        twice = [(f"again/{name}", content) for name, content in named]
        named = [one for pair in zip(named, chance.sample(twice, len(twice)), strict=True) for one in pair]
    cuts = sorted(chance.sample(range(1, len(named)), min(way.batches, len(named)) - 1))
    return [dict(named[start:end]) for start, end in zip([0, *cuts], [*cuts, len(named)], strict=True)]


def take_all(spark: SparkSession, home: Home, empty: Home, batches: Sequence[Mapping[str, bytes]]) -> None:
    """Deliver one batch after the other to a copy of the empty lakehouse, and take each through to gold."""
    shutil.copytree(empty.warehouse, home.warehouse)
    for delivered in batches:
        deliver(home, delivered)
        arrived = bronze.ingest.arrivals(home)
        judged = bronze.ingest.judge_all(home, arrived)
        bronze.ingest.ingest(spark, home, arrived.batch_id, judged)
        silver.publish.publish(spark, home)
        gold.publish.publish(spark, home)
