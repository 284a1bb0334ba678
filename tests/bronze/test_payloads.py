"""What of a delivered file stands in bronze.events: every record verbatim, whatever its bytes.

Every case is one file of one batch, taken once for all of them.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from bronze.ingest import arrivals, ingest, judge_all
from conf import warehouse
from conf.home import Home
from conf.tables import BRONZE_EVENTS

Payloads = dict[str, list[tuple[str, bool]]]

MARK = b"\xef\xbb\xbf"
LONG = "x" * (5 << 20)
HEADER = b"timestamp,event_type,banner_id,placement_id,page_id,user_id\n"
ROW = b"1772323200,0,b1,pl1,pg1,u1\n"
FROM_CSV = (
    '{"timestamp":"1772323200","event_type":"0","banner_id":"b1",'
    '"placement_id":"pl1","page_id":"pg1","user_id":"u1"}'
)
FROM_CSV_NOT_UTF8 = (
    '{"timestamp": "1772323200", "event_type": "0", "banner_id": "b1", '
    '"placement_id": "pl1", "page_id": "pg1", "user_id": "u\ufffd"}'
)
FROM_PARQUET = FROM_CSV.replace('"1772323200"', "1772323200").replace('"0"', "0")


def parquet() -> bytes:
    into = io.BytesIO()
    row = {"banner_id": ["b1"], "placement_id": ["pl1"], "page_id": ["pg1"], "user_id": ["u1"]}
    pq.write_table(pa.table({"timestamp": [1772323200], "event_type": [0], **row}), into)
    return into.getvalue()


LINES = {
    "newline-at-the-end": (b'{"n":1}\n{"n":2}\n', ['{"n":1}', '{"n":2}']),
    "no-newline-at-the-end": (b'{"n":1}\n{"n":2}', ['{"n":1}', '{"n":2}']),
    "crlf": (b'{"n":1}\r\n{"n":2}\r\n', ['{"n":1}', '{"n":2}']),
    "one-cr-of-two": (b'{"n":1}\r\r\n', ['{"n":1}\r']),
    "a-cr-inside-ends-no-line": (b'{"n":1}\r{"n":2}\n', ['{"n":1}\r{"n":2}']),
    "spaces-around-are-kept": (b' \t{"n":1}  \r\n', [' \t{"n":1}  ']),
    "white-space-alone-is-no-record": (b'\n \n\t\n\r\n \r\n\x0b\x0c\n{"n":1}\n\n  ', ['{"n":1}']),
    "nothing": (b"", []),
    "newlines-alone": (b"\n\n\n", []),
    "not-json": (b"hello\n{\n", ["hello", "{"]),
    "mark": (MARK + b'{"n":1}\n{"n":2}\n', ['{"n":1}', '{"n":2}']),
    "mark-alone": (MARK, []),
    "mark-then-newline": (MARK + b"\n" + b'{"n":1}\n', ['{"n":1}']),
    "mark-twice": (MARK + MARK + b'{"n":1}\n', ['\ufeff{"n":1}']),
    "mark-in-a-later-line": (b'{"n":1}\n' + MARK + b'{"n":2}\n', ['{"n":1}', '\ufeff{"n":2}']),
    "line-separators-of-unicode": ('{"n":"\u2028\u2029\x85"}\n'.encode(), ['{"n":"\u2028\u2029\x85"}']),
    "nul": (b'{"n":"\x00"}\n\x00\n', ['{"n":"\x00"}', "\x00"]),
    "control-characters": (b'{"n":"\x01\x1b[2J\x7f"}\n', ['{"n":"\x01\x1b[2J\x7f"}']),
    "any-script": (
        '{"n":"é e\u0301 日本 🎯 \U0010ffff"}\n'.encode(),
        ['{"n":"é e\u0301 日本 🎯 \U0010ffff"}'],
    ),
    "keys-twice-and-spaces-inside": (b'{ "n": 1, "n":1.0 }\n', ['{ "n": 1, "n":1.0 }']),
    "five-megabytes": (f'{{"n":"{LONG}"}}\nafter\n'.encode(), [f'{{"n":"{LONG}"}}', "after"]),
    "a-true-replacement-character": ('{"n":"\ufffd"}\n'.encode(), ['{"n":"\ufffd"}']),
}

# Bytes, and as a reader sees them: one U+FFFD for each longest beginning of a character.
NOT_UTF8 = {
    b"\xff": "\ufffd",
    b"\x80\x80x": "\ufffd\ufffdx",
    b"a\xc3": "a\ufffd",
    b"\xc3(": "\ufffd(",
    b"\xe2\x82": "\ufffd",
    b"\xe2(\xa1": "\ufffd(\ufffd",
    b"\xf0\x9f\x8e": "\ufffd",
    b"\xf0(\x8c\xbc": "\ufffd(\ufffd\ufffd",
    b"\xf1\x80\xc3\xa9": "\ufffd\xe9",
    b"\xc0\xaf": "\ufffd\ufffd",
    b"\xe0\x80\xaf": "\ufffd\ufffd\ufffd",
    b"\xed\xa0\x80": "\ufffd\ufffd\ufffd",
    b"\xf4\x90\x80\x80": "\ufffd\ufffd\ufffd\ufffd",
    b"\xf8\x88\x80\x80\x80": "\ufffd\ufffd\ufffd\ufffd\ufffd",
    b"\xfe\xff\x00{\x00}": "\ufffd\ufffd\x00{\x00}",
    b"ok \xef\xbf\xbd \xff": "ok \ufffd \ufffd",
    b"latin-1 gr\xf6\xdfe": "latin-1 gr\ufffd\ufffde",
}

FILES = {
    **{f"{name}.jsonl": content for name, (content, _) in LINES.items()},
    **{f"compressed/{name}.jsonl.gz": gzip.compress(content) for name, (content, _) in LINES.items()},
    "not-utf8.jsonl": b"\n".join(NOT_UTF8),
    "not-utf8-crlf.jsonl": b"\r\n".join([*NOT_UTF8, b""]),
    "two-members.jsonl.gz": gzip.compress(b'{"n":') + gzip.compress(b'1}\n{"n":2}'),
    "rows.csv": HEADER + ROW + b"1772323200,0,b1,pl1,pg1\n" + ROW.replace(b"u1", b"u\xff"),
    "rows.csv.gz": gzip.compress(MARK + HEADER + ROW),
    "rows.parquet": parquet(),
    "no-rows.csv": HEADER,
    "2026-03-01T10:00 100% [x] * {a,b}? 'q' \"q\" ✓\n.jsonl": b"odd name\n",
}


@pytest.fixture(scope="module")
def taken(
    spark: SparkSession, empty_lake: Home, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Payloads]:
    """By source, the (payload, valid_utf8) of its records in bronze.events, sorted.

    The home's own path holds what Hadoop takes for patterns.
    """
    home = Home(tmp_path_factory.mktemp("lakes") / "it's a [home] {of},* mine")
    shutil.copytree(empty_lake.warehouse, home.warehouse)
    for name, content in FILES.items():
        path = home.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (home.landing / os.fsdecode(b"latin-1-\xf6.jsonl")).write_bytes(b"odd name\n")
    (home.root / "elsewhere.jsonl").write_bytes(b"linked\n")
    (home.landing / "link.jsonl").symlink_to("../elsewhere.jsonl")
    arrived = arrivals(home)
    intake = ingest(spark, home, arrived.batch_id, judge_all(home, arrived))
    assert (intake.set_aside, intake.unreadable) == ([], [])
    rows = warehouse.state(home, BRONZE_EVENTS).to_pyarrow_table().to_pylist()
    assert intake.records == len(rows)
    assert intake.files == len(FILES) + 2
    payloads: Payloads = {}
    for row in rows:
        payloads.setdefault(row["source"], []).append((row["payload"], row["valid_utf8"]))
    yield {source: sorted(held) for source, held in payloads.items()}
    shutil.rmtree(home.root)


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("source", ["{}.jsonl", "compressed/{}.jsonl.gz"], ids=["plain", "gzip"])
def test_a_line_is_kept_verbatim(taken, name, source):
    _, payloads = LINES[name]
    assert taken.get(source.format(name), []) == sorted((payload, True) for payload in payloads)


@pytest.mark.parametrize("source", ["not-utf8.jsonl", "not-utf8-crlf.jsonl"])
def test_bytes_that_are_not_utf8_show_as_replacement_characters(taken, source):
    assert taken[source] == sorted((payload, False) for payload in NOT_UTF8.values())


@pytest.mark.parametrize("delivered", NOT_UTF8, ids=repr)
def test_they_show_as_python_shows_them(delivered):
    assert delivered.decode("utf-8", "replace") == NOT_UTF8[delivered]


@pytest.mark.parametrize(
    ("source", "payloads"),
    [
        ("two-members.jsonl.gz", [('{"n":1}', True), ('{"n":2}', True)]),
        (
            "rows.csv",
            [
                ('["1772323200","0","b1","pl1","pg1"]', True),
                (FROM_CSV_NOT_UTF8, False),
                (FROM_CSV, True),
            ],
        ),
        ("rows.csv.gz", [(FROM_CSV, True)]),
        ("rows.parquet", [(FROM_PARQUET, True)]),
        ("2026-03-01T10:00 100% [x] * {a,b}? 'q' \"q\" ✓\n.jsonl", [("odd name", True)]),
        ("latin-1-\\xf6.jsonl", [("odd name", True)]),
        ("link.jsonl", [("linked", True)]),
    ],
)
def test_rows_and_names(taken, source, payloads):
    assert taken[source] == payloads


def test_nothing_came_from_anywhere_else(taken):
    empty = {"nothing", "newlines-alone", "mark-alone"}
    expected = {name for name in FILES if not any(name.split("/")[-1].startswith(f"{one}.") for one in empty)}
    assert set(taken) == (expected - {"no-rows.csv"}) | {"latin-1-\\xf6.jsonl", "link.jsonl"}
