"""Deliveries drawn by a seed: few ids, so that every bucket is touched again and again."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime

DAY = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp())
BROKEN = ('{"timestamp":', "[]", '{"timestamp": 1.5}', '{"event_type": 2}')


def seconds_of(drawn: random.Random, count: int = 300, first: int = DAY, hours: int = 30) -> list[int]:
    """Seconds of some hours."""
    return [first + drawn.randrange(hours * 3600) for _ in range(count)]


def delivery(drawn: random.Random, seconds: Sequence[int]) -> bytes:
    """A JSON Lines file with an event at each of the seconds, one in ten sent again, one in thirty broken."""
    lines = [_event(drawn, second) for second in seconds]
    lines += drawn.choices(lines, k=len(lines) // 10) + drawn.choices(BROKEN, k=len(lines) // 30)
    drawn.shuffle(lines)
    return "".join(f"{line}\n" for line in lines).encode()


def _event(drawn: random.Random, second: int) -> str:
    said = {
        "timestamp": second,
        "event_type": int(drawn.random() < 0.2),
        "banner_id": f"b{drawn.randrange(3)}",
        "placement_id": f"p{drawn.randrange(5)}",
        "page_id": f"g{drawn.randrange(8)}",
        "user_id": f"u{drawn.randrange(40)}",
    }
    return json.dumps(said)
