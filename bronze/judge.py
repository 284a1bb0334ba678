"""One file, judged alone: what it holds, whether it is what its name says, and lines for Spark to read.

A JSON Lines file is linked, not copied; its byte-order mark, if any, is left out by Spark's reader. CSV
and Parquet rows become one JSON object a line, so that one reader serves every format and a quoted
newline or a column in another place cannot shift a value.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bronze import rows
from bronze.landing import JSONL, PARQUET, Found, brought, reason

CHUNK = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"
FOREIGN = {
    "gzip": (GZIP_MAGIC,),
    "Parquet": (PARQUET_MAGIC,),
    "UTF-16; only UTF-8 is read": (BOM_UTF16_LE, BOM_UTF16_BE),
}
"""How content begins that no text delivery may hold."""


@dataclass(frozen=True)
class Judged:
    """A delivery read once: its fingerprint, and the lines staged for Spark or why it is set aside.

    `unreadable` says why the file could not be read at all: it stays in landing and is tried again.
    One that has none of these was taken before, or was withdrawn before it could be read.
    """

    found: Found
    fingerprint: str = ""
    staged: Path | None = None
    problem: str | None = None
    unreadable: str | None = None


class _UnreadableError(Exception):
    """Reading the delivery failed half-way; the text is the operating system's reason."""


def judge(found: Found, fingerprints: frozenset[str], staging: Path, number: int) -> Judged:
    """Read one delivery; stage its lines as file `number` unless its fingerprint is in `fingerprints`.

    Raises OSError only for the staging side (disk full); a file that cannot be read is reported.
    """
    if found.unreadable:
        return Judged(found, unreadable=found.unreadable)
    try:
        path = brought(found, staging / f"{number:08d}.delivered")
        stream = path.open("rb")
    except FileNotFoundError:
        return Judged(found)
    except OSError as failed:
        return Judged(found, unreadable=reason(failed))
    with stream:
        try:
            return _judge(found, path, stream, fingerprints, staging / f"{number:08d}.jsonl")
        except _UnreadableError as failed:
            return Judged(found, unreadable=str(failed))


def _judge(found: Found, path: Path, stream: BinaryIO, fingerprints: frozenset[str], staged: Path) -> Judged:
    """Everything is read through one open file, so a delivery replaced meanwhile is never mixed of two."""
    fingerprint = _fingerprint(stream)
    if fingerprint in fingerprints:
        return Judged(found, fingerprint)
    try:
        _check_content(found, stream)
        return Judged(found, fingerprint, staged=_stage(found, path, stream, staged))
    except rows.NotWhatItSaysError as wrong:
        return Judged(found, fingerprint, problem=str(wrong))


def _fingerprint(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    for chunk in _bytes(stream):
        digest.update(chunk)
    return digest.hexdigest()


def _check_content(found: Found, stream: BinaryIO) -> None:
    """Raise NotWhatItSaysError when the first bytes belong to another kind of file than the name says."""
    named = f"its name says {found.format}{', gzip-compressed' if found.gzipped else ''}"
    head = next(_bytes(stream), b"")
    if not head and (found.gzipped or found.format != JSONL):
        raise rows.NotWhatItSaysError(f"{named}, it is empty (0 bytes)")
    if found.gzipped:
        if not head.startswith(GZIP_MAGIC):
            raise rows.NotWhatItSaysError(f"{named}, its content is not gzip")
        head = next(_plain(found, stream), b"")
        named += "; uncompressed"
    if found.format == PARQUET and not head.startswith(PARQUET_MAGIC):
        raise rows.NotWhatItSaysError(f"{named}, its content is not Parquet")
    for content, marks in FOREIGN.items():
        if found.format != PARQUET and head.startswith(marks):
            raise rows.NotWhatItSaysError(f"{named}, its content is {content}")


def _stage(found: Found, path: Path, stream: BinaryIO, staged: Path) -> Path:
    if found.format == "csv":
        _write(rows.from_csv(_plain(found, stream)), staged)
    elif found.format == PARQUET:
        stream.seek(0)
        _write(rows.from_parquet(stream), staged)
    else:
        if found.gzipped:
            for _ in _plain(found, stream):
                pass
            staged = staged.with_suffix(".jsonl.gz")
        _link(path, stream, staged)
    return staged


def _write(chunks: Iterator[bytes], staged: Path) -> None:
    with staged.open("wb") as stream:
        stream.writelines(chunks)


def _link(path: Path, stream: BinaryIO, staged: Path) -> None:
    """A second name for the same bytes: they stay readable though the delivery is replaced or removed.

    Another disk allows no second name, only a link to the first. Where the delivery was replaced since
    it was opened, the bytes that were judged are copied.
    """
    itself = path.resolve()
    try:
        os.link(itself, staged)
    except OSError:
        staged.symlink_to(itself)
    if not _is_same(staged, stream):
        staged.unlink()
        _write(_bytes(stream), staged)


def _is_same(staged: Path, stream: BinaryIO) -> bool:
    try:
        return os.path.samestat(staged.stat(), os.fstat(stream.fileno()))
    except OSError:
        return False


def _bytes(stream: BinaryIO) -> Iterator[bytes]:
    """The file from its start."""
    try:
        stream.seek(0)
        while chunk := stream.read(CHUNK):
            yield chunk
    except OSError as failed:
        raise _UnreadableError(reason(failed)) from None


def _plain(found: Found, stream: BinaryIO) -> Iterator[bytes]:
    """The uncompressed bytes; every gzip member whole and checked, or NotWhatItSaysError."""
    if not found.gzipped:
        yield from _bytes(stream)
        return
    member = zlib.decompressobj(wbits=31)
    try:
        for chunk in _bytes(stream):
            pending = chunk
            while pending:
                if member.eof:
                    member = zlib.decompressobj(wbits=31)
                yield member.decompress(pending, CHUNK)
                pending = member.unconsumed_tail or member.unused_data
    except zlib.error as broken:
        raise rows.NotWhatItSaysError(f"its gzip content is damaged ({broken})") from None
    if not member.eof:
        raise rows.NotWhatItSaysError("its gzip content is truncated")
