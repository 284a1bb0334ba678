"""One file judged alone, without Spark: what is staged of it, or why it is set aside whole."""

from __future__ import annotations

import datetime
import decimal
import errno
import functools
import gzip
import hashlib
import io
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bronze.judge
from bronze.judge import Judged, judge
from bronze.landing import Found, survey

NAMES = "timestamp,event_type,banner_id,placement_id,page_id,user_id"
HEADER = NAMES.encode() + b"\r\n"
MARK = b"\xef\xbb\xbf"


@pytest.fixture
def staging(home):
    home.staging.mkdir(parents=True)
    return home.staging


@pytest.fixture
def judged(home, put, staging):
    """Judges one delivery: `judged(name, content)`."""

    def judge_one(name: str, content: bytes, known: frozenset[str] = frozenset()) -> Judged:
        put(name, content)
        [found] = survey(home)
        return judge(found, known, staging, 7)

    return judge_one


def lines(judged: Judged) -> list[bytes]:
    assert judged.problem is None
    assert judged.staged is not None
    content = judged.staged.read_bytes()
    if judged.staged.suffix == ".gz":
        content = gzip.decompress(content)
    return content.splitlines(keepends=True)


def record(**changed: str) -> bytes:
    """A staged CSV row; each case names only what it changes."""
    values = {
        "timestamp": "1772323200",
        "event_type": "0",
        "banner_id": "b1",
        "placement_id": "pl1",
        "page_id": "pg1",
        "user_id": "u1",
    } | changed
    return ("{" + ",".join(f'"{name}":"{value}"' for name, value in values.items()) + "}\n").encode()


# JSON Lines


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="no-records"),
        pytest.param(b'{"a":1}\n', id="one"),
        pytest.param(b'{"a":1}\r\n\r\n \t\nx', id="anything"),
        pytest.param(b"\xff\xfa\x00\n", id="not-text"),
        pytest.param(MARK + b'{"a":1}\n', id="mark"),
    ],
)
def test_json_lines_are_staged_as_they_are(judged, content):
    one = judged("a.jsonl", content)
    assert (one.problem, one.unreadable) == (None, None)
    assert one.fingerprint == hashlib.sha256(content).hexdigest()
    assert one.staged.name == "00000007.jsonl"
    assert one.staged.read_bytes() == content


def test_json_lines_are_not_copied(judged, home):
    one = judged("a.jsonl", b"{}\n")
    assert one.staged.samefile(home.landing / "a.jsonl")


def test_a_linked_delivery_is_staged_by_what_it_leads_to(home, put, staging):
    put("../elsewhere/a.jsonl", b"{}\n")
    (home.landing / "b.jsonl").symlink_to("../elsewhere/a.jsonl")
    [found] = survey(home)
    assert lines(judge(found, frozenset(), staging, 7)) == [b"{}\n"]


def test_on_another_disk_a_link_must_do(judged, home, monkeypatch):
    def refused(*_):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refused)
    one = judged("a.jsonl", b"{}\n")
    assert one.staged.is_symlink()
    assert one.staged.resolve() == (home.landing / "a.jsonl").resolve()


def test_known_bytes_are_not_staged_again(judged, staging):
    known = hashlib.sha256(b"{}\n").hexdigest()
    one = judged("a.jsonl", b"{}\n", frozenset({"other", known}))
    assert (one.fingerprint, one.staged, one.problem) == (known, None, None)
    assert list(staging.iterdir()) == []


def test_other_bytes_than_the_known_are_staged(judged):
    assert lines(judged("a.jsonl", b"[]\n", frozenset({"other"}))) == [b"[]\n"]


# gzip

PLAIN = b'{"a":1}\n{"a":2}\n'
# The time is a part of a test's name where content is a parameter: two workers must come to one name.
zipped = functools.partial(gzip.compress, mtime=0)
ZIPPED = zipped(PLAIN)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(ZIPPED, id="one-member"),
        pytest.param(zipped(b'{"a":1}\n') + zipped(b'{"a":2}\n'), id="two-members"),
        pytest.param(
            zipped(b'{"a":') + zipped(b"") + zipped(b'1}\n{"a":2}\n'),
            id="a-member-ends-anywhere",
        ),
    ],
)
def test_whole_gzip(judged, content):
    assert lines(judged("a.jsonl.gz", content)) == [b'{"a":1}\n', b'{"a":2}\n']


def test_a_gzip_of_nothing_holds_no_records(judged):
    assert lines(judged("a.jsonl.gz", zipped(b""))) == []


def test_much_in_little_gzip(judged):
    """Output waits inside the decompressor when its input is used up: that is no truncation."""
    plain = b" " * (5 << 20) + b"\n"
    assert lines(judged("a.jsonl.gz", zipped(plain, 9))) == [plain]


@pytest.mark.parametrize("cut", [1, 9, 10, 11, 15, 20, len(ZIPPED) - 9, len(ZIPPED) - 8, len(ZIPPED) - 1])
def test_truncated_gzip(judged, cut):
    one = judged("a.jsonl.gz", ZIPPED[:cut])
    assert one.staged is None
    assert one.problem == (
        "its name says jsonl, gzip-compressed, its content is not gzip"
        if cut == 1
        else "its gzip content is truncated"
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(ZIPPED + b"garbage", "incorrect header check", id="text-after"),
        pytest.param(ZIPPED + bytes(512), "incorrect header check", id="zeros-after"),
        pytest.param(ZIPPED[:-8] + b"\0\0\0\0" + ZIPPED[-4:], "incorrect data check", id="checksum"),
        pytest.param(ZIPPED[:-4] + b"\0\0\0\0", "incorrect length check", id="length"),
        pytest.param(ZIPPED[:10] + b"\xff" * 20, "invalid block type", id="junk-inside"),
    ],
)
def test_damaged_gzip(judged, content, why):
    one = judged("a.jsonl.gz", content)
    assert (one.staged, one.problem) == (
        None,
        f"its gzip content is damaged (Error -3 while decompressing data: {why})",
    )


# A name that promises something else


def parquet(columns=None, **changed) -> bytes:
    table = columns or {
        "timestamp": pa.array([1772323200], pa.int64()),
        "event_type": pa.array([0], pa.int32()),
        "banner_id": pa.array(["b1"]),
        "placement_id": pa.array(["pl1"]),
        "page_id": pa.array(["pg1"]),
        "user_id": pa.array(["u1"]),
    }
    table = {name: column for name, column in (table | changed).items() if column is not None}
    into = io.BytesIO()
    pq.write_table(pa.table(table), into)
    return into.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.jsonl", ZIPPED, "its name says jsonl, its content is gzip"),
        ("a.csv", ZIPPED, "its name says csv, its content is gzip"),
        ("a.parquet", ZIPPED, "its name says parquet, its content is not Parquet"),
        ("a.jsonl.gz", PLAIN, "its name says jsonl, gzip-compressed, its content is not gzip"),
        ("a.csv.gz", HEADER, "its name says csv, gzip-compressed, its content is not gzip"),
        ("a.jsonl", parquet(), "its name says jsonl, its content is Parquet"),
        ("a.csv", parquet(), "its name says csv, its content is Parquet"),
        (
            "a.csv.gz",
            zipped(parquet()),
            "its name says csv, gzip-compressed; uncompressed, its content is Parquet",
        ),
        (
            "a.jsonl.gz",
            zipped(ZIPPED),
            "its name says jsonl, gzip-compressed; uncompressed, its content is gzip",
        ),
        ("a.parquet", PLAIN, "its name says parquet, its content is not Parquet"),
        (
            "a.jsonl",
            PLAIN.decode().encode("utf-16"),
            "its name says jsonl, its content is UTF-16; only UTF-8 is read",
        ),
        (
            "a.csv",
            b"\xfe\xff" + NAMES.encode("utf-16-be"),
            "its name says csv, its content is UTF-16; only UTF-8 is read",
        ),
        (
            "a.csv.gz",
            zipped(NAMES.encode("utf-16")),
            "its name says csv, gzip-compressed; uncompressed, its content is UTF-16; only UTF-8 is read",
        ),
        ("a.csv", b"", "its name says csv, it is empty (0 bytes)"),
        ("a.parquet", b"", "its name says parquet, it is empty (0 bytes)"),
        ("a.jsonl.gz", b"", "its name says jsonl, gzip-compressed, it is empty (0 bytes)"),
        ("a.csv.gz", b"", "its name says csv, gzip-compressed, it is empty (0 bytes)"),
    ],
)
def test_not_what_its_name_says(judged, name, content, problem):
    one = judged(name, content)
    assert (one.problem, one.staged) == (problem, None)
    assert one.fingerprint == hashlib.sha256(content).hexdigest()


# CSV


@pytest.mark.parametrize(
    ("content", "staged"),
    [
        pytest.param(HEADER, [], id="no-rows"),
        pytest.param(NAMES.encode(), [], id="a-header-without-newline"),
        pytest.param(HEADER + b"1772323200,0,b1,pl1,pg1,u1\r\n", [record()], id="crlf"),
        pytest.param(NAMES.encode() + b"\n1772323200,0,b1,pl1,pg1,u1\n", [record()], id="lf"),
        pytest.param(HEADER + b"1772323200,0,b1,pl1,pg1,u1", [record()], id="no-newline-at-the-end"),
        pytest.param(MARK + HEADER + b"1772323200,0,b1,pl1,pg1,u1\r\n", [record()], id="mark"),
        pytest.param(
            MARK + b'"timestamp",event_type,banner_id,placement_id,page_id,user_id\n1,0,b1,pl1,pg1,u1\n',
            [record(timestamp="1")],
            id="mark-before-a-quote",
        ),
        pytest.param(
            b"user_id,timestamp,page_id,event_type,placement_id,banner_id\r\nu1,1772323200,pg1,0,pl1,b1\r\n",
            [
                (
                    b'{"user_id":"u1","timestamp":"1772323200","page_id":"pg1","event_type":"0",'
                    b'"placement_id":"pl1","banner_id":"b1"}\n'
                )
            ],
            id="columns-in-any-order",
        ),
        pytest.param(
            b"extra,more column," + HEADER + b"x,,1772323200,0,b1,pl1,pg1,u1\r\n",
            [b'{"extra":"x","more column":"",' + record()[1:]],
            id="more-columns",
        ),
        pytest.param(HEADER + b'"1772323200","0","b1","pl1","pg1","u1"\r\n', [record()], id="quoted"),
        pytest.param(
            HEADER + b'1772323200,0,"b,1","p ""l"" 1","pg\n1","u\r\n1"\r\n',
            [record(banner_id="b,1", placement_id='p \\"l\\" 1', page_id="pg\\n1", user_id="u\\r\\n1")],
            id="commas-quotes-and-newlines-inside",
        ),
        pytest.param(
            HEADER + b'1772323200,0,b1,p"l"1,pg1,u1\r\n',
            [record(placement_id='p\\"l\\"1')],
            id="a-quote-inside",
        ),
        pytest.param(
            HEADER + b" 1772323200,0,b1 , ,,u1\r\n",
            [record(timestamp=" 1772323200", banner_id="b1 ", placement_id=" ", page_id="")],
            id="nothing-is-trimmed",
        ),
        pytest.param(HEADER + b"\r\n1772323200,0,b1,pl1,pg1,u1\r\n\r\n \r\n", [record()], id="blank-lines"),
        pytest.param(
            HEADER + b"1772323200,0,b1,pl1,pg1\r\n",
            [b'["1772323200","0","b1","pl1","pg1"]\n'],
            id="a-short-row",
        ),
        pytest.param(
            HEADER + b"1772323200,0,b1,pl1,pg1,u1,\r\n",
            [b'["1772323200","0","b1","pl1","pg1","u1",""]\n'],
            id="a-long-row",
        ),
        pytest.param(HEADER + b"nonsense\r\n", [b'["nonsense"]\n'], id="a-row-of-one-field"),
        pytest.param(
            HEADER + b",,,,,\r\n",
            [record(timestamp="", event_type="", banner_id="", placement_id="", page_id="", user_id="")],
            id="a-row-of-nothing",
        ),
        pytest.param(
            HEADER + "1772323200,0,b1,pl1,pg1,ü✓\u2028🎯\r\n".encode(),
            [
                '{"timestamp":"1772323200","event_type":"0","banner_id":"b1","placement_id":"pl1","page_id":"pg1","user_id":"ü✓\u2028🎯"}\n'.encode()
            ],
            id="unicode",
        ),
        pytest.param(
            HEADER + b"1772323200,0,b1,pl1,pg1,u\x00\x1f\x7f\\1\r\n",
            [record(user_id="u\\u0000\\u001f\x7f\\\\1")],
            id="control-characters",
        ),
        pytest.param(
            HEADER + b"1772323200,0,b1,pl1,pg1,u\xff\xc3\r\n1772323200,0,b1,pl1,pg1,u1\r\n",
            [
                (
                    b'{"timestamp": "1772323200", "event_type": "0", "banner_id": "b1", '
                    b'"placement_id": "pl1", "page_id": "pg1", "user_id": "u\xff\xc3"}\n'
                ),
                record(),
            ],
            id="bytes-that-are-not-utf8-stay",
        ),
    ],
)
def test_csv(judged, content, staged):
    one = judged("a.csv", content)
    assert one.problem is None
    assert one.staged.read_bytes() == b"".join(staged)


def test_csv_compressed(judged):
    content = HEADER + b"1772323200,0,b1,pl1,pg1,u1\r\n"
    half = len(content) // 2
    one = judged("a.csv.gz", zipped(content[:half]) + zipped(content[half:]))
    assert lines(one) == [record()]


def test_csv_row_longer_than_any_buffer(judged):
    long = "x" * (3 << 20)
    assert lines(judged("a.csv", HEADER + f'1772323200,0,b1,pl1,pg1,"{long}"\r\n'.encode())) == [
        record(user_id=long)
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(
            b"timestamp,event_type,banner_id,placment_id,page_id,user_id\r\n",
            "the header lacks placement_id "
            "(found: timestamp, event_type, banner_id, placment_id, page_id, user_id)",
            id="missing-column",
        ),
        pytest.param(
            b"Timestamp,event_type,banner_id,placement_id, page_id,user_id\r\n",
            "the header lacks timestamp, page_id "
            "(found: Timestamp, event_type, banner_id, placement_id,  page_id, user_id)",
            id="names-are-exact",
        ),
        pytest.param(
            b"1772323200,0,b1,pl1,pg1,u1\r\n",
            "the header lacks timestamp, event_type, banner_id, placement_id, page_id, user_id "
            "(found: 1772323200, 0, b1, pl1, pg1, u1)",
            id="no-header",
        ),
        pytest.param(
            NAMES.replace(",", ";").encode(),
            "the header lacks timestamp, event_type, banner_id, placement_id, page_id, user_id "
            "(found: timestamp;event_type;banner_id;placement_id;page_id;user_id)",
            id="semicolons",
        ),
        pytest.param(
            b"user_id,x,x,,," + HEADER,
            "the header has user_id, x, (no name) more than once "
            "(found: user_id, x, x, (no name), (no name), timestamp, "
            "event_type, banner_id, placement_id, page_id, user_id)",
            id="repeated-column",
        ),
        pytest.param(
            b"gr\xf6\xdfe,\x1b[2J\x07,event_type,banner_id,placement_id,page_id,user_id\r\n",
            "the header lacks timestamp (found: "
            "gr\ufffd\ufffde, \ufffd[2J\ufffd, event_type, banner_id, placement_id, page_id, user_id)",
            id="a-header-of-any-bytes",
        ),
        pytest.param(
            b"\r\n" + HEADER,
            "it has no header row "
            "(expected: timestamp, event_type, banner_id, placement_id, page_id, user_id)",
            id="a-blank-line-first",
        ),
        pytest.param(
            MARK,
            "it has no header row "
            "(expected: timestamp, event_type, banner_id, placement_id, page_id, user_id)",
            id="a-mark-alone",
        ),
        pytest.param(
            HEADER + b'1772323200,0,b1,pl1,pg1,"u1\r\n1772323200,0,b1,pl1,pg1,u2\r\n',
            "line 3 is not CSV (unexpected end of data)",
            id="unclosed-quote",
        ),
        pytest.param(
            HEADER + b'1772323200,0,b1,pl1,"pg"1,u1\r\n',
            "line 2 is not CSV (',' expected after '\"')",
            id="text-after-a-quote",
        ),
    ],
)
def test_csv_that_is_none(judged, content, problem):
    one = judged("a.csv", content)
    assert (one.problem, one.staged) == (problem, None)


def test_a_long_header_is_cut_short(judged):
    assert len(judged("a.csv", b"x" * 100_000 + b"," * 100_000).problem) < 500


def test_csv_compressed_and_truncated(judged):
    whole = zipped(HEADER + b"1772323200,0,b1,pl1,pg1,u1\r\n")
    assert judged("a.csv.gz", whole[:-3]).problem == "its gzip content is truncated"


# Parquet

PARQUET_RECORD = (
    b'{"timestamp":1772323200,"event_type":0,"banner_id":"b1",'
    b'"placement_id":"pl1","page_id":"pg1","user_id":"u1"}\n'
)


def test_parquet(judged):
    assert lines(judged("a.parquet", parquet())) == [PARQUET_RECORD]


def test_parquet_without_rows(judged):
    into = io.BytesIO()
    pq.write_table(pq.read_table(io.BytesIO(parquet())).slice(0, 0), into)
    assert lines(judged("a.parquet", into.getvalue())) == []


@pytest.mark.parametrize(
    ("column", "values", "written"),
    [
        pytest.param("user_id", pa.array([17], pa.int64()), b"17", id="integer-id"),
        pytest.param("user_id", pa.array([2**64 - 1], pa.uint64()), b"18446744073709551615", id="large-id"),
        pytest.param("user_id", pa.array(["u1"], pa.large_string()), b'"u1"', id="large-string"),
        pytest.param("user_id", pa.array(["u1"], pa.string_view()), b'"u1"', id="string-view"),
        pytest.param("user_id", pa.array(["u1"]).dictionary_encode(), b'"u1"', id="dictionary"),
        pytest.param("user_id", pa.array([None], pa.string()), b"null", id="null"),
        pytest.param("user_id", pa.array([None], pa.null()), b"null", id="nothing-but-nulls"),
        pytest.param(
            "user_id", pa.array(['"\n\x00\u2028é']), '"\\"\\n\\u0000\u2028é"'.encode(), id="hostile"
        ),
        pytest.param("timestamp", pa.array(["1772323200"]), b'"1772323200"', id="time-as-text"),
        pytest.param("timestamp", pa.array([1772323200], pa.uint32()), b"1772323200", id="unsigned"),
        pytest.param("event_type", pa.array([0], pa.int8()), b"0", id="small"),
        pytest.param("timestamp", pa.array([None], pa.int64()), b"null", id="null-time"),
    ],
)
def test_parquet_types_of_ours(judged, column, values, written):
    [line] = lines(judged("a.parquet", parquet(**{column: values})))
    assert f'"{column}":'.encode() + written in line


def test_parquet_text_that_is_not_utf8(judged):
    ids = pa.array([b"u\xff"]).view(pa.string())
    [line] = lines(judged("a.parquet", parquet(user_id=ids)))
    assert line.endswith(b'"user_id": "u\xff"}\n')


@pytest.mark.parametrize(
    ("extra", "written"),
    [
        pytest.param(pa.array([datetime.time(12, 30, 0, 5)]), b'"12:30:00.000005"', id="time"),
        pytest.param(pa.array([datetime.date(2026, 3, 1)]), b'"2026-03-01"', id="date"),
        pytest.param(pa.array([datetime.datetime(2026, 3, 1)]), b'"2026-03-01T00:00:00"', id="timestamp"),  # noqa: DTZ001
        pytest.param(
            pa.array([1], pa.timestamp("ns", "UTC")), b'"1970-01-01 00:00:00.000000001+00:00"', id="ns"
        ),
        pytest.param(pa.array([datetime.timedelta(seconds=90)]), b'"0:01:30"', id="duration"),
        pytest.param(pa.array([decimal.Decimal("1.50")]), b'"1.50"', id="decimal"),
        pytest.param(pa.array([b"\x00\xff"]), b'"AP8="', id="binary"),
        pytest.param(pa.array([1.5]), b"1.5", id="float"),
        pytest.param(pa.array([float("nan")]), b"null", id="nan"),
        pytest.param(pa.array([float("inf")]), b"null", id="infinity"),
        pytest.param(pa.array([1.5], pa.float16()), b"1.5", id="half"),
        pytest.param(pa.array([True]), b"true", id="boolean"),
        pytest.param(
            pa.array([{"a": [1, None], "b": {"c": "x"}}]), b'{"a":[1,null],"b":{"c":"x"}}', id="nested"
        ),
        pytest.param(pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int32())), b'[["k",1]]', id="map"),
        pytest.param(
            pa.array([10**15], pa.timestamp("ms")),
            b'"[ <value out of range: 1000000000000000> ]"',
            id="year-33658",
        ),
        pytest.param(
            pa.array([[10**15]], pa.list_(pa.timestamp("ms"))),
            b'"[ [ <value out of range: 1000000000000000> ] ]"',
            id="nested-out-of-range",
        ),
        pytest.param(pa.array([None], pa.null()), b"null", id="null"),
    ],
)
def test_parquet_columns_nobody_needs_do_no_harm(judged, extra, written):
    content = parquet(extra=extra)
    assert lines(judged("a.parquet", content)) == [PARQUET_RECORD[:-2] + b',"extra":' + written + b"}\n"]


WHOLE = parquet()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(
            parquet(user_id=None),
            "its schema lacks user_id (found: timestamp, event_type, banner_id, placement_id, page_id)",
            id="missing-column",
        ),
        pytest.param(
            parquet(timestamp=pa.array([1772323200.0])),
            "the column timestamp holds double (expected: integer or string)",
            id="double-time",
        ),
        pytest.param(
            parquet(timestamp=pa.array([1], pa.timestamp("ms"))),
            "the column timestamp holds timestamp[ms] (expected: integer or string)",
            id="a-true-timestamp",
        ),
        pytest.param(
            parquet(event_type=pa.array([True])),
            "the column event_type holds bool (expected: integer or string)",
            id="boolean-type",
        ),
        pytest.param(
            parquet(user_id=pa.array([b"u1"])),
            "the column user_id holds binary (expected: integer or string)",
            id="binary-id",
        ),
        pytest.param(
            parquet(page_id=pa.array([["x"]])),
            "the column page_id holds list<element: string> (expected: integer or string)",
            id="nested-id",
        ),
        pytest.param(
            parquet(user_id=pa.array([1.0]).dictionary_encode()),
            "the column user_id holds double (expected: integer or string)",
            id="dictionary-of-doubles",
        ),
    ],
)
def test_parquet_of_other_columns(judged, content, problem):
    one = judged("a.parquet", content)
    assert (one.problem, one.staged) == (problem, None)


def test_parquet_that_repeats_a_column(judged):
    table = pq.read_table(io.BytesIO(WHOLE))
    into = io.BytesIO()
    pq.write_table(table.append_column("user_id", pa.array(["u2"])), into)
    assert judged("a.parquet", into.getvalue()).problem == (
        "its schema has user_id more than once "
        "(found: timestamp, event_type, banner_id, placement_id, page_id, user_id, user_id)"
    )


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"PAR1", id="magic-alone"),
        pytest.param(b"PAR1" + b"junk" * 100, id="junk"),
        pytest.param(b"PAR1" + b"junk" * 100 + b"PAR1", id="junk-between-magic"),
        pytest.param(WHOLE[:-1], id="last-byte-gone"),
        pytest.param(WHOLE[: len(WHOLE) // 2], id="half"),
        pytest.param(WHOLE[:4] + b"\xff" * 60 + WHOLE[64:], id="damaged-page"),
    ],
)
def test_parquet_that_is_damaged(judged, content):
    one = judged("a.parquet", content)
    assert one.staged is None
    assert one.problem.startswith("it is not a whole Parquet file (")
    assert "\n" not in one.problem


# Files that change, go or refuse while they are read


@pytest.fixture
def found(home, put) -> Found:
    put("a.jsonl", b"{}\n")
    [found] = survey(home)
    return found


def test_a_withdrawn_file_is_no_delivery(found, staging):
    found.path.unlink()
    assert judge(found, frozenset(), staging, 7) == Judged(found)


def test_a_file_that_cannot_be_opened_is_told(found, staging, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(found.path))

    monkeypatch.setattr(Path, "open", refused)
    assert judge(found, frozenset(), staging, 7) == Judged(found, unreadable="Permission denied")


def test_a_file_found_unreadable_is_told(found, staging):
    wrong = Found(found.source, found.path, unreadable="it is no regular file")
    assert judge(wrong, frozenset(), staging, 7) == Judged(wrong, unreadable="it is no regular file")


class Failing(io.BytesIO):
    """A file on a disk that dies after its first bytes."""

    def read(self, *_):
        if self.tell():
            raise OSError(errno.EIO, "Input/output error")
        return super().read(2)


def test_a_file_that_cannot_be_read_to_its_end_is_told(found, staging, monkeypatch):
    monkeypatch.setattr(Path, "open", lambda *_, **__: Failing(b"{}\n"))
    assert judge(found, frozenset(), staging, 7) == Judged(found, unreadable="Input/output error")


def test_a_file_replaced_while_it_is_read_gives_the_bytes_that_were_judged(found, staging, put, monkeypatch):
    check = bronze.judge._check_content

    def then_replaced(*given):
        check(*given)
        put("b.tmp", b"[1]\n").rename(found.path)

    monkeypatch.setattr(bronze.judge, "_check_content", then_replaced)
    one = judge(found, frozenset(), staging, 7)
    assert one.fingerprint == hashlib.sha256(b"{}\n").hexdigest()
    assert lines(one) == [b"{}\n"]


def test_a_file_withdrawn_while_it_is_read_gives_the_bytes_that_were_judged(found, staging, monkeypatch):
    check = bronze.judge._check_content

    def then_withdrawn(*given):
        check(*given)
        found.path.unlink()

    monkeypatch.setattr(bronze.judge, "_check_content", then_withdrawn)
    assert lines(judge(found, frozenset(), staging, 7)) == [b"{}\n"]


def test_trouble_with_the_staging_disk_is_no_fault_of_the_delivery(found, staging):
    staging.rmdir()
    with pytest.raises(OSError, match="No such file or directory"):
        judge(found, frozenset(), staging, 7)
