"""What a person types on the command line: options, and how times are written."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import typer

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
LONGEST = timedelta(days=1)


def utc(text: str) -> datetime:
    """A moment as ISO 8601 writes it, in UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time; write it like 2026-03-01T00:00:00Z") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def hour(text: str) -> datetime:
    """A whole hour as ISO 8601 writes it, in UTC."""
    moment = utc(text)
    if moment != moment.replace(minute=0, second=0, microsecond=0):
        raise typer.BadParameter(f"{text!r} is no whole hour; write it like 2026-03-01T13:00")
    return moment


def interval(text: str) -> float:
    """The seconds of a span like 500ms, 30s, 5m or 1h; a number alone is seconds. A day at most."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|)", text, re.ASCII)
    seconds = float(found[1]) * UNITS[found[2]] if found else 0.0
    if not 0 < seconds <= LONGEST.total_seconds():
        raise typer.BadParameter(f"{text!r} is no span of up to a day; write it like 30s, 500ms or 5m")
    return seconds


HomeOption = Annotated[
    str | None,
    typer.Option("--home", help="A folder, or s3a://bucket/prefix [default: $LAKEHOUSE_HOME, else ./data]."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Share = Annotated[float, typer.Option(help="As a share of the events.")]
To = Annotated[Literal["files", "kafka"], typer.Option(help="Into landing, or to the topic kafka_topic.")]
Rate = Annotated[int | None, typer.Option(help="Records a second to Kafka [default: as it goes].")]
Interval = Annotated[
    float, typer.Option(parser=interval, metavar="TIME", help="How often to look: 500ms, 30s, 5m.")
]
Start = Annotated[
    datetime, typer.Option(parser=utc, metavar="TIME", help="First hour; UTC unless it says otherwise.")
]
FromHour = Annotated[
    datetime | None, typer.Option("--from", parser=hour, metavar="HOUR", help="First event hour, UTC.")
]
ToHour = Annotated[
    datetime | None, typer.Option("--to", parser=hour, metavar="HOUR", help="The hour before which it ends.")
]
ByTime = Annotated[
    datetime | None, typer.Option(parser=utc, metavar="TIME", help="From what was delivered by then.")
]
Serve = Annotated[
    str | None, typer.Option(metavar="[HOST:]PORT", help="Answer JDBC tools there instead, until stopped.")
]
