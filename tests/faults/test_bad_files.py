"""Files that are not what their name says, beside files that are: the bad go aside whole with the reason, all
others go through, and the bad ones too once they are corrected.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from conf import warehouse
from conf.tables import BRONZE_DELIVERIES
from tests.faults import oracle, reading
from tests.faults.arrival import deliver
from tests.faults.in_process import latest, take
from tests.faults.mutator import BOM, FIRST, SIX

Row = dict[str, Any]


def rows(sender: str, **changed: Any) -> list[Row]:
    """Three events that only this sender has."""
    event = dict(zip(SIX, (FIRST, 0, "b1", "p1", "g1", sender), strict=True))
    return [event | {"timestamp": FIRST + 3600 * hour} | changed for hour in range(3)]


def json_lines(held: list[Row]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in held)


def csv_file(held: list[Row], columns: tuple[str, ...] = SIX, end: str = "\r\n") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=end)
    writer.writerow(columns)
    writer.writerows([row.get(name, "") for name in columns] for row in held)
    return text.getvalue().encode()


def parquet(held: list[Row], **types: pa.DataType) -> bytes:
    columns = {name: pa.array([row[name] for row in held], types.get(name)) for name in held[0]}
    kept = io.BytesIO()
    pq.write_table(pa.table(columns), kept)
    return kept.getvalue()


def without(name: str, held: list[Row]) -> list[Row]:
    return [{field: value for field, value in row.items() if field != name} for row in held]


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :]


SHUFFLED = ("user_id", "page_id", "event_type", "timestamp", "banner_id", "placement_id")
TRICKY = 'says "no", twice\nand more'
CORRECT = {
    "plain.jsonl": json_lines(rows("plain")),
    "folder/inner.json": json_lines(rows("inner")),
    "members.jsonl.gz": gzip.compress(json_lines(rows("one"))) + gzip.compress(json_lines(rows("two"))),
    "shuffled.csv": csv_file(rows("shuffled"), SHUFFLED),
    "extra.csv": BOM + csv_file(rows("extra", note=TRICKY), ("note", *SHUFFLED), end="\n"),
    "quotes.csv": csv_file(rows("quotes", banner_id='b"1", or so')),
    "newlines.csv": csv_file(rows("newlines", page_id="g\n1") + rows("newlines")),
    "uneven.csv": csv_file(rows("uneven")) + b"1772323200,0,b1\r\n1772323200,0,b1,p1,g1,u,more\r\n\r\n",
    "compressed.csv.gz": gzip.compress(csv_file(rows("compressed"))),
    "types.parquet": parquet(
        rows("types", event_type="1"), timestamp=pa.int32(), banner_id=pa.dictionary(pa.int8(), pa.string())
    ),
    "extra.parquet": parquet(rows("columns", note=TRICKY, more=[1, 2]), user_id=pa.large_string()),
    "null.parquet": parquet(rows("null", banner_id=None), banner_id=pa.string()),
}

LONG = json_lines(rows("long") * 400)
WHOLE = parquet(rows("whole") * 100)
INCORRECT = {
    "truncated.jsonl.gz": (gzip.compress(LONG)[:-20], "its gzip content is truncated"),
    "a-byte-short.jsonl.gz": (gzip.compress(LONG)[:-1], "its gzip content is truncated"),
    "flipped.csv.gz": (
        flipped(gzip.compress(csv_file(rows("flip") * 99)), 60),
        "its gzip content is damaged",
    ),
    "not-gzip.jsonl.gz": (json_lines(rows("not gzip")), "its content is not gzip"),
    "gzip.jsonl": (gzip.compress(json_lines(rows("gzip"))), "its content is gzip"),
    "parquet.csv": (parquet(rows("parquet")), "its content is Parquet"),
    "empty.csv": (b"", "it is empty (0 bytes)"),
    "utf-16.csv": (csv_file(rows("wide")).decode().encode("utf-16"), "its content is UTF-16"),
    "missing.csv": (csv_file(rows("m"), SIX[:5]), "the header lacks user_id"),
    "no-header.csv": (csv_file(rows("n")).partition(b"\n")[2], "the header lacks timestamp"),
    "other-case.csv": (csv_file(rows("o")).replace(b"user_id", b"User_ID", 1), "the header lacks user_id"),
    "twice.csv": (csv_file(rows("t"), (*SIX, "user_id")), "the header has user_id more than once"),
    "unclosed.csv": (csv_file(rows("u")) + b'1772323200,0,"b1,p1,g1,u\r\n' * 3, "is not CSV"),
    "junk.parquet": (b"junk" * 100, "its content is not Parquet"),
    "begins.parquet": (b"PAR1" + b"junk" * 100 + b"PAR1", "it is not a whole Parquet file"),
    "truncated.parquet": (WHOLE[: len(WHOLE) // 2], "it is not a whole Parquet file"),
    "missing.parquet": (parquet(without("page_id", rows("m"))), "its schema lacks page_id"),
    "retyped.parquet": (parquet(rows("r", timestamp=float(FIRST))), "the column timestamp holds double"),
    "dated.parquet": (
        parquet(rows("d"), timestamp=pa.timestamp("s")),
        "the column timestamp holds timestamp[ms]",
    ),
    "flagged.parquet": (parquet(rows("f", event_type=True)), "the column event_type holds bool"),
    "binary.parquet": (parquet(rows("b", user_id=b"u")), "the column user_id holds binary"),
}


def corrected(name: str) -> bytes:
    """What the sender should have put there."""
    held = rows(f"corrected {name}")
    if name.endswith(".parquet"):
        return parquet(held)
    content = csv_file(held) if ".csv" in name else json_lines(held)
    return gzip.compress(content) if name.endswith(".gz") else content


def reasons(home) -> dict[str, str]:
    """Why each file was set aside."""
    held = warehouse.state(home, BRONZE_DELIVERIES).to_pyarrow_table().to_pylist()
    return {row["source"]: row["reason"] for row in held if row["status"] == "set_aside"}


def test_bad_files_go_aside_whole_and_through_once_corrected(spark, lake):
    bad = {name: content for name, (content, _) in INCORRECT.items()}
    delivered = CORRECT | bad
    deliver(lake, delivered)
    taken = take(spark, lake)

    assert {source for source, _, _ in taken.set_aside} == set(INCORRECT)
    found = reasons(lake)
    assert set(found) == set(INCORRECT)
    assert {name: found[name] for name, (_, why) in INCORRECT.items() if why not in found[name]} == {}
    lies = {
        str(file.relative_to(lake.set_aside)): file for file in lake.set_aside.rglob("*") if file.is_file()
    }
    assert {name: file.read_bytes() for name, file in lies.items()} == bad
    left = {str(file.relative_to(lake.landing)) for file in lake.landing.rglob("*") if file.is_file()}
    assert left == set(CORRECT)
    state = reading.state(lake)
    assert state == oracle.expected([CORRECT], latest(lake))
    assert state == oracle.expected([delivered], latest(lake))
    assert {source for source, *_ in state.ledger} == set(CORRECT)

    repaired = {name: corrected(name) for name in INCORRECT}
    deliver(lake, repaired)
    assert take(spark, lake).set_aside == []
    state = reading.state(lake)
    assert state == oracle.expected([delivered, repaired], latest(lake))
    assert {source for source, *_ in state.ledger} == set(CORRECT) | set(INCORRECT)
    assert len(state.silver) == 3 * (len(CORRECT) + 1 - len(("null.parquet",)) + len(INCORRECT))
