"""Random payloads, half of them damaged, read by Spark and by a strict reader in plain Python: no verdict
may differ. The reference shares no line with silver: Python's JSON decoder, with every token kept as text.
"""

from __future__ import annotations

import json
import random
import re
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from silver import rules
from silver.reading import readings

SIX = ("timestamp", "event_type", "banner_id", "placement_id", "page_id", "user_id")
INGESTED = datetime(2026, 1, 2, tzinfo=UTC)
EARLIEST, LATEST = 946_684_800, 1_767_312_000 + 3600
WRITTEN = re.compile(r"-?(0|[1-9][0-9]*)")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
SURROGATE = re.compile("[\ud800-\udfff]")
LINES = 2000
SEED = 20260301


class Integer(str):
    """The digits of a JSON integer."""

    __slots__ = ()


class Inexact(str):
    """The text of any other JSON number."""

    __slots__ = ()


class Pairs(list):  # type: ignore[type-arg]
    """The members of a JSON object."""


def refuse(constant: str) -> None:
    raise ValueError(constant)


DECODER = json.JSONDecoder(
    object_pairs_hook=Pairs, parse_int=Integer, parse_float=Inexact, parse_constant=refuse
)


def reference(payload: str) -> dict[str, Any]:
    """The broken rules, by design.md §3, and the values of what is valid."""
    fields = record(payload)
    if fields is None:
        return {"rules": ["well_formed"]}
    second, kind = integer(fields.get("timestamp")), integer(fields.get("event_type"))
    holds = {
        "timestamp_is_integer": second is not None,
        "timestamp_in_range": second is None or EARLIEST <= second <= LATEST,
        "event_type_is_known": kind in {0, 1},
        **{f"{name}_present": is_id(fields.get(name)) for name in SIX[2:]},
    }
    verdict: dict[str, Any] = {"rules": [rule for rule, held in holds.items() if not held]}
    if not any(SURROGATE.search(name) for name in fields):
        verdict["extra_fields"] = sorted(set(fields) - set(SIX))
    if not verdict["rules"]:
        verdict |= {"timestamp_seconds": second, "event_type": kind}
        verdict |= {name: str(fields[name]) for name in SIX[2:]}
    return verdict


def record(payload: str) -> dict[str, Any] | None:
    """The members of the one object the payload is."""
    try:
        members = DECODER.decode(payload)
    except ValueError:
        return None
    if not isinstance(members, Pairs):
        return None
    ours = [key for key, _ in members if key in SIX]
    return dict(members) if len(ours) == len(set(ours)) else None


def integer(value: Any) -> int | None:
    is_text = isinstance(value, str) and not isinstance(value, Inexact)
    return int(value) if is_text and WRITTEN.fullmatch(value) else None


def is_id(value: Any) -> bool:
    if not isinstance(value, str) or isinstance(value, Inexact):
        return False
    unfit = CONTROL.search(value) or SURROGATE.search(value)
    return bool(value.strip(" ")) and len(value) <= 256 and not unfit


TOKENS = (
    *(
        '"b1"',
        '""',
        '" "',
        '" a "',
        '"1.5"',
        '"true"',
        '"a\\tb"',
        '"a\\u0000"',
        '"\\u00a0"',
        '"\u00e9\u4e16"',
    ),
    *('"\\ud83d\\ude00"', '"\\ud83d"', '"\\ude00x"', '"\\\\ud83d"', '"\\\\\\ud83d\\ude00"', '"\\/\\"\\\\"'),
    *("0", "1", "2", "7", "-1", "-12", "123456789012345678901234567890", "1.0", "1e0", "1E+2", "-0.0", "01"),
    *(
        "true",
        "false",
        "null",
        "NaN",
        "-Infinity",
        "[]",
        "{}",
        "[1]",
        '["b1"]',
        '{"user_id": "x"}',
        '[{"a": [1]}]',
    ),
    *("1767225600", '"1767225600"', "946684799", "946684800", "1767315600", "1767315601", "1767225600000"),
    *('"1"', '"0"', '" 1"', '"01"', f'"{"x" * 256}"', f'"{"x" * 257}"', "9223372036854775808"),
)
KEYS = (*SIX, "banner\\u005fid", "User_id", "a", "a", "seal", "", "\\ud800", "tim\\u0065stamp")
PIECES = (
    *("{", "}", "[", "]", ",", ":", '"', "\\", "'", "],[", '{"seal":"x"}', "}{", "} {", "//", "/**/", "#"),
    *(
        " ",
        "\t",
        "\r",
        "\n",
        "\0",
        "\x1f",
        "\x7f",
        "\f",
        "\u00a0",
        "\ufeff",
        "\u2028",
        "0",
        "1",
        "-",
        "+",
        ".",
    ),
    *("e", "u", "\\u", "\\ud800", "\\udc00", "\\n", "null", "true", "NaN", "\N{GRINNING FACE}"),
)


def payloads(chance: random.Random) -> list[str]:
    return [damaged(chance, built(chance)) for _ in range(LINES)]


def built(chance: random.Random) -> str:
    """Mostly the six fields with fit values; some odd, missing, repeated or unknown ones among them."""
    fit = {"timestamp": "1767225600", "event_type": "1"}
    members = [
        (name, fit.get(name, '"x1"') if chance.random() < 0.85 else chance.choice(TOKENS))
        for name in SIX
        if chance.random() < 0.97
    ]
    while chance.random() < 0.3:
        members.insert(chance.randint(0, len(members)), (chance.choice(KEYS), chance.choice(TOKENS)))
    if chance.random() < 0.3:
        chance.shuffle(members)
    gap = chance.choice(("", " ", " ", "\t", "\n", "  "))
    return gap + "{" + f",{gap}".join(f'"{name}":{gap}{text}' for name, text in members) + "}" + gap


def damaged(chance: random.Random, text: str) -> str:
    """Half of them as they are; the others with a piece put in, cut out, doubled or moved to the end."""
    while chance.random() < 0.5 and text:
        start = chance.randint(0, len(text))
        end = min(len(text), start + chance.randint(0, 4))
        way = chance.randrange(6)
        if way in {0, 1}:
            text = text[:start] + chance.choice(PIECES) + text[end if way else start :]
        elif way == 2:
            text = text[:start] + text[end:]
        elif way == 3:
            text = text[:end] + text[start:]
        elif way == 4:
            text = text[:start]
        else:
            text += chance.choice(PIECES)
    return text


@pytest.fixture(scope="module")
def both(spark) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Each payload with what silver says of it and what the reference says."""
    lines = payloads(random.Random(SEED))
    rows = pa.table(
        {
            "line": range(LINES),
            "payload": pa.array(lines, pa.string()),
            "valid_utf8": pa.array([True] * LINES),
            "ingested_at": pa.array([INGESTED] * LINES, pa.timestamp("us", "UTC")),
        }
    )
    read = readings(spark.createDataFrame(rows)).drop("payload")
    said = [row.asDict() for row in rules.judged(read, rules.load("events").row_rules).collect()]
    assert sorted(one["line"] for one in said) == list(range(LINES))
    for one in said:
        one["extra_fields"] = sorted(one["extra_fields"] or [])
    return [(lines[one["line"]], one, reference(lines[one["line"]])) for one in said]


def test_spark_and_the_reference_never_disagree(both):
    compared = [(line, {name: said[name] for name in expected}, expected) for line, said, expected in both]
    assert [one for one in compared if one[1] != one[2]] == []


def test_the_payloads_are_of_every_kind(both):
    """A mutator that made one kind alone would show nothing."""
    verdicts = [expected["rules"] for _, _, expected in both]
    assert len({rule for verdict in verdicts for rule in verdict}) == 8
    assert 400 < sum(verdict == [] for verdict in verdicts) < 1600
    assert 400 < sum(verdict == ["well_formed"] for verdict in verdicts) < 1600
