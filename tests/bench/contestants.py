"""Who takes part in the backlog: a command for each, and where it leaves its four answers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from conf import session, settings
from conf.home import Home
from tests.bench import answers, deliveries
from tests.bench.answers import Answers
from tests.bench.part import ROOT

OURS, SPARK, DUCKDB, POLARS, BEFORE = "ours", "spark", "duckdb", "polars", "before"


@dataclass(frozen=True)
class Contestant:
    """One program. `words` says how to start it on deliveries, in a folder that is there and empty."""

    name: str
    what: str
    words: Callable[[Home, Path], list[object]]
    answers: Callable[[Path], Answers]
    code: Path = ROOT


def everyone(folder: Path, before: str, *, strict: bool) -> dict[str, Contestant]:
    """All of them, by name; of `before` there is none when it is empty."""
    memory, flags = settings.load().driver_memory, ["--strict"] * strict

    def plain(program: str, *more: str) -> Callable[[Home, Path], list[object]]:
        start = [sys.executable, "-m", f"tests.bench.{program}"]
        return lambda delivered, place: [*start, delivered.landing, place, *more, *flags]

    takes_part = [
        pipeline(OURS, "ours: landing to gold, `lakehouse run`", ROOT),
        Contestant(SPARK, "(a) plain Spark, four jobs", plain("plain_spark", memory), answers.in_delta),
        Contestant(DUCKDB, "(b) DuckDB, in memory", plain("plain_duckdb"), answers.in_parquet),
        Contestant(POLARS, "(c) Polars, in memory", plain("plain_polars"), answers.in_parquet),
    ]
    if before:
        takes_part.append(pipeline(BEFORE, f"(d) ours at {before}", checked_out(before, folder)))
    return {one.name: one for one in takes_part}


def pipeline(name: str, what: str, code: Path) -> Contestant:
    """`lakehouse run` on an empty home; the code is that of a checkout."""

    def words(delivered: Home, place: Path) -> list[object]:
        home = deliveries.linked(delivered, Home(place))
        return [sys.executable, code / "lakehouse.py", "run", "--home", home.root]

    return Contestant(name, what, words, lambda place: answers.in_delta(Home(place).warehouse / "gold"), code)


def checked_out(commit: str, folder: Path) -> Path:
    """What the commit holds, as a folder."""
    place = folder / f"before-{commit}"
    if not (place / "lakehouse.py").exists():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        archive = place.with_suffix(".tar")
        subprocess.run(["git", "-C", ROOT, "archive", "-o", archive, commit], check=True)
        shutil.unpack_archive(archive, place, filter="data")
        archive.unlink()
    return place


def environment(one: Contestant) -> dict[str, str]:
    """What its process finds: its own code first, and the Java that ours would take."""
    of_spark = session.environment(settings.load())
    return {"PYTHONPATH": os.pathsep.join([str(one.code), str(ROOT)]), **of_spark}
