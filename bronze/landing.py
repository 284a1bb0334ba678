"""What lies in landing: names, sizes and fingerprints of deliveries."""

from __future__ import annotations

import json
import os
import stat as modes
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conf import objects
from conf.errors import UsageError
from conf.home import Home

JSONL = "jsonl"
TEXT_FORMATS = {".jsonl": JSONL, ".json": JSONL, ".csv": "csv"}
PARQUET = "parquet"
GZIP = ".gz"


@dataclass(frozen=True)
class Found:
    """A file in landing: its path relative to it, format, size, and what tells that it was written to.

    `unreadable` says why there is nothing to read at that path; the others of it then mean nothing.
    """

    source: str
    path: Path
    format: str = ""
    gzipped: bool = False
    bytes: int = 0
    stamp: str = ""
    unreadable: str | None = None


def survey(home: Home) -> list[Found]:
    """Every finished delivery below landing, by name.

    Names that start with `.` or `_` or end in `.tmp` are still being written; other suffixes are no
    deliveries. A folder or file that cannot be looked at is found unreadable and hides no other.
    Raises UsageError when landing itself cannot be listed.
    """
    landing = home.landing
    if objects.far(landing):
        return sorted(_objects(landing), key=lambda found: found.source)
    if not os.path.lexists(landing):
        return []
    try:
        itself = landing.stat()
        entries = _entries(landing)
    except OSError as failed:
        raise UsageError(
            f"{landing}: deliveries arrive in this folder, and it cannot be listed ({reason(failed)}).\n"
            "Nothing was taken. Make it a folder this user can read, or run as its owner, and run again."
        ) from None
    return sorted(_walk(entries, landing, (_identity(itself),)), key=lambda found: found.source)


def _objects(landing: Path) -> Iterator[Found]:
    for item in objects.listed(landing):
        names = item.path.split("/")
        format_, gzipped = _format(names[-1])
        if format_ and not any(_is_unfinished(name) for name in names):
            yield Found(item.path, landing / item.path, format_, gzipped, item.bytes, _stamp_of(item))


def _stamp_of(item: objects.Item) -> str:
    return f"{item.bytes}:{item.written}:{item.etag}:"


def _is_unfinished(name: str) -> bool:
    return name.startswith((".", "_")) or name.endswith(".tmp")


def reason(failed: OSError) -> str:
    """Why the operating system refused, in its own words."""
    return failed.strerror or str(failed)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not _is_unfinished(entry.name)]


def _walk(
    entries: list[os.DirEntry[str]], landing: Path, above: tuple[tuple[int, int], ...]
) -> Iterator[Found]:
    """What the entries of a folder hold; `above` are the folders above, which a link may lead back to."""
    for entry in entries:
        path = Path(entry.path)
        try:
            facts = path.stat()
        except OSError as failed:
            if os.path.lexists(path) and _format(path.name)[0]:
                yield Found(_source(path, landing), path, unreadable=reason(failed))
            continue
        if not modes.S_ISDIR(facts.st_mode):
            yield from _file(path, landing, facts)
        elif _identity(facts) not in above:
            try:
                below = _entries(path)
            except OSError as failed:
                yield Found(_source(path, landing), path, unreadable=reason(failed))
                continue
            yield from _walk(below, landing, (*above, _identity(facts)))


def _identity(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_dev, facts.st_ino


def _file(path: Path, landing: Path, facts: os.stat_result) -> Iterator[Found]:
    format_, gzipped = _format(path.name)
    if not format_:
        return
    source = _source(path, landing)
    if modes.S_ISREG(facts.st_mode):
        yield Found(source, path, format_, gzipped, facts.st_size, _stamp(facts))
    else:
        yield Found(source, path, unreadable="it is no regular file")


def _format(name: str) -> tuple[str, bool]:
    """(format, whether gzip-compressed) by the name; no format when it names no delivery."""
    gzipped = name.endswith(GZIP)
    suffix = Path(name.removesuffix(GZIP)).suffix
    format_ = TEXT_FORMATS.get(suffix) or (PARQUET if suffix == f".{PARQUET}" and not gzipped else "")
    return format_, gzipped


def _source(path: Path, landing: Path) -> str:
    r"""The path relative to landing; a byte of it that is not UTF-8 as `\xff`, so that names stay apart."""
    return (
        str(path.relative_to(landing)).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    )


def _stamp(facts: os.stat_result) -> str:
    return f"{facts.st_size}:{facts.st_mtime_ns}:{facts.st_ino}:{facts.st_ctime_ns}"


def stamp(found: Found) -> str:
    """The file's stamp now, when only our own link to it changed it since it was found; else the one then."""
    try:
        now = _stamp_now(found)
    except OSError:
        return found.stamp
    return now if _written(now) == _written(found.stamp) else found.stamp


def is_as_found(found: Found) -> bool:
    """Whether nobody replaced, wrote or removed the file since it was found."""
    try:
        return _written(_stamp_now(found)) == _written(found.stamp)
    except OSError:
        return False


def _stamp_now(found: Found) -> str:
    there = objects.far(found.path)
    return _stamp_of(objects.item(there)) if there else _stamp(found.path.stat())


def brought(found: Found, to: Path) -> Path:
    """Where the delivery can be read on this machine: where it lies, or `to`, fetched from object storage.

    Raises FileNotFoundError when it was withdrawn or replaced meanwhile: the next run finds what is there.
    """
    there = objects.far(found.path)
    if there is None:
        return found.path
    there.fs.get_file(there.path, str(to))
    if not is_as_found(found):
        raise FileNotFoundError(found.source)
    return to


def _written(held: str) -> str:
    """A stamp without the time of the last link or renaming."""
    return held.rsplit(":", 1)[0]


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
    objects.write_whole(home.stamps, json.dumps(stamps))
