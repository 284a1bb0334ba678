"""What every part of the benchmark shares: a folder that keeps its data, and rows of one Markdown table."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyspark

from conf import java

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "bench"
"""Where data is kept from one call to the next; git ignores it."""

STARTED = time.monotonic()


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    target: str
    measured: str
    command: str


def options(part: str, description: str) -> argparse.ArgumentParser:
    """The arguments every part takes."""
    parser = argparse.ArgumentParser(
        prog=f"python -m tests.bench{part and '.'}{part}", description=description
    )
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, help="keeps data for the next call")
    return parser


def command(part: str, **given: object) -> str:
    """What to type to measure that again."""
    words = [word for name, value in given.items() for word in (f"--{name}", *shlex.split(str(value)))]
    return shlex.join([".venv/bin/python", "-m", f"tests.bench.{part}", *words])


def say(text: str) -> None:
    """Progress, for whoever waits."""
    print(f"{time.monotonic() - STARTED:7.1f} s  {text}", file=sys.stderr, flush=True)


def spread(values: Sequence[float], unit: str = " s", digits: int = 1) -> str:
    """Median, and least to most when there are several."""
    middle = f"{statistics.median(values):,.{digits}f}{unit}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> str:
    """What it was measured on, in one line."""
    release = java.home() / "release"
    written = dict(line.split("=", 1) for line in release.read_text("utf-8").splitlines() if "=" in line)
    return (
        f"{os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB memory, "
        f"Python {platform.python_version()}, Java {written.get('JAVA_VERSION', '?').strip(chr(34))}, "
        f"Spark {pyspark.__version__}; commit {commit()}"
    )


def commit() -> str:
    """What is checked out here."""
    asked = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    told = subprocess.run(asked, capture_output=True, text=True, check=False)
    return told.stdout.strip() or "unknown"


def table(rows: Sequence[Row]) -> str:
    """The rows, as README shows them."""
    return markdown(
        ("what", "target", "measured", "command"),
        [(row.what, row.target, row.measured, f"`{row.command}`") for row in rows],
    )


def keep(folder: Path, part: str, rows: list[Row]) -> None:
    """Print the rows, and keep them for the table of all parts."""
    kept = folder / "results" / f"{part}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps([dataclasses.asdict(row) for row in rows]), "utf-8")
    print(f"\n{table(rows)}\n\n{machine()}", flush=True)


def kept(folder: Path, part: str) -> list[Row]:
    """The rows the part came to when it was last run."""
    return [Row(**row) for row in json.loads((folder / "results" / f"{part}.json").read_text("utf-8"))]
