"""What lies in landing: names, sizes and fingerprints of deliveries."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conf.errors import UsageError
from conf.home import Home

TEXT_FORMATS = {".jsonl": "jsonl", ".json": "jsonl", ".csv": "csv"}
PARQUET = "parquet"
GZIP = ".gz"


@dataclass(frozen=True)
class Found:
    """A file in landing: its path relative to it, format, size, and what tells that it was written to."""

    source: str
    path: Path
    format: str
    gzipped: bool
    bytes: int
    stamp: str


def survey(home: Home) -> list[Found]:
    """Every finished delivery below landing, by name.

    Names that start with `.` or `_` or end in `.tmp` are still being written; other suffixes are no
    deliveries. Raises UsageError when landing cannot be listed.
    """
    if not home.landing.is_dir():
        return []
    try:
        return sorted(_walk(home.landing, home.landing), key=lambda found: found.source)
    except OSError as failed:
        raise UsageError(
            f"{failed.filename}: cannot be listed ({failed.strerror}).\n"
            "Nothing was taken. Give this user the right to read it, or run as its owner, and run again."
        ) from None


def _walk(folder: Path, landing: Path) -> Iterator[Found]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith((".", "_")) or entry.name.endswith(".tmp"):
                continue
            if entry.is_dir():
                yield from _walk(Path(entry.path), landing)
            else:
                yield from _found(Path(entry.path), landing)


def _found(path: Path, landing: Path) -> Iterator[Found]:
    gzipped = path.name.endswith(GZIP)
    suffix = Path(path.name.removesuffix(GZIP)).suffix
    format_ = TEXT_FORMATS.get(suffix) or (PARQUET if suffix == f".{PARQUET}" and not gzipped else None)
    try:
        facts = path.stat()
    except FileNotFoundError:
        return
    if format_:
        source = str(path.relative_to(landing)).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        yield Found(source, path, format_, gzipped, facts.st_size, _stamp(facts))


def _stamp(facts: os.stat_result) -> str:
    return f"{facts.st_size}:{facts.st_mtime_ns}:{facts.st_ino}:{facts.st_ctime_ns}"


def stamp(found: Found) -> str:
    """The file's stamp now, when only our own link to it changed it since it was found; else the one then."""
    try:
        now = _stamp(found.path.stat())
    except OSError:
        return found.stamp
    unchanged = now.rsplit(":", 1)[0] == found.stamp.rsplit(":", 1)[0]
    return now if unchanged else found.stamp


def read_stamps(home: Home) -> dict[str, tuple[str, str]]:
    """By source, the stamp and the fingerprint its bytes had when they were last read.

    Losing this file costs reading landing once more, never a record.
    """
    try:
        held = json.loads(home.stamps.read_text("utf-8"))
        return {source: (stamp, fingerprint) for source, (stamp, fingerprint) in held.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def write_stamps(home: Home, stamps: dict[str, tuple[str, str]]) -> None:
    """Keep the stamps for the next run."""
    home.stamps.parent.mkdir(parents=True, exist_ok=True)
    half = home.stamps.with_suffix(".tmp")
    half.write_text(json.dumps(stamps), "utf-8")
    half.replace(home.stamps)
