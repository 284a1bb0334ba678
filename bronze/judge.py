"""One file, judged alone: what it holds, whether it is what its name says, and lines for Spark to read.

A JSON Lines file is linked, not copied. CSV and Parquet rows become one JSON object a line, so that one
reader serves every format and a quoted newline or a column in another place cannot shift a value.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bronze import rows
from bronze.landing import PARQUET, Found

CHUNK = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True)
class Judged:
    """A delivery read once: its fingerprint, and the lines staged for Spark or why it is set aside.

    `unreadable` says why the file could not be opened at all: it stays in landing and is tried again.
    """

    found: Found
    fingerprint: str = ""
    staged: Path | None = None
    problem: str | None = None
    unreadable: str | None = None


def judge(found: Found, fingerprints: frozenset[str], staging: Path, number: int) -> Judged:
    """Read one delivery; stage its lines as file `number` unless its fingerprint is in `fingerprints`.

    Raises OSError only for the staging side (disk full); a file that cannot be opened is reported.
    """
    try:
        fingerprint = _fingerprint(found.path)
        if fingerprint in fingerprints:
            return Judged(found, fingerprint)
        problem = _mislabelled(found)
    except OSError as failed:
        return Judged(found, unreadable=failed.strerror or str(failed))
    if problem:
        return Judged(found, fingerprint, problem=problem)
    try:
        return Judged(found, fingerprint, staged=_stage(found, staging, number))
    except rows.NotWhatItSaysError as wrong:
        return Judged(found, fingerprint, problem=str(wrong))


def _fingerprint(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _mislabelled(found: Found) -> str | None:
    with found.path.open("rb") as stream:
        head = stream.read(4)
    named = f"its name says {found.format}{', gzip-compressed' if found.gzipped else ''}"
    if head.startswith(GZIP_MAGIC) and not found.gzipped:
        return f"{named}, its content is gzip"
    if found.gzipped and not head.startswith(GZIP_MAGIC):
        return f"{named}, its content is not gzip"
    if head == PARQUET_MAGIC and found.format != PARQUET:
        return f"{named}, its content is Parquet"
    if head != PARQUET_MAGIC and found.format == PARQUET:
        return f"{named}, its content is not Parquet"
    if head.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return f"{named}, its content is UTF-16; only UTF-8 is read"
    return None


def _stage(found: Found, staging: Path, number: int) -> Path:
    staged = staging / f"{number:08d}.jsonl"
    if found.format == "csv":
        _write(rows.from_csv(_plain(found)), staged)
    elif found.format == PARQUET:
        _write(rows.from_parquet(found.path), staged)
    elif _starts_with_mark(found):
        _write(_without_mark(_plain(found)), staged)
    elif found.gzipped:
        for _ in _plain(found):
            pass
        staged = staged.with_suffix(".jsonl.gz")
        _link(found.path, staged)
    else:
        _link(found.path, staged)
    return staged


def _write(chunks: Iterator[bytes], staged: Path) -> None:
    with staged.open("wb") as stream:
        stream.writelines(chunks)


def _link(path: Path, staged: Path) -> None:
    """A second name for the same bytes: they stay readable though the delivery is replaced or removed."""
    try:
        os.link(path, staged)
    except OSError:
        staged.symlink_to(path.resolve())


def _plain(found: Found) -> Iterator[bytes]:
    """The uncompressed bytes; every gzip member whole and checked, or NotWhatItSaysError."""
    with found.path.open("rb") as stream:
        if not found.gzipped:
            while chunk := stream.read(CHUNK):
                yield chunk
            return
        member = zlib.decompressobj(wbits=31)
        pending = b""
        try:
            while pending or (pending := stream.read(CHUNK)):
                if member.eof:
                    member = zlib.decompressobj(wbits=31)
                yield member.decompress(pending, CHUNK)
                pending = member.unconsumed_tail or member.unused_data
        except zlib.error as broken:
            raise rows.NotWhatItSaysError(f"its gzip content is damaged ({broken})") from None
        if not member.eof:
            raise rows.NotWhatItSaysError("its gzip content is truncated")


def _starts_with_mark(found: Found) -> bool:
    head = b""
    for chunk in _plain(found):
        head += chunk
        if len(head) >= len(BOM_UTF8):
            break
    return head.startswith(BOM_UTF8)


def _without_mark(chunks: Iterator[bytes]) -> Iterator[bytes]:
    head = b""
    while len(head) < len(BOM_UTF8) and (chunk := next(chunks, None)) is not None:
        head += chunk
    yield head.removeprefix(BOM_UTF8)
    yield from chunks
