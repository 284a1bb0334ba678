"""What silver, quarantine, ledger and gold must be, in plain Python, straight from the delivered bytes.

A second statement of what an event means: it imports no layer and no Spark, only Python's own JSON decoder
with every token kept as text. How a file splits into records stands in `oracle_files`. A batch that a gate
would keep back is not modelled: keep batches below 1,000 records, or nine tenths of their records valid.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from itertools import accumulate
from typing import Any, NamedTuple

from tests.faults.oracle_files import Unreadable, records

__all__ = ["Event", "State", "Unreadable", "expected", "judged", "records", "shown"]

EARLIEST = 946_684_800
"""2000-01-01 in unix seconds."""

NESTING = 1000
IDS = ("banner_id", "placement_id", "page_id", "user_id")
SIX = ("timestamp", "event_type", *IDS)

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
# Python's decoder goes one call deeper at each bracket.
sys.setrecursionlimit(max(sys.getrecursionlimit(), 5 * NESTING))
_DEEPER = {"{": 1, "[": 1, "}": -1, "]": -1}


class Event(NamedTuple):
    """The six fields that make an event what it is."""

    event_time: datetime
    event_type: int
    banner_id: str
    placement_id: str
    page_id: str
    user_id: str


Refused = tuple[str, ...]
"""Every rule a record breaks, in the order of the suite."""

Count = tuple[str, Any, int, int, int]
"""key, bucket (datetime or date), views, clicks, distinct_users."""


@dataclass(frozen=True)
class State:
    """Sorted rows. `first` is the six fields and the source of the event's first accepted delivery;
    `quarantine` payload, source, rules; `ledger` source, delivered, accepted, duplicate, quarantined, first
    and last event time of the valid records, over all batches; each statistics table is of `Count`.
    """

    silver: list[tuple[Any, ...]]
    first: list[tuple[Any, ...]]
    quarantine: list[tuple[str, str, Refused]]
    ledger: list[tuple[Any, ...]]
    placement_hourly: list[Count]
    placement_daily: list[Count]
    page_hourly: list[Count]
    page_daily: list[Count]

    def differs(self, other: State) -> dict[str, tuple[list[Any], list[Any]]]:
        """By table, the rows only here and the rows only there; empty when equal."""
        found = {}
        for table in (field.name for field in fields(State)):
            here, there = getattr(self, table), getattr(other, table)
            if here != there:
                found[table] = (_without(here, there), _without(there, here))
        return found


def _without(rows: list[Any], others: list[Any]) -> list[Any]:
    """The rows that `others` lacks, as often as it lacks them."""
    left: dict[Any, int] = defaultdict(int)
    for row in others:
        left[row] += 1
    found = []
    for row in rows:
        left[row] -= 1
        if left[row] < 0:
            found.append(row)
    return found


class _Integer(str):
    """The digits of a JSON integer."""

    __slots__ = ()


class _Inexact(str):
    """The text of any other JSON number."""

    __slots__ = ()


class _Members(list):  # type: ignore[type-arg]
    """The members of a JSON object, repeated ones too."""


def _no_number(constant: str) -> None:
    raise ValueError(constant)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_Members, parse_int=_Integer, parse_float=_Inexact, parse_constant=_no_number
)


def judged(payload: str, latest: int) -> Event | Refused:
    """The event a record says, or every rule it breaks.

    `latest` is the last unix second it may say: its delivery's and an hour. A payload is as `records` gives
    it: bytes that are not UTF-8 are lone surrogates.
    """
    fields_ = _fields(payload)
    if fields_ is None:
        return ("well_formed",)
    second, kind = _number(fields_.get("timestamp")), _number(fields_.get("event_type"))
    holds = {
        "timestamp_is_integer": second is not None,
        "timestamp_in_range": second is None or EARLIEST <= second <= latest,
        "event_type_is_known": kind in {0, 1},
        **{f"{name}_present": _is_id(fields_.get(name)) for name in IDS},
    }
    if broken := tuple(rule for rule, held in holds.items() if not held):
        return broken
    assert second is not None
    assert kind is not None
    return Event(datetime.fromtimestamp(second, UTC), kind, *[str(fields_[name]) for name in IDS])


def _fields(payload: str) -> dict[str, Any] | None:
    """The members of the one object the payload is; None when it is not well formed."""
    if _SURROGATE.search(payload) or _depth(payload) > NESTING:
        return None
    try:
        members = _DECODER.decode(payload)
    except ValueError:
        return None
    if not isinstance(members, _Members):
        return None
    ours = [key for key, _ in members if key in SIX]
    return dict(members) if len(ours) == len(set(ours)) else None


def _depth(payload: str) -> int:
    """How many brackets of a well-formed text stand within brackets; of any other, any number."""
    if payload.count("[") + payload.count("{") <= NESTING:
        return 0
    steps = (_DEEPER.get(sign, 0) for sign in _STRING.sub("", payload))
    return max(accumulate(steps), default=0)


def _number(value: Any) -> int | None:
    if not isinstance(value, str) or isinstance(value, _Inexact) or not _INTEGER.fullmatch(value):
        return None
    # Python reads no more than some thousand digits; a few suffice to lie outside of everything.
    return int(value[:40])


def _is_id(value: Any) -> bool:
    if not isinstance(value, str) or isinstance(value, _Inexact):
        return False
    unfit = _CONTROL.search(value) or _SURROGATE.search(value)
    return bool(value.strip(" ")) and len(value) <= 256 and not unfit


def shown(payload: str) -> str:
    """The payload as bronze shows it: U+FFFD for each longest beginning of a character."""
    return payload.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def expected(arrivals: Sequence[Mapping[str, bytes]], latest: int) -> State:
    """What the tables hold once each of the batches, source to bytes, was taken in this order.

    A source that brings bytes it brought before is no new delivery; one that cannot be read is set aside.
    """
    first: dict[Event, str] = {}
    quarantine: list[tuple[str, str, Refused]] = []
    ledger: dict[str, _Account] = defaultdict(_Account)
    taken: set[tuple[str, bytes]] = set()
    for batch in arrivals:
        for source in sorted(batch, key=lambda name: name.encode("utf-8", "surrogateescape")):
            payloads = records(source, batch[source])
            if isinstance(payloads, Unreadable) or (source, batch[source]) in taken:
                continue
            taken.add((source, batch[source]))
            for payload in payloads:
                verdict = judged(payload, latest)
                ledger[source].count(verdict, known=verdict in first)
                if isinstance(verdict, Event):
                    first.setdefault(verdict, source)
                else:
                    quarantine.append((shown(payload), source, verdict))
            ledger[source].delivered += len(payloads)
    return State(
        silver=sorted(tuple(event) for event in first),
        first=sorted((*event, source) for event, source in first.items()),
        quarantine=sorted(quarantine),
        ledger=sorted((source, *account.row) for source, account in ledger.items()),
        placement_hourly=_counted(first, "placement_id", _hour),
        placement_daily=_counted(first, "placement_id", datetime.date),
        page_hourly=_counted(first, "page_id", _hour),
        page_daily=_counted(first, "page_id", datetime.date),
    )


@dataclass
class _Account:
    """What became of one source's records."""

    delivered: int = 0
    accepted: int = 0
    duplicate: int = 0
    quarantined: int = 0
    earliest: datetime | None = None
    latest: datetime | None = None

    def count(self, verdict: Event | Refused, *, known: bool) -> None:
        if not isinstance(verdict, Event):
            self.quarantined += 1
            return
        self.accepted += not known
        self.duplicate += known
        self.earliest = min(self.earliest or verdict.event_time, verdict.event_time)
        self.latest = max(self.latest or verdict.event_time, verdict.event_time)

    @property
    def row(self) -> tuple[Any, ...]:
        return (self.delivered, self.accepted, self.duplicate, self.quarantined, self.earliest, self.latest)


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _counted(events: Iterable[Event], key: str, bucket: Any) -> list[Count]:
    """Views, clicks and distinct users by key and bucket of the event's own time."""
    views: dict[tuple[str, date], int] = defaultdict(int)
    clicks: dict[tuple[str, date], int] = defaultdict(int)
    users: dict[tuple[str, date], set[str]] = defaultdict(set)
    for event in events:
        where = (getattr(event, key), bucket(event.event_time))
        (clicks if event.event_type else views)[where] += 1
        users[where].add(event.user_id)
    return sorted((*where, views[where], clicks[where], len(held)) for where, held in users.items())
