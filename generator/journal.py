"""What was generated into a home: each order, what it came to, and its events, beside the key.

An order is written down before its first file lands and finished after its last, so one that was cut
short is known, and giving it again completes it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from conf.home import Home
from generator.order import HOUR, Order, read

EVENTS = ".events"
"""Folder below answers with, per order, its entry (.json) and its distinct events (.parquet)."""


@dataclass(frozen=True)
class Entry:
    """One order of a home. `reach_back` is the Unix time its late events go back to, None for its own start.

    `records` and `malformed` count what was delivered, `rules` and `kinds` the malformed ones by rule
    broken and by kind; all stay 0 until `finished`.
    """

    order: Order
    reach_back: int | None
    finished: bool = False
    records: int = 0
    malformed: int = 0
    rules: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)

    @property
    def seconds(self) -> range:
        """The Unix times its events may have."""
        first = self.order.first_second
        return range(first if self.reach_back is None else self.reach_back, first + self.order.hours * HOUR)


def events_file(home: Home, order: Order) -> Path:
    """Where the order's distinct events are kept."""
    return home.answers / EVENTS / f"events-{order.name}.parquet"


def entries(home: Home) -> list[Entry]:
    """Every order given to the home, in order of name."""
    texts = sorted((home.answers / EVENTS).glob("order-*.json"))
    return [_entry(path.read_text()) for path in texts]


def _entry(text: str) -> Entry:
    values = json.loads(text)
    return Entry(**{**values, "order": read(values["order"])})


def record(home: Home, entry: Entry) -> None:
    """Write the entry down, in place of what stood there for its order."""
    values = {**asdict(entry), "order": entry.order.values}
    write_json(home.answers / EVENTS / f"order-{entry.order.name}.json", values)


def write_json(path: Path, values: object) -> None:
    """The values at `path`, whole or not at all."""
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A dot-name to write to; takes the place of `path` when all went well, and is removed when not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.tmp")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def summed(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """The counts added up by name."""
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(sorted(total.items()))
