"""Lines that somebody could send, from a seed: events as they should be, and damaged in every way we know.

A damage takes a line and gives a line, in bytes; two lines in five stay whole, the others suffer one damage
or more, one after the other. What each must become is the oracle's to say: nothing here knows a rule.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial

Damage = Callable[[random.Random, bytes], bytes]

SIX = ("timestamp", "event_type", "banner_id", "placement_id", "page_id", "user_id")
FIRST = 1_772_323_200
"""2026-03-01T00:00:00Z, where the hours of the whole events begin."""
HOURS = 30

BOM = b"\xef\xbb\xbf"
SURROGATES = (
    *(b"\\ud800", b"\\udfff", b"\\udbff\\ud800", b"\\ude00\\ud83d", b"\\\\ud800", b"\\uD83D\\uDE00"),
    *(b"\\ud83d\\ude00\\ude00", b"\\\\\\ud800", b"\\ud83dx\\ude00", b"\\uD83D\\u0041"),
)
NOT_UTF8 = (
    *(b"\xff", b"\xfe\xff", b"\xc0\xaf", b"\x80", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x8e", b"\xed\xa0\x80"),
    *(
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xe0\x80\x80",
        b"\xed\xa0\xbd\xed\xb8\x80",
        b"\xc1\xbf",
    ),
)
CONTROLS = (b"\0", b"\x01", b"\x0b", b"\x0c", b"\x1f", b"\x7f", b"\r", b"\t", b"\x08", b"\x1b[31m")
CONTROLS_ESCAPED = (b"\\u0000", b"\\n", b"\\t", b"\\u001f", b"\\u007f", b"\\b", b"\\u0009", b"\\r")
SPACES = tuple(sign.encode() for sign in "\u00a0\u2028\u2029\u0085\ufeff\u200b\u3000\u1680\u202e")
NUMBERS = (
    *(
        b"0",
        b"-0",
        b"00",
        b"01",
        b"-1",
        b"+1",
        b"1.0",
        b"1.",
        b".5",
        b"1e0",
        b"1E0",
        b"1e3",
        b"1e400",
        b"-0.0",
    ),
    *(b"0x1F", b"1_000", b"1,000", b"0b1", b"1L", b"1f", b"- 1", b"--1", b"1-", b"1e", b"1e+", b"1.5e-3"),
    *(b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808", b"-9223372036854775809"),
    *(b"18446744073709551616", b"340282366920938463463374607431768211456", b"4294967296", b"2147483648"),
    *(b"1772323200000", b"1772323200000000", b"1772323200.0", b"1772323200.5", b"1.7723232e9", b"17723232e2"),
    *(
        b"946684799",
        b"946684800",
        b"-946684800",
        b"32503680000",
        b"253402300800",
        b"-62135596801",
        b"1772323200",
    ),
    *(b"NaN", b"nan", b"Infinity", b"-Infinity", b"+Infinity", b"INF", b"1" + b"0" * 400),
    *("\u0661".encode(), "\uff11".encode(), b"1\xc2\xa0", "\u00b2".encode(), "\u2212\u0031".encode()),
)
VALUES = (
    *(
        b"true",
        b"false",
        b"null",
        b"True",
        b"None",
        b"undefined",
        b"[]",
        b"{}",
        b"[0]",
        b'["b1"]',
        b'{"a":1}',
    ),
    *(
        b'""',
        b'" "',
        b'"   "',
        b'" b1"',
        b'"b1 "',
        b"'b1'",
        b"b1",
        b'"b\\"1"',
        b'"\\u0062\\u0031"',
        b'"\\x62"',
    ),
    *(b'"' + b"x" * 256 + b'"', b'"' + b"x" * 257 + b'"', '"\U0001f3af"'.encode(), b'"\\/"', b'"\\a"'),
    *(('"' + "\U0001f3af" * 256 + '"').encode(), ('"' + "\U0001f3af" * 257 + '"').encode()),
    *(b'"' + space + b'"' for space in SPACES),
)
WORDS = (b"xyz", b",", b"}", b"{", b"]", b"[", b'"', b"null", b"0", b"//", b"/**/", b"#", b"\\", b":", b";")


def lines(chance: random.Random, count: int) -> Iterator[bytes]:
    """So many lines, without their ends; a damage may have put an end inside one."""
    for _ in range(count):
        line = whole(chance)
        if chance.random() < 0.6:
            line = damaged(chance, line)
        yield line


def content(chance: random.Random, count: int) -> bytes:
    """A file of so many lines, with or without a byte-order mark and a last end; ends are of both kinds."""
    ends = (b"\n", b"\n", b"\n", b"\n", b"\r\n")
    held = b"".join(line + chance.choice(ends) for line in lines(chance, count))
    before = BOM if chance.random() < 0.3 else b""
    return before + (held.removesuffix(b"\n") if chance.random() < 0.5 else held)


def whole(chance: random.Random) -> bytes:
    """A valid event; many are sent again, for the values are few."""
    digits = {"timestamp": FIRST + chance.randrange(HOURS * 60) * 60, "event_type": chance.random() < 0.2}
    quote = chance.choice(("", "", "", '"'))
    members = [f'"{name}":{quote}{int(value)}{quote}' for name, value in digits.items()]
    ids = zip(SIX[2:], (2, 3, 4, 5), strict=True)
    members += [f'"{name}":"{name[0]}{chance.randrange(of)}"' for name, of in ids]
    if chance.random() < 0.1:
        members[chance.randrange(2, 6)] = f'"{chance.choice(SIX[2:])}":{chance.randrange(100)}'
    if chance.random() < 0.1:
        extra = ('"extra":"x"', '"n":[1,{"a":null}]', '"Timestamp":1', '"":0', '"\\ud800":1', '"seal":"x"')
        members.insert(chance.randrange(7), chance.choice(extra))
    if chance.random() < 0.2:
        chance.shuffle(members)
    comma, before, after = chance.choice(((",", "", ""), (",", "", ""), (", ", "", ""), (" , ", " ", "\t")))
    text = before + "{" + comma.join(members) + "}" + after
    return (text.replace('":', '": ', 6) if chance.random() < 0.3 else text).encode()


def damaged(chance: random.Random, line: bytes) -> bytes:
    """The line after one damage, or several."""
    line = chance.choice(DAMAGES)(chance, line)
    while chance.random() < 0.2:
        line = chance.choice(DAMAGES)(chance, line)
    return line


def _flipped(chance: random.Random, line: bytes) -> bytes:
    if not line:
        return line
    held = bytearray(line)
    for _ in range(chance.choice((1, 1, 1, 2, 8))):
        held[chance.randrange(len(held))] ^= 1 << chance.randrange(8)
    return bytes(held)


def _truncated(chance: random.Random, line: bytes) -> bytes:
    place = chance.randint(0, len(line))
    return line[:place] if chance.random() < 0.7 else line[place:]


def _cut(chance: random.Random, line: bytes) -> bytes:
    start = chance.randint(0, len(line))
    return line[:start] + line[start + chance.randint(1, 12) :]


def _put_in(pieces: tuple[bytes, ...], chance: random.Random, line: bytes) -> bytes:
    place = chance.choice((0, len(line), chance.randint(0, len(line)), chance.randint(0, len(line))))
    return line[:place] + chance.choice(pieces) + line[place:]


def _in_an_id(pieces: tuple[bytes, ...], chance: random.Random, line: bytes) -> bytes:
    """Put in behind a quote, where most often a name or a value begins."""
    quotes = [place for place, sign in enumerate(line) if sign == ord('"')]
    place = chance.choice(quotes) + 1 if quotes else 0
    return line[:place] + chance.choice(pieces) + line[place:]


def _revalued(values: tuple[bytes, ...], chance: random.Random, line: bytes) -> bytes:
    """Another value for one field, sometimes as a string."""
    before, name, after = line.partition(b'"' + chance.choice(SIX).encode() + b'":')
    value = chance.choice(values)
    if chance.random() < 0.3 and not value.startswith(b'"'):
        value = b'"' + value + b'"'
    comma = after.find(b",")
    rest = after[comma:] if comma >= 0 else b"}"
    return before + name + value + rest


def _renamed(chance: random.Random, line: bytes) -> bytes:
    name = chance.choice(SIX)
    escaped = f"\\u{ord(name[0]):04x}{name[1:]}"
    other = chance.choice((name.upper(), name.title(), f" {name}", f"{name} ", name[:-1], escaped))
    return line.replace(f'"{name}"'.encode(), f'"{other}"'.encode(), 1)


def _twice(chance: random.Random, line: bytes) -> bytes:
    """A key once more: one of ours, written plainly or with an escape, or one that is not ours."""
    name = chance.choice((*SIX, "user\\u005fid", "tim\\u0065stamp", "other"))
    value = chance.choice(("1", "null", '"u1"', "0"))
    member = f'"{name}":{value}'.encode()
    if chance.random() < 0.5:
        return line.replace(b"{", b"{" + member + b",", 1)
    last = line.rfind(b"}")
    return line[:last] + b"," + member + line[last:]


def _concatenated(chance: random.Random, line: bytes) -> bytes:
    between = chance.choice((b"", b" ", b",", b"\t", b"\r", b"\n", b"]", b'{"seal":"x"}', b"\0", b"\x1e"))
    return line + between + chance.choice((line, whole(chance), b"{}", b"[]", b"1", b"x"))


def _nested(chance: random.Random, line: bytes) -> bytes:
    """Brackets within brackets, in a field that is not ours, in one of ours, or around it all."""
    deep = chance.choice((1, 2, 10, 100, 400))
    opening, closing = chance.choice(((b"[", b"]"), (b'{"a":', b"}")))
    inside = (
        opening * deep
        + chance.choice((b"1", b"", b'"timestamp"'))
        + closing * chance.choice((deep, deep - 1))
    )
    way = chance.randrange(3)
    if way == 0:
        return line.replace(b"{", b'{"deep":' + inside + b",", 1)
    if way == 1:
        return _revalued((inside,), chance, line)
    return opening * deep + line + closing * deep


def _spread(_: random.Random, line: bytes) -> bytes:
    """A bare carriage return between every two members."""
    return line.replace(b",", b",\r")


def _blank(chance: random.Random, _line: bytes) -> bytes:
    return chance.choice((b"", b" ", b"\t\t", b"\r", b" \r", b"\x0b", b"\x0c ", BOM, b"\0", b"\xc2\xa0"))


DAMAGES: tuple[Damage, ...] = (
    _flipped,
    _flipped,
    _truncated,
    _cut,
    partial(_put_in, WORDS),
    partial(_put_in, CONTROLS),
    partial(_put_in, NOT_UTF8),
    partial(_put_in, (BOM, *SPACES)),
    partial(_put_in, NUMBERS),
    partial(_in_an_id, SURROGATES),
    partial(_in_an_id, NOT_UTF8),
    partial(_in_an_id, CONTROLS),
    partial(_in_an_id, CONTROLS_ESCAPED),
    partial(_in_an_id, SPACES),
    partial(_revalued, NUMBERS),
    partial(_revalued, NUMBERS),
    partial(_revalued, VALUES),
    partial(_revalued, SURROGATES),
    _renamed,
    _twice,
    _concatenated,
    _nested,
    _spread,
    _blank,
)


def long_lines(size: int) -> dict[str, bytes]:
    """Lines of that many bytes: an event with a long unknown field, the same cut short, one id far too long,
    brackets to no end, and no JSON at all.
    """
    event = (
        b'{"timestamp":%d,"event_type":0,"banner_id":"b","placement_id":"p","page_id":"g","user_id":"u"'
        % FIRST
    )
    return {
        "an unknown field": event + b',"long":"' + b"x" * size + b'"}',
        "cut short": event + b',"long":"' + b"x" * size,
        "an id": event.replace(b'"u"', b'"' + b"u" * size + b'"') + b"}",
        "brackets": event + b',"deep":' + b"[" * size + b"}",
        "no JSON": b"y" * size,
    }
