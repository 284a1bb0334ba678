"""The oracle itself, on cases computed by hand."""

from __future__ import annotations

import gzip
import io
import json
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.faults.oracle import Event, State, Unreadable, expected, judged, records, shown

NOON = 1_772_452_800  # 2026-03-02T12:00:00Z
LATEST = NOON + 86_400
EVENT = {"timestamp": NOON, "event_type": 0, "banner_id": "b", "placement_id": "p", "page_id": "g"}
HEADER = "timestamp,event_type,banner_id,placement_id,page_id,user_id"


def at(hour: int, minute: int = 0, day: int = 2) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def line(user: str = "u", **changed) -> str:
    return json.dumps({**EVENT, "user_id": user, **changed})


def csv_row(**values: str) -> str:
    return "{" + ",".join(f'"{name}":{json.dumps(values.get(name, ""))}' for name in HEADER.split(",")) + "}"


def payloads(source: str, content: bytes) -> list[str]:
    found = records(source, content)
    assert isinstance(found, list)
    return found


def raw(old: str, new: str) -> str:
    """The usual record with one piece of its text in place of another."""
    text = line()
    assert text.count(old) == 1
    return text.replace(old, new)


@pytest.mark.parametrize(
    ("content", "held"),
    [
        (b"", []),
        (b"\xef\xbb\xbfa\nb", ["a", "b"]),
        (b"a\r\nb\r\r\n\rc\n", ["a", "b\r", "\rc"]),
        (b"\n \t\r\n\x0b\x0c\n a \n", [" a "]),
        (b"\xff\n\xe2\x82\n", ["\udcff", "\udce2\udc82"]),
    ],
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.jsonl.gz"])
def test_lines(name, content, held):
    delivered = gzip.compress(content, mtime=0) if name.endswith(".gz") else content
    assert payloads(name, delivered) == held


@pytest.mark.parametrize(
    ("payload", "as_shown"), [("\udce2\udc82", "\ufffd"), ("\ufffd\udcff", "\ufffd\ufffd")]
)
def test_one_replacement_character_for_each_beginning_of_a_character(payload, as_shown):
    assert shown(payload) == as_shown
    assert judged(payload, LATEST) == ("well_formed",)


@pytest.mark.parametrize(
    ("rows", "held"),
    [
        (
            '7,0,"b,1","p ""l""","g\n1",\r\n',
            [csv_row(timestamp="7", event_type="0", banner_id="b,1", placement_id='p "l"', page_id="g\n1")],
        ),
        ("1,2,3\n\n \n1,2,3,4,5,6,7", ['["1","2","3"]', '["1","2","3","4","5","6","7"]']),
        (
            '1,2,3,4,5,x"y"z',
            [
                csv_row(
                    timestamp="1",
                    event_type="2",
                    banner_id="3",
                    placement_id="4",
                    page_id="5",
                    user_id='x"y"z',
                )
            ],
        ),
    ],
    ids=["quoted", "of-another-length", "a-quote-inside"],
)
def test_csv(rows, held):
    assert records("a.csv", f"\ufeff{HEADER}\n{rows}".encode()) == held


def test_csv_columns_go_by_name():
    names = ",".join(reversed(HEADER.split(",")))
    [payload] = payloads("a.csv", f"{names},more\nu,g,p,b,1,{NOON},x\n".encode())
    assert judged(payload, LATEST) == Event(at(12), 1, "b", "p", "g", "u")


def parquet(**changed) -> bytes:
    columns = {name: pa.array([f"{name} 1"]) for name in HEADER.split(",")}
    columns |= {"timestamp": pa.array([NOON]), "event_type": pa.array([1], pa.int8())} | changed
    into = io.BytesIO()
    pq.write_table(pa.table(columns), into)
    return into.getvalue()


def test_parquet():
    [payload] = payloads("a.parquet", parquet(user_id=pa.array([7]), more=pa.array([float("nan")])))
    assert judged(payload, LATEST) == Event(at(12), 1, "banner_id 1", "placement_id 1", "page_id 1", "7")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("a.jsonl", gzip.compress(b"a", mtime=0), id="gzip-by-another-name"),
        pytest.param("a.jsonl.gz", b"a", id="no-gzip"),
        pytest.param("a.jsonl.gz", b"", id="empty-gzip"),
        pytest.param("a.jsonl.gz", gzip.compress(b"abc", mtime=0)[:-1], id="truncated-gzip"),
        pytest.param("a.jsonl.gz", gzip.compress(b"abc", mtime=0) + b"\0", id="more-after-gzip"),
        pytest.param("a.csv", b"", id="empty-csv"),
        pytest.param("a.csv", b"\n" + HEADER.encode(), id="no-header"),
        pytest.param("a.csv", HEADER.replace("page", "Page").encode(), id="column-missing"),
        pytest.param("a.csv", f"{HEADER},x,x\n".encode(), id="column-twice"),
        pytest.param("a.csv", f'{HEADER}\n1,2,3,4,5,"6\n'.encode(), id="open-quote"),
        pytest.param("a.csv", f'{HEADER}\n1,2,3,4,5,"6"7\n'.encode(), id="text-after-a-quote"),
        pytest.param("a.csv", HEADER.encode("utf-16"), id="utf-16"),
        pytest.param("a.parquet", b"PAR1junkPAR1", id="junk-parquet"),
        pytest.param("a.parquet", b"", id="empty-parquet"),
        pytest.param("a.parquet", parquet(timestamp=pa.array([1.0])), id="retyped-parquet"),
    ],
)
def test_set_aside_whole(name, content):
    assert isinstance(records(name, content), Unreadable)


@pytest.mark.parametrize(
    ("payload", "rules"),
    [
        (line() + line(), ("well_formed",)),
        (f"[{line()}]", ("well_formed",)),
        ("\ufeff" + line(), ("well_formed",)),
        (raw("}", ', "user_id": "u"}'), ("well_formed",)),
        (raw("}", r', "user\u005fid": "u"}'), ("well_formed",)),
        (raw("}", ', "x": NaN}'), ("well_formed",)),
        (raw("}", f', "x": {"[" * 1000}{"]" * 1000}}}'), ("well_formed",)),
        (raw('"u"', '"u\t"'), ("well_formed",)),
        (raw(str(NOON), f"0{NOON}"), ("well_formed",)),
        (line(timestamp=f"0{NOON}"), ("timestamp_is_integer",)),
        (line(timestamp=float(NOON)), ("timestamp_is_integer",)),
        (line(timestamp=f" {NOON}"), ("timestamp_is_integer",)),
        (line(timestamp=True), ("timestamp_is_integer",)),
        (line(timestamp=946_684_799), ("timestamp_in_range",)),
        (line(timestamp=LATEST + 1), ("timestamp_in_range",)),
        (line(timestamp=NOON * 1000), ("timestamp_in_range",)),
        (raw(str(NOON), "9" * 5000), ("timestamp_in_range",)),
        (line(event_type=2), ("event_type_is_known",)),
        (line(event_type=False), ("event_type_is_known",)),
        (raw('"b"', "1.5"), ("banner_id_present",)),
        (raw('"b"', '""'), ("banner_id_present",)),
        (raw('"b"', '"  "'), ("banner_id_present",)),
        (raw('"b"', r'"\ud800"'), ("banner_id_present",)),
        (raw('"b"', r'"\u007f"'), ("banner_id_present",)),
        (line("u" * 257), ("user_id_present",)),
        (raw("user_id", "User_id"), ("user_id_present",)),
        (
            "{}",
            (
                *("timestamp_is_integer", "event_type_is_known"),
                *("banner_id_present", "placement_id_present", "page_id_present", "user_id_present"),
            ),
        ),
    ],
)
def test_refused(payload, rules):
    assert judged(payload, LATEST) == rules


@pytest.mark.parametrize(
    ("payload", "event"),
    [
        (f" {line()}\r", Event(at(12), 0, "b", "p", "g", "u")),
        (line(timestamp=str(LATEST)), Event(at(12, day=3), 0, "b", "p", "g", "u")),
        (line(timestamp=946_684_800), Event(datetime(2000, 1, 1, tzinfo=UTC), 0, "b", "p", "g", "u")),
        (line(event_type="1", page_id=-7), Event(at(12), 1, "b", "p", "-7", "u")),
        (raw('"event_type": 0', '"event_type": -0'), Event(at(12), 0, "b", "p", "g", "u")),
        (raw('"b"', "-0"), Event(at(12), 0, "-0", "p", "g", "u")),
        (raw("banner_id", r"banner\u005fid"), Event(at(12), 0, "b", "p", "g", "u")),
        (raw('"b"', r'"\ud83d\ude00"'), Event(at(12), 0, "\N{GRINNING FACE}", "p", "g", "u")),
        (raw("}", f', "x": 1, "x": {"[" * 999}{"]" * 999}}}'), Event(at(12), 0, "b", "p", "g", "u")),
        (line(" \u00a0\ufffd"), Event(at(12), 0, "b", "p", "g", " \u00a0\ufffd")),
    ],
)
def test_accepted(payload, event):
    assert judged(payload, LATEST) == event


def test_tables():
    """Two users at noon, one of them twice and clicking; a late one of the day before; one refused."""
    first = "\n".join([line("u1"), line("u2", timestamp=NOON + 3600), line("u1"), "x"]).encode()
    then = "\n".join([line("u1"), line("u1", event_type=1), line("u3", timestamp=NOON - 86_400)]).encode()
    found = expected([{"b.jsonl": first, "c.csv": b"junk"}, {"b.jsonl": first, "a.jsonl": then}], LATEST)
    events = [
        (at(12, day=1), 0, "b", "p", "g", "u3", "a.jsonl"),
        (at(12), 0, "b", "p", "g", "u1", "b.jsonl"),
        (at(12), 1, "b", "p", "g", "u1", "a.jsonl"),
        (at(13), 0, "b", "p", "g", "u2", "b.jsonl"),
    ]
    hours = [(at(12, day=1), 1, 0, 1), (at(12), 1, 1, 1), (at(13), 1, 0, 1)]
    days = [(date(2026, 3, 1), 1, 0, 1), (date(2026, 3, 2), 2, 1, 2)]
    assert found == State(
        silver=[event[:-1] for event in events],
        first=events,
        quarantine=[("x", "b.jsonl", ("well_formed",))],
        ledger=[
            ("a.jsonl", 3, 2, 1, 0, at(12, day=1), at(12)),
            ("b.jsonl", 4, 2, 1, 1, at(12), at(13)),
        ],
        placement_hourly=[("p", *row) for row in hours],
        placement_daily=[("p", *row) for row in days],
        page_hourly=[("g", *row) for row in hours],
        page_daily=[("g", *row) for row in days],
    )


def test_first_is_the_smaller_source_of_one_batch():
    found = expected([{"b.jsonl": line().encode(), "B.jsonl": line().encode()}], LATEST)
    assert [row[-1] for row in found.first] == ["B.jsonl"]


def test_a_difference_is_told_by_table_and_row():
    one, two = (expected([{"a.jsonl": line(user).encode()}], LATEST) for user in ("u1", "u2"))
    assert one.differs(one) == {}
    told = one.differs(two)
    assert set(told) == {"silver", "first"}
    assert told["silver"] == ([(at(12), 0, "b", "p", "g", "u1")], [(at(12), 0, "b", "p", "g", "u2")])
