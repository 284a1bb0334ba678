"""What each payload says, by design.md §3: one Spark job reads every case, each case is one assertion."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from unittest.mock import ANY

import pyarrow as pa
import pytest

from silver import rules
from silver.reading import readings

NEW_YEAR = 1_767_225_600  # 2026-01-01T00:00:00Z
INGESTED = datetime(2026, 1, 2, tzinfo=UTC)  # a day later: 1_767_312_000
FACE = "\N{GRINNING FACE}"

PLAIN = {
    "timestamp": "1767225600",
    "event_type": "0",
    "banner_id": '"b1"',
    "placement_id": '"p1"',
    "page_id": '"g1"',
    "user_id": '"u1"',
}
READ: dict[str, Any] = {
    "well_formed": True,
    "extra_fields": None,
    "timestamp": "1767225600",
    "timestamp_seconds": NEW_YEAR,
    "timestamp_outside": 0,
    "event_type": 0,
    "banner_id": "b1",
    "placement_id": "p1",
    "page_id": "g1",
    "user_id": "u1",
    "rules": [],
}
MALFORMED = dict.fromkeys(READ) | {"well_formed": False, "rules": ["well_formed"]}
NO_BANNER = {"banner_id": "", "rules": ["banner_id_present"]}
NOT_AN_INTEGER = {
    "timestamp": "",
    "timestamp_seconds": None,
    "timestamp_outside": None,
    "rules": ["timestamp_is_integer"],
}
NO_TYPE = {"event_type": -1, "rules": ["event_type_is_known"]}


def record(**changed: str | None) -> str:
    """A payload of the six fields; each value is JSON text, None leaves the field out."""
    fields = {**PLAIN, **changed}
    return "{" + ", ".join(f'"{name}": {text}' for name, text in fields.items() if text is not None) + "}"


def with_members(*members: str) -> str:
    """The six fields and these members, written as they are, after them."""
    return record()[:-1] + "".join(f", {member}" for member in members) + "}"


def malformed(payload: str | None) -> tuple[str | None, dict[str, Any]]:
    return payload, MALFORMED


def says(payload: str, **differs: Any) -> tuple[str, dict[str, Any]]:
    return payload, READ | differs


def banner(text: str, value: str) -> tuple[str, dict[str, Any]]:
    """A banner id that is read, and may stand."""
    return says(record(banner_id=text), banner_id=value)


def bad_banner(text: str, value: str = "") -> tuple[str, dict[str, Any]]:
    """A banner id that is none: the record breaks that rule alone."""
    return says(record(banner_id=text), banner_id=value, rules=["banner_id_present"])


def second(text: str, **differs: Any) -> tuple[str, dict[str, Any]]:
    return says(record(timestamp=text), **differs)


def outside(text: str, value: str, seconds: int, distance: Any) -> tuple[str, dict[str, Any]]:
    return second(
        text,
        timestamp=value,
        timestamp_seconds=seconds,
        timestamp_outside=distance,
        rules=["timestamp_in_range"],
    )


def kind(text: str, **differs: Any) -> tuple[str, dict[str, Any]]:
    return says(record(event_type=text), **differs)


WHOLE = {
    "plain": says(record()),
    "compact": says(record().replace(" ", "")),
    "keys in another order": says("{" + ", ".join(f'"{k}":{v}' for k, v in reversed(PLAIN.items())) + "}"),
    "white space around": says(f" \t\r\n{record()} \n\r\t"),
    "white space within": says(record().replace(" ", "\n\t\r ")),
    "extra string": says(with_members('"a": "x"'), extra_fields=["a"]),
    "extra float": says(with_members('"a": 1.50e-3'), extra_fields=["a"]),
    "extra integer": says(with_members('"a": 7'), extra_fields=["a"]),
    "extra null": says(with_members('"a": null'), extra_fields=["a"]),
    "extra boolean": says(with_members('"a": false'), extra_fields=["a"]),
    "extra nested": says(with_members('"a": {"banner_id": [1, {"x": "}]"}]}'), extra_fields=["a"]),
    "extra float beyond double": says(with_members('"a": 1e999'), extra_fields=["a"]),
    "extra integer of 5,000 digits": says(with_members(f'"a": {"9" * 5000}'), extra_fields=["a"]),
    "two extras": says(with_members('"z": 1', '"a": 2'), extra_fields=["z", "a"]),
    "unknown key twice": says(with_members('"a": 1', '"a": 2'), extra_fields=["a"]),
    "empty key": says(with_members('"": 1'), extra_fields=[""]),
    "a seal of its own": says(with_members('"seal": "x"'), extra_fields=["seal"]),
    "escaped key name": says(record().replace("banner_id", r"banner\u005fid")),
    "all keys escaped": says(record().replace("_id", r"\u005f\u0069\u0064")),
    "key in the wrong case": says(
        record(banner_id=None)[:-1] + ', "Banner_id": "b1"}', **NO_BANNER, extra_fields=["Banner_id"]
    ),
    "both cases of a key": says(with_members('"BANNER_ID": "x"'), extra_fields=["BANNER_ID"]),
    "key with a space": says(
        record().replace('"banner_id"', '"banner_id "'), **NO_BANNER, extra_fields=["banner_id "]
    ),
    "2 MB extra string": says(with_members(f'"a": "{"x" * 2_000_000}"'), extra_fields=["a"]),
    "extra nested 900 deep": says(with_members(f'"a": {"[" * 900}{"]" * 900}'), extra_fields=["a"]),
    "lone surrogate in an extra field": says(with_members(r'"a": "\ud800"'), extra_fields=["a"]),
    "no fields at all": says(
        "{}",
        **NOT_AN_INTEGER
        | {"event_type": -1, "banner_id": "", "placement_id": "", "page_id": "", "user_id": ""}
        | {
            "rules": [
                "timestamp_is_integer",
                "event_type_is_known",
                "banner_id_present",
                "placement_id_present",
                "page_id_present",
                "user_id_present",
            ]
        },
    ),
}

NOT_ONE_OBJECT = {
    "no payload": malformed(None),
    "empty": malformed(""),
    "only white space": malformed(" \t "),
    "null": malformed("null"),
    "number": malformed("1"),
    "string": malformed('"a"'),
    "array": malformed("[]"),
    "array of one record": malformed(f"[{record()}]"),
    "CSV row of too many fields": malformed('["1767225600","0","b","p","g","u","?"]'),
    "two objects": malformed(record() + record()),
    "two objects, a space between": malformed(f"{record()} {record()}"),
    "two objects, a newline between": malformed(f"{record()}\n{record()}"),
    "two objects, a comma between": malformed(f"{record()},{record()}"),
    "text after": malformed(f"{record()} xyz"),
    "brace after": malformed(record() + "}"),
    "comma after": malformed(record() + ","),
    "bracket after": malformed(record() + "]"),
    "bracket before": malformed("[" + record()),
    "text before": malformed(f"x{record()}"),
    "byte-order mark before": malformed("\ufeff" + record()),
    "no-break space before": malformed("\u00a0" + record()),
    "form feed after": malformed(record() + "\f"),
    "NUL after": malformed(record() + "\0"),
    "forged end": malformed(f"{record()}],[{record()}"),
    "forged end, alone": malformed(f"{record()}],[" + "{}"),
    "forged seal": malformed(record() + ',{"seal":"x"}]'),
    "forged seal, unclosed": malformed(record() + ',{"seal":"x"'),
    "forged start": malformed('{"seal":"x"},' + record()),
    "truncated": malformed(record()[:-1]),
    "truncated in a string": malformed(record()[:-3]),
    "truncated after a comma": malformed(record()[:60]),
    "trailing comma": malformed(record()[:-1] + ",}"),
    "doubled comma": malformed(record().replace(", ", ",, ", 1)),
    "no colon": malformed(record().replace(":", "", 1)),
    "single quotes": malformed(record().replace('"', "'")),
    "one single-quoted value": malformed(record(banner_id="'b1'")),
    "unquoted key": malformed(record().replace('"banner_id"', "banner_id")),
    "comment": malformed(record()[:-1] + "/* x */}"),
    "line comment after": malformed(record() + "// x"),
    "hash comment after": malformed(record() + "# x"),
    "NaN in an extra": malformed(with_members('"a": NaN')),
    "-Infinity in an extra": malformed(with_members('"a": -Infinity')),
    "NaN, nested": malformed(with_members('"a": {"b": [NaN]}')),
    "NaN as an id": malformed(record(banner_id="NaN")),
    "Infinity as a timestamp": malformed(record(timestamp="Infinity")),
    "+INF as an event type": malformed(record(event_type="+INF")),
    "raw tab in a string": malformed(record(banner_id='"a\tb"')),
    "raw newline in a string": malformed(record(banner_id='"a\nb"')),
    "raw NUL in a string": malformed(record(banner_id='"a\0b"')),
    "raw tab in a key": malformed(with_members('"a\tb": 1')),
    "unknown escape": malformed(record(banner_id=r'"\x41"')),
    "short unicode escape": malformed(record(banner_id=r'"\u12"')),
    "unicode escape of no digits": malformed(record(banner_id=r'"\u00g0"')),
    "leading zero": malformed(record(timestamp="01767225600")),
    "leading plus": malformed(record(timestamp="+1767225600")),
    "plus one as a type": malformed(record(event_type="+1")),
    "dot without digits": malformed(record(timestamp="1.")),
    "digits without zero": malformed(with_members('"a": .5')),
    "hexadecimal": malformed(record(timestamp="0x10")),
    "underscore": malformed(record(timestamp="1_767")),
    "minus alone": malformed(record(timestamp="-")),
    "exponent alone": malformed(record(timestamp="1e")),
    "True": malformed(with_members('"a": True')),
    "undefined": malformed(with_members('"a": undefined')),
    "nothing as a value": malformed(record(banner_id="")),
    "number as a key": malformed(with_members("1: 1")),
    "wrong bracket": malformed(with_members('"a": [1}')[:-1] + "]"),
    "extra nested 1,100 deep": malformed(with_members(f'"a": {"[" * 1100}{"]" * 1100}')),
    "id twice, other values": malformed(with_members('"banner_id": "b2"')),
    "id twice, equal values": malformed(with_members('"banner_id": "b1"')),
    "id twice, once escaped": malformed(with_members(r'"banner\u005fid": "b2"')),
    "id twice, once as null": malformed(with_members('"user_id": null')),
    "timestamp twice": malformed(with_members('"timestamp": 1')),
    "event_type twice, once escaped": malformed(with_members(r'"event\u005Ftype": 1')),
    "six members, one of ours twice": malformed(
        record(user_id=None)[:-1] + ', "page_id": "g2"}',
    ),
}

IDS = {
    "integer": banner("7", "7"),
    "zero": banner("0", "0"),
    "negative integer": banner("-7", "-7"),
    "negative zero": banner("-0", "-0"),
    "huge integer": banner("123456789012345678901234567890", "123456789012345678901234567890"),
    "integer of 256 digits": banner("1" * 256, "1" * 256),
    "integer of 257 digits": bad_banner("1" * 257, "1" * 257),
    "negative zero beside an extra": says(
        with_members('"a": 1').replace('"b1"', "-0"), banner_id="-0", extra_fields=["a"]
    ),
    "string of a float": banner('"1.5"', "1.5"),
    "string of a boolean": banner('"true"', "true"),
    "string of an object": banner('"{}"', "{}"),
    "string of null": banner('"null"', "null"),
    "string with a leading zero": banner('"007"', "007"),
    "string with spaces around": banner('" a "', " a "),
    "string in upper case": banner('"B1"', "B1"),
    "no-break space": banner('"\u00a0"', "\u00a0"),
    "escaped no-break space": banner(r'"\u00a0"', "\u00a0"),
    "replacement character": banner('"\ufffd"', "\ufffd"),
    "question mark": banner('"?"', "?"),
    "next line, U+0085": banner('"\u0085"', "\u0085"),
    "line separator": banner('"a\u2028b"', "a\u2028b"),
    "zero width space": banner('"\u200b"', "\u200b"),
    "escaped quote": banner(r'"a\"b"', 'a"b'),
    "escaped slash": banner(r'"a\/b"', "a/b"),
    "escaped backslash": banner(r'"a\\b"', "a\\b"),
    "escaped backslash at the end": banner(r'"a\\"', "a\\"),
    "escaped backslash before u": banner(r'"\\ud800"', r"\ud800"),
    "two escaped backslashes before u": banner(r'"\\\\ud800"', r"\\ud800"),
    "escaped letter": banner(r'"\u0062\u0031"', "b1"),
    "emoji": banner(f'"{FACE}"', FACE),
    "surrogate pair": banner(r'"\ud83d\ude00"', FACE),
    "surrogate pair in upper case": banner(r'"\uD83D\uDE00"', FACE),
    "two surrogate pairs": banner(r'"\ud83d\ude00\ud83d\ude00"', FACE + FACE),
    "surrogate pair after a backslash": banner(r'"\\\ud83d\ude00"', "\\" + FACE),
    "256 characters": banner(f'"{"x" * 256}"', "x" * 256),
    "256 emoji": banner(f'"{FACE * 256}"', FACE * 256),
    "256 escaped emoji": banner('"' + r"\ud83d\ude00" * 256 + '"', FACE * 256),
    "257 characters": bad_banner(f'"{"x" * 257}"', "x" * 257),
    "257 emoji": bad_banner(f'"{FACE * 257}"', FACE * 257),
    "empty string": bad_banner('""'),
    "one space": bad_banner('" "', " "),
    "spaces": bad_banner('"   "', "   "),
    "escaped spaces": bad_banner(r'"\u0020\u0020"', "  "),
    "escaped NUL": bad_banner(r'"a\u0000"', "a\0"),
    "escaped tab": bad_banner(r'"a\tb"', "a\tb"),
    "escaped newline at the end": bad_banner(r'"b1\n"', "b1\n"),
    "escaped U+001F": bad_banner(r'"\u001f"', "\x1f"),
    "escaped DEL": bad_banner(r'"a\u007f"', "a\x7f"),
    "raw DEL": bad_banner('"a\x7fb"', "a\x7fb"),
    "lone high surrogate": bad_banner(r'"\ud800"', ANY),
    "lone low surrogate": bad_banner(r'"\udc00"', ANY),
    "surrogates in the wrong order": bad_banner(r'"\ude00\ud83d"', ANY),
    "high surrogate before a pair": bad_banner(r'"\ud83d\ud83d\ude00"', ANY),
    "low surrogate after a pair": bad_banner(r'"\ud83d\ude00\ude00"', ANY),
    "lone surrogate in text": bad_banner(r'"a\uDABCb"', ANY),
    "high surrogate, then text like a low one": bad_banner(r'"\ud83d\\ude00"', ANY),
    "missing": says(record(banner_id=None), **NO_BANNER),
    "null": bad_banner("null"),
    "float": bad_banner("1.5"),
    "whole float": bad_banner("1.0"),
    "exponent": bad_banner("1e3"),
    "float beyond double": bad_banner("1e999"),
    "true": bad_banner("true"),
    "false": bad_banner("false"),
    "object": bad_banner("{}"),
    "object with a key twice": bad_banner('{"a": 1, "a": 2}'),
    "object with our key": bad_banner('{"banner_id": "b1"}'),
    "array": bad_banner("[]"),
    "array of one string": bad_banner('["b1"]'),
    "array of one integer": bad_banner("[1]"),
    "array 600 deep": bad_banner("[" * 600 + "]" * 600),
    "four integers": says(
        record(banner_id="1", placement_id="2", page_id="3", user_id="4"),
        banner_id="1",
        placement_id="2",
        page_id="3",
        user_id="4",
    ),
    "all four missing": says(
        record(banner_id=None, placement_id=None, page_id=None, user_id=None),
        banner_id="",
        placement_id="",
        page_id="",
        user_id="",
        rules=["banner_id_present", "placement_id_present", "page_id_present", "user_id_present"],
    ),
    "one of each kind": says(
        record(banner_id="1.5", placement_id='"true"', page_id="true", user_id="null"),
        banner_id="",
        placement_id="true",
        page_id="",
        user_id="",
        rules=["banner_id_present", "page_id_present", "user_id_present"],
    ),
}

TIMESTAMPS = {
    "string of an integer": second('"1767225600"'),
    "escaped string of an integer": second(r'"\u00317\u00367225600"'),
    "zero": outside("0", "0", 0, -946_684_800),
    "negative zero": outside("-0", ANY, 0, -946_684_800),
    "before 1970": outside("-1", "-1", -1, -946_684_801),
    "a second before 2000": outside("946684799", "946684799", 946_684_799, -1),
    "2000-01-01": second("946684800", timestamp="946684800", timestamp_seconds=946_684_800),
    "the second it was taken": second("1767312000", timestamp="1767312000", timestamp_seconds=1_767_312_000),
    "an hour ahead": second(
        "1767315600", timestamp="1767315600", timestamp_seconds=1_767_315_600, timestamp_outside=3600
    ),
    "an hour and a second ahead": outside("1767315601", "1767315601", 1_767_315_601, 3601),
    "milliseconds": outside("1767225600000", "1767225600000", 1_767_225_600_000, 1_765_458_288_000),
    "2^63 - 1": outside("9223372036854775807", "9223372036854775807", 2**63 - 1, ANY),
    "2^63": outside("9223372036854775808", "9223372036854775808", 2**63 - 1, ANY),
    "-2^70": outside("-1180591620717411303424", "-1180591620717411303424", -(2**63), ANY),
    "string of 2^63": outside('"9223372036854775808"', "9223372036854775808", 2**63 - 1, ANY),
    "whole float": second("1767225600.0", **NOT_AN_INTEGER),
    "exponent": second("1e9", **NOT_AN_INTEGER),
    "string of a float": second('"1767225600.0"', **NOT_AN_INTEGER),
    "string of an exponent": second('"1e9"', **NOT_AN_INTEGER),
    "true": second("true", **NOT_AN_INTEGER),
    "null": second("null", **NOT_AN_INTEGER),
    "missing": says(record(timestamp=None), **NOT_AN_INTEGER),
    "space before": second('" 1767225600"', **NOT_AN_INTEGER),
    "space after": second('"1767225600 "', **NOT_AN_INTEGER),
    "newline after": second(r'"1767225600\n"', **NOT_AN_INTEGER),
    "empty string": second('""', **NOT_AN_INTEGER),
    "string with a leading zero": second('"01767225600"', **NOT_AN_INTEGER),
    "string with a plus": second('"+1767225600"', **NOT_AN_INTEGER),
    "string of two minuses": second('"--1"', **NOT_AN_INTEGER),
    "date": second('"2026-01-01T00:00:00Z"', **NOT_AN_INTEGER),
    "digits that are not ASCII": second('"\u0661\u0662"', **NOT_AN_INTEGER),
    "array": second("[1767225600]", **NOT_AN_INTEGER),
    "object": second('{"a": 1767225600}', **NOT_AN_INTEGER),
    "not an integer, and an id missing": says(
        record(timestamp="1.0", user_id=None),
        **NOT_AN_INTEGER | {"user_id": "", "rules": ["timestamp_is_integer", "user_id_present"]},
    ),
}

KINDS = {
    "click": kind("1", event_type=1),
    "string of 1": kind('"1"', event_type=1),
    "string of 0": kind('"0"'),
    "negative zero": kind("-0"),
    "2": kind("2", event_type=2, rules=["event_type_is_known"]),
    "-1": kind("-1", **NO_TYPE),
    "2^40": kind("1099511627776", **NO_TYPE),
    "2^32 + 1": kind("4294967297", **NO_TYPE),
    "whole float": kind("1.0", **NO_TYPE),
    "exponent": kind("1e0", **NO_TYPE),
    "false": kind("false", **NO_TYPE),
    "word": kind('"x"', **NO_TYPE),
    "empty string": kind('""', **NO_TYPE),
    "space before": kind('" 1"', **NO_TYPE),
    "leading zero": kind('"01"', **NO_TYPE),
    "null": kind("null", **NO_TYPE),
    "missing": says(record(event_type=None), **NO_TYPE),
    "array": kind("[1]", **NO_TYPE),
}

GROUPS: dict[str, dict[str, tuple[str | None, dict[str, Any]]]] = {
    "whole": dict(WHOLE),
    "not one object": NOT_ONE_OBJECT,
    "id": dict(IDS),
    "timestamp": dict(TIMESTAMPS),
    "event_type": dict(KINDS),
}
CASES = {f"{group}: {name}": case for group, cases in GROUPS.items() for name, case in cases.items()}
BAD_BYTES = {"not UTF-8": False, "not known whether UTF-8": None}


@pytest.fixture(scope="module")
def read(spark) -> dict[str, dict[str, Any]]:
    """Every case, read and judged in one job."""
    payloads = {name: payload for name, (payload, _) in CASES.items()} | dict.fromkeys(BAD_BYTES, record())
    rows = pa.table(
        {
            "case": pa.array(payloads, pa.string()),
            "payload": pa.array(payloads.values(), pa.string()),
            "valid_utf8": pa.array([BAD_BYTES.get(name, True) for name in payloads], pa.bool_()),
            "ingested_at": pa.array([INGESTED] * len(payloads), pa.timestamp("us", "UTC")),
        }
    )
    judged = readings(spark.createDataFrame(rows)).drop("payload")
    return {row.case: row.asDict() for row in rules.judged(judged, rules.load("events").row_rules).collect()}


@pytest.mark.parametrize("case", CASES)
def test_reading(read, case):
    expected = CASES[case][1]
    assert {name: read[case][name] for name in expected} == expected


@pytest.mark.parametrize("case", BAD_BYTES)
def test_a_record_that_is_not_utf8_is_refused(read, case):
    assert {name: read[case][name] for name in MALFORMED} == MALFORMED


def test_half_a_surrogate_pair_never_passes_for_a_question_mark(read):
    halves = [name for name in CASES if name.startswith("id: lone")]
    assert len(halves) == 3
    assert not [name for name in halves if "?" in read[name]["banner_id"]]


def test_every_column_of_a_delivery_is_kept(read):
    assert {"case", "valid_utf8", "ingested_at"} <= read["whole: plain"].keys()
