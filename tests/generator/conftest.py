"""A second opinion on deliveries: a strict reader in plain Python that shares nothing with the generator."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from conf.home import Home
from generator import Delivered, Order, generate

SIX = ("timestamp", "event_type", "banner_id", "placement_id", "page_id", "user_id")
INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
YEAR_2000 = 946_684_800
SUNDAY_EVENING = datetime(2026, 3, 1, 20, tzinfo=UTC)

Event = tuple[int, int, str, str, str, str]


@dataclass
class Read:
    """What a reader of a landing folder finds."""

    valid: list[tuple[str, Event]] = field(default_factory=list)
    refused: int = 0
    rules: Counter[str] = field(default_factory=Counter)

    @property
    def events(self) -> set[Event]:
        return {event for _, event in self.valid}


class NotWellFormedError(Exception):
    pass


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs if key in SIX]
    if len(keys) != len(set(keys)):
        raise NotWellFormedError
    return dict(pairs)


def _json_records(body: bytes) -> Iterator[Any]:
    for line in body.split(b"\n"):
        if line.strip():
            try:
                yield json.loads(line.decode(), object_pairs_hook=_no_key_twice)
            except (ValueError, NotWellFormedError):
                yield None


def _csv_records(body: bytes) -> Iterator[Any]:
    rows = csv.reader(io.StringIO(body.decode(errors="surrogateescape"), newline=""), strict=True)
    header = next(rows)
    for row in rows:
        whole = len(row) == len(header) and not re.search("[\ud800-\udfff]", "".join(row))
        yield dict(zip(header, row, strict=True)) if whole else None


def _records(path: Path) -> Iterator[Any]:
    if path.suffix == ".parquet":
        return iter(pq.read_table(path).to_pylist())
    body = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return _csv_records(body) if ".csv" in path.name else _json_records(body)


def _integer(value: Any) -> int | None:
    if type(value) is int:
        return value
    return int(value) if isinstance(value, str) and INTEGER.fullmatch(value) else None


def _broken(record: Any) -> set[str]:
    if not isinstance(record, dict):
        return {"well_formed"}
    broken = set()
    second = _integer(record.get("timestamp"))
    if second is None:
        broken.add("timestamp_is_integer")
    elif not YEAR_2000 <= second <= datetime.now(UTC).timestamp() + 3600:
        broken.add("timestamp_in_range")
    if _integer(record.get("event_type")) not in (0, 1):
        broken.add("event_type_is_known")
    for name in SIX[2:]:
        value = record.get(name)
        if not (
            isinstance(value, str) and value.strip(" ") and len(value) <= 256 and not CONTROL.search(value)
        ):
            broken.add(f"{name}_present")
    return broken


def _read(landing: Path) -> Read:
    found = Read()
    for path in sorted(landing.iterdir()):
        for record in _records(path):
            broken = _broken(record)
            found.rules.update(broken)
            if broken:
                found.refused += 1
            else:
                event = (
                    int(record["timestamp"]),
                    int(record["event_type"]),
                    *(record[name] for name in SIX[2:]),
                )
                found.valid.append((path.name, event))
    return found


def _gold(events: set[Event]) -> dict[str, list[tuple[Any, ...]]]:
    views: Counter[Any] = Counter()
    clicks: Counter[Any] = Counter()
    users: dict[Any, set[str]] = defaultdict(set)
    for second, event_type, _, placement, page, user in events:
        moment = datetime.fromtimestamp(second, UTC)
        hour = moment.replace(minute=0, second=0)
        for bucket in (
            ("placement_hourly", placement, hour),
            ("placement_daily", placement, moment.date()),
            ("page_hourly", page, hour),
            ("page_daily", page, moment.date()),
        ):
            (clicks if event_type else views)[bucket] += 1
            users[bucket].add(user)
    tables: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for bucket in sorted(users):
        table, subject, when = bucket
        tables[table].append((subject, when, views[bucket], clicks[bucket], len(users[bucket])))
    return tables


SMALL = {"events": 3000, "hours": 10, "start": SUNDAY_EVENING, "seed": 7}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture(scope="session")
def order() -> Callable[..., Order]:
    """A small order over two days and a weekend's end; tests name what differs."""
    return lambda **named: Order(**{**SMALL, **named})


@pytest.fixture
def give(home: Home, order: Callable[..., Order]) -> Callable[..., Delivered]:
    """Gives such an order to a home."""
    return lambda into=home, **named: generate(order(**named), into)


@pytest.fixture(scope="session")
def bytes_below() -> Callable[[Path], dict[str, bytes]]:
    """Every file below a folder, by its path there."""
    return lambda folder: {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture(scope="session")
def read() -> Callable[[Path], Read]:
    """What stands in a landing folder, by the rules of design.md."""
    return _read


@pytest.fixture(scope="session")
def gold() -> Callable[[set[Event]], dict[str, list[tuple[Any, ...]]]]:
    """The four statistics tables of these events, as sorted rows."""
    return _gold
