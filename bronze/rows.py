"""Rows of a CSV or Parquet file as lines, one JSON object of its columns each."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from conf.tables import EVENT_FIELDS

csv.field_size_limit(1 << 30)


class NotWhatItSaysError(Exception):
    """The file cannot be read as what its name says; the text says why."""


class _Chunks(io.RawIOBase):
    """An iterator of bytes as a readable file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = chunk
        taken = self._rest[: len(buffer)]
        self._rest = self._rest[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)


def from_csv(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Lines of an RFC 4180 file with a header row, columns by their name in the header.

    A row with more or fewer fields than the header is a JSON array of its fields: nobody can say which
    column each belongs to, so it must not pass for a record. Bytes that are not UTF-8 stay as they are.
    Raises NotWhatItSaysError when the header lacks or repeats a column, or the quoting is broken.
    """
    text = io.TextIOWrapper(
        io.BufferedReader(_Chunks(chunks)), encoding="utf-8-sig", errors="surrogateescape", newline=""
    )
    reader = csv.reader(text, strict=True)
    try:
        header = next(reader, None)
        if not header:
            raise NotWhatItSaysError(f"it has no header row (expected: {', '.join(EVENT_FIELDS)})")
        _check_columns("the header", header)
        for row in reader:
            if len(row) == len(header):
                yield _line(dict(zip(header, row, strict=True)))
            elif len(row) > 1 or (row and row[0].strip()):
                yield _line(row)
    except csv.Error as broken:
        raise NotWhatItSaysError(f"line {reader.line_num} is not CSV ({broken})") from None


def _check_columns(where: str, header: list[str]) -> None:
    if missing := [name for name in EVENT_FIELDS if name not in header]:
        raise NotWhatItSaysError(f"{where} lacks {', '.join(missing)} (found: {_shown(header)})")
    if twice := [name for name, times in Counter(header).items() if times > 1]:
        raise NotWhatItSaysError(f"{where} has {_shown(twice)} more than once (found: {_shown(header)})")


def _shown(names: list[str]) -> str:
    """Names as a person may be shown them: they may be no names at all, but any bytes."""
    text = ", ".join(name or "(no name)" for name in names[:100])[:300]
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


def from_parquet(stream: BinaryIO) -> Iterator[bytes]:
    """Lines of a Parquet file, columns by name.

    Raises NotWhatItSaysError when the file is damaged, lacks or repeats a column, or holds one of ours
    in a type that is neither integer nor string.
    """
    try:
        with pq.ParquetFile(stream) as file:
            _check_columns("its schema", file.schema_arrow.names)
            for name in EVENT_FIELDS:
                _check_type(name, file.schema_arrow.field(name).type)
            for batch in file.iter_batches(batch_size=65536):
                columns = [_values(column) for column in batch.columns]
                for row in zip(*columns, strict=True):
                    yield _line(dict(zip(batch.schema.names, row, strict=True)))
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as broken:
        raise NotWhatItSaysError(f"it is not a whole Parquet file ({_first_line(broken)})") from None


def _check_type(name: str, held: pa.DataType) -> None:
    if pa.types.is_dictionary(held):
        held = held.value_type
    kinds = (pa.types.is_integer, pa.types.is_string, pa.types.is_large_string, pa.types.is_null)
    if not any(is_kind(held) for is_kind in (*kinds, pa.types.is_string_view)):
        raise NotWhatItSaysError(f"the column {name} holds {held} (expected: integer or string)")


def _values(column: pa.Array) -> list[Any]:
    """The column as Python values: bytes of text that are not UTF-8 stay as they are, and what Python has
    no value for (a year past 9999, a struct that repeats a field) is as Arrow prints it.
    """
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        if pa.types.is_nested(column.type):
            return _printed(column)
        held = column.cast(pa.large_string()).cast(pa.large_binary()).to_pylist()
        values = [None if value is None else value.decode("utf-8", "surrogateescape") for value in held]
    except (ValueError, OverflowError, LookupError):
        return _printed(column)
    return values


def _printed(column: pa.Array) -> list[str]:
    return [" ".join(column.slice(row, 1).to_string().split()) for row in range(len(column))]


def _line(record: Any) -> bytes:
    try:
        return orjson.dumps(record, default=_as_text) + b"\n"
    except orjson.JSONEncodeError:
        text = json.dumps(record, ensure_ascii=False, default=_as_text)
        return text.encode("utf-8", "surrogateescape") + b"\n"


def _as_text(value: Any) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
