"""Small deliveries from a seed: few keys, so that events repeat and buckets are counted again; some dirt."""

from __future__ import annotations

import json
import random
from typing import Any

START = 1_772_409_600  # 2026-03-02T00:00:00Z
HOUR, DAY = 3600, 86_400
LATEST = 1_798_761_600
"""2027-01-01: no delivery of ours says a time between its arrival and this."""

DIRT = (
    "not json",
    "{}",
    '{"timestamp": 1772409600',
    "\x00",
    '{"timestamp": 1772409600000, "event_type": 7, "banner_id": "", "placement_id": "p1"}',
)


def event(chance: random.Random, hour: int) -> dict[str, Any]:
    """A valid record of that hour after START, of few users, placements and pages."""
    return {
        "timestamp": START + hour * HOUR + chance.randrange(0, HOUR, 60),
        "event_type": chance.choice((0, 0, 0, 1)),
        "banner_id": f"b{chance.randrange(2)}",
        "placement_id": f"p{chance.randrange(3)}",
        "page_id": f"g{chance.randrange(2)}",
        "user_id": f"u{chance.randrange(6)}",
    }


def lines(chance: random.Random, hour: int, records: int) -> list[str]:
    """JSON lines of that hour; one of eight is older, one of ten repeats another, one of twelve is dirt."""
    said: list[str] = []
    for _ in range(records):
        dice = chance.random()
        if dice < 1 / 12:
            said.append(chance.choice(DIRT))
        elif dice < 1 / 6 and said:
            said.append(chance.choice(said))
        else:
            late = chance.choice((1, 3, 24)) if chance.random() < 1 / 8 else 0
            extra = {"browser": "x"} if chance.random() < 1 / 10 else {}
            said.append(json.dumps(event(chance, hour - late) | extra))
    return said


def batch(number: int) -> dict[str, bytes]:
    """What arrives together: four files, source to bytes; one is partly the batch before again, one is not
    what its name says.
    """
    chance, before = random.Random(number), random.Random(number - 1)
    text = "\n".join(lines(chance, number, 40))
    again = "\n".join(lines(before, number - 1, 40)[:15])
    columns = list(event(chance, number))
    rows = [",".join(str(event(chance, number)[name]) for name in columns) for _ in range(20)]
    csv = "\r\n".join([",".join(columns), *rows, "1,2,3"])
    return {
        f"{number:02}/a.jsonl": f"{text}\n".encode(),
        f"{number:02}/b.csv": csv.encode(),
        f"{number:02}/c.json": b"\xef\xbb\xbf" + again.encode() + b'\r\n\r\n\xff{"a":1}',
        f"{number:02}/d.parquet": f"PAR1, or so it says: {number}".encode(),
    }
