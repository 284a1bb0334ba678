"""Every way a record can be refused, each with the rules it breaks.

A `Flaw` in a value is declared once, as JSON text; `csv_text` and `typed_value` say what CSV and Parquet
can carry of it. A `Break` belongs to one format and turns the text of a good record into a bad one.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from conf.tables import IDS

WELL_FORMED = "well_formed"
IS_INTEGER = "timestamp_is_integer"
IN_RANGE = "timestamp_in_range"
TYPE_KNOWN = "event_type_is_known"
RULES = (WELL_FORMED, IS_INTEGER, IN_RANGE, TYPE_KNOWN, *(f"{name}_present" for name in IDS))

RULE_OF_MISSING = {
    "timestamp": IS_INTEGER,
    "event_type": TYPE_KNOWN,
    **{name: f"{name}_present" for name in IDS},
}

NOT_UTF8 = "\ue000"
"""Stands in a text for bytes that are not UTF-8 until the text becomes bytes."""


@dataclass(frozen=True)
class Flaw:
    """A value no record may hold: `json` is its text there, None when the field is missing.

    `{timestamp}` in it is the good record's own; `key` is what the field is called instead.
    """

    name: str
    rule: str
    field: str
    json: str | None
    key: str | None = None

    @property
    def rules(self) -> tuple[str, ...]:
        """Every rule a record with this value breaks."""
        return (self.rule,)

    def text(self, timestamp: int) -> str:
        """The value as JSON text; only for flaws that have one."""
        return (self.json or "null").replace("{timestamp}", str(timestamp))


@dataclass(frozen=True)
class Break:
    """A record that is not one record: `spoil` turns the good record's text into what is delivered."""

    name: str
    rules: tuple[str, ...]
    spoil: Callable[[str], str]


_TIMESTAMPS: dict[str, dict[str, str | None]] = {
    IS_INTEGER: {
        "missing": None,
        "null": "null",
        "fraction": "{timestamp}.0",
        "exponent": "1e9",
        "true": "true",
        "leading_space": '" {timestamp}"',
        "plus_sign": '"+{timestamp}"',
        "leading_zero": '"0{timestamp}"',
        "text_fraction": '"{timestamp}.0"',
        "word": '"yesterday"',
        "clock_time": '"12:30"',
        "empty": '""',
        "object": '{"seconds":{timestamp}}',
    },
    IN_RANGE: {
        "milliseconds": "{timestamp}000",
        "before_2000": "946684799",
        "year_2200": "7258118400",
        "negative": "-{timestamp}",
        "zero": "0",
        "largest_64_bit": str(2**63 - 1),
        "beyond_64_bit": str(2**63),
        "milliseconds_as_text": '"{timestamp}000"',
    },
}
_TYPES = {
    "missing": None,
    "null": "null",
    "two": "2",
    "negative": "-1",
    "word": '"x"',
    "fraction": "1.0",
    "true": "true",
    "leading_space": '" 1"',
    # 32 bits would show the last two as 0 and 1.
    "zero_beyond_32_bit": str(2**32),
    "one_beyond_32_bit": str(2**32 + 1),
    "empty": '""',
}
_ID_VALUES = {
    "missing": None,
    "null": "null",
    "empty": '""',
    "spaces": '"   "',
    "too_long": f'"{"x" * 257}"',
    "control_character": r'"a\u0007b"',
    "delete_character": r'"a\u007fb"',
    "quotes_and_newline": r'"a \"b\"\r\n, c"',
    "float": "12.5",
    "bool": "true",
    "object": '{"id":"a"}',
    "array": '["a"]',
}


def _flaws() -> list[Flaw]:
    timestamps = [
        Flaw(f"timestamp_{name}", rule, "timestamp", text)
        for rule, values in _TIMESTAMPS.items()
        for name, text in values.items()
    ]
    types = [Flaw(f"event_type_{name}", TYPE_KNOWN, "event_type", text) for name, text in _TYPES.items()]
    ids = [
        Flaw(f"{field}_{name}", f"{field}_present", field, text)
        for field in IDS
        for name, text in _ID_VALUES.items()
    ]
    wrong_case = [
        Flaw(f"{field}_wrong_case", rule, field, "wrong_case", key=field.title())
        for field, rule in RULE_OF_MISSING.items()
    ]
    return timestamps + types + ids + wrong_case


_NOT_ONE_OBJECT: dict[str, Callable[[str], str]] = {
    "truncated": lambda good: good[: len(good) * 2 // 3],
    "two_objects": lambda good: good + good,
    "trailing_text": lambda good: good + " ok",
    "leading_text": lambda good: "data: " + good,
    "key_twice": lambda good: good[:-1] + ',"banner_id":"b-000001"}',
    "same_key_and_value_twice": lambda good: good[:-1] + "," + good[1:],
    "trailing_comma": lambda good: good[:-1] + ",}",
    "single_quotes": lambda good: good.replace('"', "'"),
    "garbage": lambda _: "upstream timed out (110) while reading response header",
    "array": lambda good: f"[{good}]",
    "text": json.dumps,
    "number": lambda _: "42",
    "null": lambda _: "null",
    "not_utf8": lambda good: good[:-2] + NOT_UTF8 + '"}',
}
JSON_BREAKS = (
    *(Break(name, (WELL_FORMED,), spoil) for name, spoil in _NOT_ONE_OBJECT.items()),
    Break("empty_object", tuple(RULE_OF_MISSING.values()), lambda _: "{}"),
)


# A row with a field too few or too many cannot say which column each field belongs to.
CSV_BREAKS = (
    Break("too_few_fields", (WELL_FORMED,), lambda good: good.rpartition(",")[0]),
    Break("too_many_fields", (WELL_FORMED,), lambda good: good + ",1"),
    Break("not_utf8", (WELL_FORMED,), lambda good: good.replace("-", NOT_UTF8, 1)),
)


def csv_text(flaw: Flaw) -> str | None:
    """The flawed value as a CSV field; None when CSV cannot tell it from a good one."""
    if flaw.json is None or flaw.key:
        return None
    value = json.loads(flaw.text(1))
    if isinstance(value, str):
        return str(json.loads(flaw.json))
    if value is None:
        return ""
    # A number or a word where an id is expected is a good id once it is text.
    return None if flaw.field in IDS or isinstance(value, dict) else flaw.json


def typed_value(flaw: Flaw, timestamp: int) -> int | str | None:
    """The flawed value in Parquet; only for what is `typed`."""
    value: int | str | None = json.loads(flaw.text(timestamp))
    return value


def typed(flaw: Flaw) -> bool:
    """Whether a Parquet column of the field's type can hold the flawed value."""
    if flaw.json is None or flaw.key:
        return False
    value = json.loads(flaw.text(1_000_000_000))
    if flaw.field in IDS:
        return value is None or isinstance(value, str)
    largest = 2**63 - 1 if flaw.field == "timestamp" else 2**31 - 1
    return value is None or (type(value) is int and value <= largest)


def in_turn(malformations: Sequence[Flaw | Break]) -> tuple[Flaw | Break, ...]:
    """One for each rule, then the next for each: the first few already break every rule."""
    groups = ([each for each in malformations if each.rules[0] == rule] for rule in RULES)
    rounds = itertools.zip_longest(*groups)
    return tuple(each for one_round in rounds for each in one_round if each is not None)


FLAWS = _flaws()
