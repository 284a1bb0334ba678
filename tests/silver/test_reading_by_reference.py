"""Random payloads, most of them damaged, read by Spark and by a strict reader in plain Python: no two verdicts
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
LINES = 3000
SEED = 20260301


class Integer(str):
    """The digits of a JSON integer."""


class Inexact(str):
    """The text of any other JSON number."""


class Pairs(list):  # type: ignore[type-arg]
    """The members of a JSON object."""


def refuse(constant: str) -> None:
    raise ValueError(constant)


DECODER = json.JSONDecoder(
    object_pairs_hook=Pairs, parse_int=Integer, parse_float=Inexact, parse_constant=refuse
)


def reference(payload: str) -> dict[str, Any]:
    """The broken rules, by design.md §3, and the values of what is valid."""
    try:
        members = DECODER.decode(payload)
    except ValueError:
        return {"rules": ["well_formed"]}
    if not isinstance(members, Pairs):
        return {"rules": ["well_formed"]}
    ours = [key for key, _ in members if key in SIX]
    if len(ours) != len(set(ours)):
        return {"rules": ["well_formed"]}
    fields = dict(members)
    broken = []
    second = integer(fields.get("timestamp"))
    if second is None:
        broken.append("timestamp_is_integer")
    elif not EARLIEST <= second <= LATEST:
        broken.append("timestamp_in_range")
    if integer(fields.get("event_type")) not in {0, 1}:
        broken.append("event_type_is_known")
    broken += [f"{name}_present" for name in SIX[2:] if not is_id(fields.get(name))]
    verdict: dict[str, Any] = {"rules": broken}
    if not any(SURROGATE.search(name) for name in fields):
        verdict["extra_fields"] = sorted(set(fields) - set(SIX)) or None
    if not broken:
        verdict |= {"timestamp_seconds": second, "event_type": integer(fields["event_type"])}
        verdict |= {name: str(fields[name]) for name in SIX[2:]}
    return verdict


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
            "written": pa.array(lines, pa.string()),
            "payload": pa.array(lines, pa.string()),
            "valid_utf8": pa.array([True] * LINES),
            "ingested_at": pa.array([INGESTED] * LINES, pa.timestamp("us", "UTC")),
        }
    )
    suite = rules.load("events")
    judged = rules.judged(readings(spark.createDataFrame(rows)), suite.row_rules).orderBy("line").collect()
    assert [row.written for row in judged] == lines
    return [(row.written, row.asDict(), reference(row.written)) for row in judged]


def test_spark_and_the_reference_never_disagree(both):
    different = [
        (payload, {name: said[name] for name in expected}, expected)
        for payload, said, expected in both
        if {
            name: sorted(value) if name == "extra_fields" and value else value for name, value in said.items()
        }
        | expected
        != {
            name: sorted(value) if name == "extra_fields" and value else value for name, value in said.items()
        }
    ]
    assert different == []


def test_the_payloads_are_of_every_kind(both):
    """A mutator that only made one kind would show nothing."""
    verdicts = [expected["rules"] for _, _, expected in both]
    broken = {rule for verdict in verdicts for rule in verdict}
    assert broken == {rule.name for rule in rules.load("events").row_rules}
    assert 500 < sum(verdict == [] for verdict in verdicts) < 2000
    assert 500 < sum(verdict == ["well_formed"] for verdict in verdicts) < 2000
