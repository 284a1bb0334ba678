"""An unexpected failure, told to a person; the stack trace goes to the run's log."""

from __future__ import annotations

import errno
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress

import structlog

from conf import console, log
from conf.errors import UNEXPECTED, LakehouseError

_SAFE = (
    "What was committed before is whole, nothing of the rest was; nothing is lost: run again and it goes on "
    "from there."
)

_KNOWN = (
    ("No space left on device", "The disk is full. Make room"),
    ("Disk quota exceeded", "The disk quota is used up. Make room"),
    ("OutOfMemoryError", "Spark ran out of memory. Raise driver_memory (LAKEHOUSE_DRIVER_MEMORY)"),
    ("Address already in use", "A port Spark was told to use is taken. Choose another in [spark]"),
    ("Permission denied", "A file could not be read or written by this user. Correct its rights"),
    ("Read-only file system", "The disk is read-only. Make it writable"),
    (
        "Answer from Java side is empty",
        "The Java process ended. Unless somebody stopped it, make room in memory (LAKEHOUSE_DRIVER_MEMORY)",
    ),
    ("Java gateway process exited", "Java did not start. Correct what it says in the spark.log beside it"),
)

LITTLE_KIB = 16 << 10
"""A run that has no more than this fails sooner or later."""


def explain(unexpected: BaseException) -> str:
    """One message: what happened, in which state things are, what to do; logs the stack trace."""
    # What keeps the log from being written may be the very failure.
    with suppress(OSError):
        if log.where():
            structlog.get_logger().error("failed", exc_info=unexpected)
    cause, what = _cause(unexpected)
    report = "please report it with that file" if log.where() else "please report it"
    advice = f"{cause} and run again." if cause else f"If it happens again, {report}."
    where = f"The whole story is in {log.where()}. " if log.where() else ""
    return f"{type(unexpected).__name__}: {what[:500]}\n{_SAFE}\n{where}{advice}"


def _cause(unexpected: BaseException) -> tuple[str | None, str]:
    """What to do about it, where that is known, and the line that says what happened.

    Of what failed in Java, Spark says the outermost; what caused it stands in the stack trace alone.
    """
    what = gist(unexpected)
    story = [what, f"{type(unexpected).__name__}: {unexpected}", getattr(unexpected, "_stackTrace", "")]
    lines = "\n".join(story).splitlines()
    for sign, advice in _KNOWN:
        if saying := [line for line in lines if sign in line]:
            return advice, saying[0].strip().removeprefix("Caused by: ")
    if getattr(unexpected, "errno", None) == errno.ENOSPC:
        return "The disk is full. Make room", what
    return _all_but_full(), what


def _all_but_full() -> str | None:
    """Where several things are written at once, what is told first may only follow from a full disk."""
    with suppress(OSError):
        if place := log.where():
            kib = shutil.disk_usage(place).free >> 10
            return f"The disk is all but full ({kib:,} KiB are free). Make room" if kib < LITTLE_KIB else None
    return None


def gist(unexpected: BaseException) -> str:
    """The line that says what happened: of a failure in Java, its innermost cause."""
    lines = [line.strip() for line in str(unexpected).splitlines() if line.strip()]
    if not lines:
        return type(unexpected).__name__
    if not lines[0].startswith("An error occurred while calling"):
        return lines[0]
    said = [line for line in lines if line.startswith((": ", "Caused by: "))]
    return said[-1].removeprefix("Caused by").removeprefix(": ") if said else lines[0]


def told(program: Callable[[], None]) -> None:
    """Run the program; what it raises ends in one message to a person, and its status."""
    try:
        program()
    except LakehouseError as known:
        console.fail(str(known))
        sys.exit(known.status)
    except Exception as unexpected:  # noqa: BLE001 - the last resort of the program
        console.fail(explain(unexpected))
        sys.exit(UNEXPECTED)
