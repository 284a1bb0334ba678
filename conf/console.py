"""What a person sees: progress on stderr, results on stdout."""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from conf import log

# A copy of stderr: the JVM is given the file of the original, its words must not mix with ours.
errors = Console(file=os.fdopen(os.dup(sys.stderr.fileno()), "w"), highlight=False, soft_wrap=True)
atexit.register(errors.file.close)
PIPED = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120
"""Columns of a table that goes into a file: nobody's window bounds it, but a page should."""

results = Console(highlight=False, soft_wrap=not sys.stdout.isatty(), width=PIPED)


@contextmanager
def progress(verb: str, work: Callable[[], str] = str, *, stages: bool = True) -> Iterator[None]:
    """Show the stage, what `work` says of it and the elapsed time; plain lines when not a terminal, and
    none of them without `stages`.
    """
    started = time.monotonic()
    if not errors.is_terminal:
        if stages:
            log.watch(
                lambda layer, what: errors.print(
                    Text(f"{time.monotonic() - started:6.1f} s  {layer}: {what}")
                )
            )
        yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), _Work(work), TimeElapsedColumn())
    # Results that go into a file while this is shown must not end up here.
    with Progress(*columns, console=errors, transient=True, redirect_stdout=sys.stdout.isatty()) as bar:
        task = bar.add_task(verb)
        log.watch(lambda layer, what: bar.update(task, description=f"{layer}: {what}"))
        yield


class _Work(TextColumn):
    """Asks for the state of the work each time it is drawn."""

    def __init__(self, work: Callable[[], str]) -> None:
        super().__init__("")
        self._work = work

    def render(self, task: object) -> Text:  # noqa: ARG002 - the column's interface
        return Text(self._work(), style="dim")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows; numbers to the right with thousands separators, everything else as it is."""
    drawn = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    for place, column in enumerate(columns):
        is_number = bool(rows) and all(isinstance(row[place], int | float) for row in rows)
        drawn.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*[_cell(value) for value in row])
    results.print(drawn)


def _cell(value: object) -> Text:
    """Text, never markup: ids are hostile strings, control characters among them."""
    if isinstance(value, int):
        return Text(f"{value:,}")
    if isinstance(value, float):
        return Text(f"{value:,.2f}")
    return _harmless(str(value))


def _harmless(text: str, style: str = "") -> Text:
    """Without what a terminal would obey: names and ids are other people's words."""
    return Text("".join(sign if sign.isprintable() else "�" for sign in text), style=style)


def _lines(text: str, style: str = "") -> Text:
    """Our own sentences, of several lines, with other people's words in them."""
    return Text("\n").join(_harmless(line, style) for line in text.split("\n"))


def say(text: str = "") -> None:
    """A line of the result."""
    results.print(_lines(text), soft_wrap=True)


def warn(text: str) -> None:
    """Something a person should look at; the work went on."""
    errors.print(_lines(f"Warning: {text}", "yellow"))


def fail(text: str) -> None:
    """Why the work ended."""
    errors.print(_lines(text, "bold red"))
