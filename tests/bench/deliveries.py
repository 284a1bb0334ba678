"""The deliveries everyone reads, and the key to what they must give: made once, kept, never changed.

`.venv/bin/python -m tests.bench.deliveries HOME EVENTS [--strict]`

Of the generator's malformed records, by default only those are delivered that any JSON reader refuses or
reads alike, so that nobody pays for a strictness of ours. With `--strict` all of them are.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

import generator
from conf.home import Home
from generator import jsonl
from tests.bench.part import ROOT, say

START = datetime(2026, 3, 1, tzinfo=UTC)
HOURS = 72

SYNTAX = {
    "truncated",
    "two_objects",
    "trailing_text",
    "leading_text",
    "trailing_comma",
    "single_quotes",
    "garbage",
    "not_utf8",
}
"""Lines that are no JSON: Polars ends the whole reading at the first one."""

SAME_VALUE = {"event_type_fraction", "timestamp_exponent"}
"""1.0 and 1e9: Polars shows them as integers."""

LAST_WINS = {"key_twice"}
"""Spark takes the last of two equal keys, and so another banner."""


def order(events: int, seed: int = 1) -> generator.Order:
    """What is generated: `lakehouse generate --events … --hours 72 --start 2026-03-01 --seed 1`."""
    return generator.Order(events, HOURS, START, seed)


def generate(home: Home, events: int, *, strict: bool) -> None:
    """Write the deliveries and their key; with `strict` every kind of malformed record is among them."""
    with nullcontext() if strict else read_alike():
        generator.generate(order(events), home)


@contextmanager
def read_alike() -> Iterator[None]:
    """Within it the generator makes only those malformed records that any reader refuses or reads alike."""
    every, left_out = jsonl.MALFORMATIONS, SYNTAX | SAME_VALUE | LAST_WINS
    try:
        jsonl.MALFORMATIONS = tuple(kind for kind in every if kind.name not in left_out)
        yield
    finally:
        jsonl.MALFORMATIONS = every


def kept(folder: Path, events: int, *, strict: bool = False) -> Home:
    """The deliveries and their key, generated unless an earlier call did.

    In a process of its own: a parent's memory would show in what is measured next.
    """
    home = Home(folder / f"deliveries-{events}{'-strict' if strict else ''}")
    if not (home.answers / "totals.json").exists():
        say(f"generating {events:,} events")
        shutil.rmtree(home.root, ignore_errors=True)
        words: list[str | Path] = [sys.executable, "-m", "tests.bench.deliveries", home.root, str(events)]
        subprocess.run([*words, *["--strict"] * strict], cwd=ROOT, check=True)
    return home


def linked(delivered: Home, home: Home) -> Home:
    """An empty home with the same files in its landing."""
    shutil.rmtree(home.root, ignore_errors=True)
    home.landing.mkdir(parents=True)
    for file in delivered.landing.iterdir():
        (home.landing / file.name).hardlink_to(file)
    return home


def warm(delivered: Home) -> int:
    """Read every file once, so that everyone finds them in memory; their bytes."""
    return sum(len(file.read_bytes()) for file in delivered.landing.iterdir())


def said(*, strict: bool) -> str:
    """What a reader of the results must know of what was delivered."""
    if strict:
        return "Delivered was every kind of malformed record, and everyone looked for them."
    kinds = ", ".join(sorted(SYNTAX | SAME_VALUE | LAST_WINS))
    return (
        "Not delivered were those kinds of malformed records that cost one of the others much time to find "
        f"({kinds}); ours looks for them all the same."
    )


if __name__ == "__main__":
    asked = argparse.ArgumentParser()
    asked.add_argument("home", type=Path)
    asked.add_argument("events", type=int)
    asked.add_argument("--strict", action="store_true")
    given = asked.parse_args()
    generate(Home(given.home), given.events, strict=given.strict)
