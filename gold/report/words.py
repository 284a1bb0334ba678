"""Values -> the words and figures a person reads. Times are UTC."""

from __future__ import annotations

from datetime import date, datetime

NOTHING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


def count(value: float | None) -> str:
    """With thousands separators."""
    return NOTHING if value is None else f"{value:,.0f}"


def percent(share: float | None) -> str:
    """A share as a percentage: what is not all never reads as 100 %, nor little as nothing."""
    if share is None:
        return NOTHING
    for digits in (1, 2, 3):
        text = f"{100 * share:.{digits}f}"
        if share in {0, 1}:
            return f"{share:.0%}".replace("%", " %")
        if float(text) not in {0.0, 100.0}:
            return f"{text} %"
    return "< 0.001 %" if share < 0.5 else "> 99.999 %"


def rate(value: float | None) -> str:
    """A figure that is a percentage already, like clicks per 100 views."""
    return NOTHING if value is None else f"{value:.2f} %"


def change(value: float | None) -> str:
    """A change in percent, with its sign."""
    if value is None:
        return NOTHING
    return "0.0 %" if abs(value) < 0.05 else f"{value:+,.1f} %".replace("-", MINUS)


def signed(value: int | None) -> str:
    """A difference, with its sign."""
    return NOTHING if value is None else f"{value:+,}".replace("-", MINUS) if value else "0"


def times(value: float | None) -> str:
    """How many times as much."""
    return NOTHING if value is None else f"\N{MULTIPLICATION SIGN} {value:.2f}"


def moment(value: datetime | None) -> str:
    """Day and minute."""
    return NOTHING if value is None else f"{value:%Y-%m-%d %H:%M}"


def day(value: date | None) -> str:
    """The day alone."""
    return NOTHING if value is None else f"{value:%Y-%m-%d}"


def duration(seconds: int | None) -> str:
    """In the two largest units that say it."""
    if seconds is None:
        return NOTHING
    sign, left = (MINUS if seconds < 0 else ""), abs(seconds)
    parts: list[str] = []
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        amount, left = divmod(left, length)
        if amount or parts:
            parts.append(f"{amount} {unit}")
    shown = [part for part in parts[:2] if not part.startswith("0 ")]
    return sign + (" ".join(shown) or "0 s")


def machine(value: object) -> str:
    """The value for a program: what a table sorts by, and what a CSV file holds."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
