"""How a delivered file splits into records, in plain Python."""

from __future__ import annotations

import base64
import io
import json
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

SIX = ("timestamp", "event_type", "banner_id", "placement_id", "page_id", "user_id")
GZIP, PARQUET, MARK = b"\x1f\x8b", b"PAR1", b"\xef\xbb\xbf"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
BLANK = " \t\r\x0b\x0c"


@dataclass(frozen=True)
class Unreadable:
    """A file that is set aside whole, and why, in our own words."""

    why: str


def records(source: str, content: bytes) -> list[str] | Unreadable:
    """The payloads of a file named `source`; bytes that are not UTF-8 stand in them as lone surrogates."""
    name, is_gzip = source.removesuffix(".gz"), source.endswith(".gz")
    format_ = PurePosixPath(name).suffix.removeprefix(".")
    try:
        plain = _unzipped(content) if is_gzip else content
        if format_ == "parquet":
            return [_json(row) for row in _parquet_rows(plain)]
        if plain.startswith((GZIP, PARQUET, *UTF_16)):
            return Unreadable("another kind of file than its name says")
        text = plain.removeprefix(MARK).decode("utf-8", "surrogateescape")
        return _lines(text) if format_ in {"json", "jsonl"} else [_json(row) for row in _csv_records(text)]
    except (zlib.error, pa.ArrowException, OSError, ValueError) as wrong:
        return Unreadable(f"{type(wrong).__name__}: {wrong}")


def _unzipped(content: bytes) -> bytes:
    """Every member, whole and nothing else after it."""
    plain: list[bytes] = []
    rest = content
    while rest or not plain:
        member = zlib.decompressobj(wbits=31)
        plain.append(member.decompress(rest))
        if not member.eof:
            raise ValueError("truncated gzip")
        rest = member.unused_data
    return b"".join(plain)


def _lines(text: str) -> list[str]:
    return [line.removesuffix("\r") for line in text.split("\n") if line.strip(BLANK)]


def _csv_records(text: str) -> Iterator[dict[str, str] | list[str]]:
    """Rows by the names of the header; one with more or fewer fields as the list of them."""
    rows = _csv_rows(text)
    header = next(rows, [])
    _check_columns(header)
    for row in rows:
        if len(row) == len(header):
            yield dict(zip(header, row, strict=True))
        elif len(row) > 1 or "".join(row).strip():
            yield row


def _check_columns(header: list[str]) -> None:
    if set(SIX) - set(header) or len(header) > len(set(header)):
        raise ValueError(f"columns missing or repeated: {header}")


def _csv_rows(text: str) -> Iterator[list[str]]:
    """The fields of each row, by RFC 4180; rows end at CR LF, LF or CR. An empty line is a row of none."""
    at, row = 0, [""]
    while at < len(text):
        if text[at] == '"' and row[-1] == "":
            row[-1], at = _quoted(text, at + 1)
        else:
            end = next((place for place in range(at, len(text)) if text[place] in ",\r\n"), len(text))
            row[-1], at = text[at:end], end
        if text[at : at + 1] == ",":
            row, at = [*row, ""], at + 1
            continue
        if text[at : at + 1] not in {"\r", "\n", ""}:
            raise ValueError("text after a quote")
        yield row if row != [""] or text[at - 1 : at] == '"' else []
        at += 2 if text[at : at + 2] == "\r\n" else 1
        row = [""]
    if row != [""]:
        yield row


def _quoted(text: str, start: int) -> tuple[str, int]:
    """What stands from `start` to the closing quote, and the place after that."""
    at = start
    while (at := text.find('"', at)) >= 0:
        if text[at + 1 : at + 2] != '"':
            return text[start:at].replace('""', '"'), at + 1
        at += 2
    raise ValueError("a quote is never closed")


def _parquet_rows(content: bytes) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(io.BytesIO(content)) as file:
        table = file.read()
    _check_columns(table.column_names)
    for name in SIX:
        held = table.schema.field(name).type
        held = held.value_type if pa.types.is_dictionary(held) else held
        strings = (pa.string(), pa.large_string(), pa.string_view(), pa.null())
        if not (pa.types.is_integer(held) or held in strings):
            raise ValueError(f"{name} holds {held}")
    columns = {name: _values(table[name]) for name in table.column_names}
    for row in range(table.num_rows):
        yield {name: values[row] for name, values in columns.items()}


def _values(column: pa.ChunkedArray) -> list[Any]:
    try:
        values = column.to_pylist()
        return [None if isinstance(one, float) and not math.isfinite(one) else one for one in values]
    except UnicodeDecodeError:
        held = column.cast(pa.large_string()).cast(pa.large_binary()).to_pylist()
        return [None if value is None else value.decode("utf-8", "surrogateescape") for value in held]


def _json(row: Any) -> str:
    """The row as bronze writes it down: without spaces, unless it holds bytes that are not UTF-8."""
    close = json.dumps(row, ensure_ascii=False, separators=(",", ":"), default=_text)
    is_text = not any("\ud800" <= sign <= "\udfff" for sign in close)
    return close if is_text else json.dumps(row, ensure_ascii=False, default=_text)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value.isoformat() if hasattr(value, "isoformat") else value)
