"""Errors meant for a person: the command line prints them as they are and exits with their status."""

from __future__ import annotations

DONE = 0
UNEXPECTED = 1
USAGE = 2
GATE_REFUSED = 3
DIFFERENCE_FOUND = 4
INTERRUPTED = 130


class LakehouseError(Exception):
    """Something a person can mend. The text says what happened, where, in which state we are, what to do."""

    status = UNEXPECTED


class UsageError(LakehouseError):
    """A wrong argument, setting or place."""

    status = USAGE


class PassingError(LakehouseError):
    """Something that may pass by itself: a stream tries again."""


class EditedError(UsageError, PassingError):
    """A file that a person may be in the midst of correcting."""


class StoppedError(LakehouseError):
    """A person ended the run."""

    status = INTERRUPTED
