"""An event as silver holds it; each test names what differs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

TEN = datetime(2026, 3, 1, 10, tzinfo=UTC)


def event(
    user: str, moment: datetime = TEN, kind: int = 0, page: str = "g", source: str = "a"
) -> dict[str, Any]:
    """One row of silver.events."""
    return {
        "event_time": moment,
        "event_type": kind,
        "banner_id": "b",
        "placement_id": "p",
        "page_id": page,
        "user_id": user,
        "event_date": moment.date(),
        "source": source,
        "ingested_at": TEN,
        "batch_id": 1,
    }
