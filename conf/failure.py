"""An unexpected failure, told to a person; the stack trace goes to the run's log."""

from __future__ import annotations

import errno

import structlog

from conf import log

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
        "The Java process ended. If it was not stopped on purpose, it may lack memory",
    ),
    ("Java gateway process exited", "Java did not start; its own words are in the run's spark.log"),
)


def explain(unexpected: BaseException) -> str:
    """One message: what happened, in which state things are, what to do; logs the stack trace."""
    if log.where():
        structlog.get_logger().error("failed", exc_info=unexpected)
    text = f"{type(unexpected).__name__}: {unexpected}"
    cause = next((advice for sign, advice in _KNOWN if sign in text), None)
    if cause is None and getattr(unexpected, "errno", None) == errno.ENOSPC:
        cause = "The disk is full. Make room"
    first = next((line for line in str(unexpected).splitlines() if line.strip()), type(unexpected).__name__)
    where = f"The whole story is in {log.where()}." if log.where() else ""
    advice = f"{cause} and run again." if cause else "If it happens again, please report it with that file."
    return f"{type(unexpected).__name__}: {first[:500]}\n{_SAFE}\n{where} {advice}".strip()
