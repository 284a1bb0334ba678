"""Records as JSON Lines: most as one sender writes them, a few as others do."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from generator.malformed import FLAWS, JSON_BREAKS, Flaw, in_turn
from generator.naming import named, user_ids
from generator.world import World
from generator.written import GOOD, Writer, Written, as_bytes, spliced

MALFORMATIONS = in_turn([*FLAWS, *JSON_BREAKS])

OTHER_SENDERS = 0.01
"""Share of the good records written in one of the less usual ways, all of them valid."""

Fields = dict[str, str]
"""Key to value, both as JSON text."""


def _object(fields: Fields) -> str:
    return "{" + ",".join(f'"{key}":{text}' for key, text in fields.items()) + "}"


def _spaced(fields: Fields) -> str:
    return " { " + " , ".join(f'"{key}" :\t{text}' for key, text in fields.items()) + " } "


def _quoted(fields: Fields, *keys: str) -> Fields:
    return {key: f'"{text}"' if key in keys else text for key, text in fields.items()}


SENDERS: tuple[Callable[[Fields], str], ...] = (
    lambda fields: _object(dict(sorted(fields.items(), reverse=True))),
    lambda fields: _object({"user_id": fields["user_id"], **fields}),
    _spaced,
    lambda fields: _object(fields) + "\r",
    lambda fields: _object({**fields, "sdk": '"3.2.1"'}),
    lambda fields: _object({"geo": '{"country":"DE","city":"K\\u00f6ln"}', **fields}),
    lambda fields: _object({**fields, "referrer": "null"}),
    lambda fields: _object(_quoted(fields, "timestamp")),
    lambda fields: _object(_quoted(fields, "timestamp", "event_type")),
    lambda fields: _object({key: text.replace("-", r"\u002d") for key, text in fields.items()}),
)


def writer(world: World) -> Writer:
    """One line per record."""
    texts = world.meetings.select(
        text=pl.concat_str(
            *(
                pl.concat_str(pl.lit(f',"{key}":"'), pl.col(key), pl.lit('"'))
                for key in world.meetings.columns
            ),
            pl.lit(',"user_id":"'),
        )
    )["text"]
    return functools.partial(_write, world, texts)


def _write(world: World, texts: pl.Series, rng: np.random.Generator, records: pl.DataFrame) -> Written:
    turns = records["turn"].to_numpy()
    sender = rng.integers(0, len(SENDERS), len(records))
    unusual = (turns != GOOD) | (rng.random(len(records)) < OTHER_SENDERS)
    rows = np.flatnonzero(unusual)
    instead = []
    for event, turn, number in zip(
        named(world, records[rows]).iter_rows(named=True), turns[rows], sender[rows], strict=True
    ):
        fields = {key: json.dumps(value) for key, value in event.items()}
        line = SENDERS[number](fields) if turn == GOOD else _malformed(turn, event, fields)
        instead.append(as_bytes(line + "\n"))
    return Written(
        body=spliced(_lines(world, texts, records), rows.tolist(), instead),
        malformed=[MALFORMATIONS[turn % len(MALFORMATIONS)] for turn in turns[turns != GOOD]],
    )


def _malformed(turn: int, event: dict[str, Any], fields: Fields) -> str:
    malformation = MALFORMATIONS[turn % len(MALFORMATIONS)]
    if not isinstance(malformation, Flaw):
        return malformation.spoil(_object(fields))
    if malformation.key:
        return _object(
            {malformation.key if key == malformation.field else key: text for key, text in fields.items()}
        )
    if malformation.json is None:
        return _object({key: text for key, text in fields.items() if key != malformation.field})
    return _object({**fields, malformation.field: malformation.text(event["timestamp"])})


def _lines(world: World, texts: pl.Series, records: pl.DataFrame) -> pl.Series:
    return records.select(
        line=pl.concat_str(
            pl.lit('{"timestamp":'),
            pl.col("timestamp").cast(pl.String),
            pl.lit(',"event_type":'),
            pl.col("event_type").cast(pl.String),
            texts.gather(records["meeting"]),
            user_ids(world, records["user"]),
            pl.lit('"}\n'),
        )
    )["line"]
