"""`lakehouse stream` over files: what it says, how it ends, and that it gives what `run` gives."""

from __future__ import annotations

import functools
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import generator
from conf import runs, warehouse
from conf.home import Home
from conf.tables import (
    BRONZE_EVENTS,
    EVENT_IDENTITY,
    GOLD,
    SILVER_EVENTS,
    SILVER_LEDGER,
    SILVER_QUALITY,
    Table,
)
from silver import rules

PROGRAM = Path(sys.executable).with_name("lakehouse")
START = datetime(2026, 3, 2, tzinfo=UTC)
SMALL = {
    "LAKEHOUSE_DRIVER_MEMORY": "1g",
    "LAKEHOUSE_SPARK": json.dumps({"spark.sql.shuffle.partitions": "2"}),
}


def held(home: Home, table: Table, columns: tuple[str, ...] | None = None) -> list[tuple[Any, ...]]:
    rows = pl.DataFrame(warehouse.state(home, table).to_pyarrow_table())
    return sorted(rows.select(columns or rows.columns).rows())


def eventually(what: str, is_so: Callable[[], bool], seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, f"never: {what}"
        time.sleep(0.1)


def published(home: Home) -> int:
    """How many bronze batches silver is done with."""
    if not (warehouse.exists(home, BRONZE_EVENTS) and warehouse.exists(home, SILVER_LEDGER)):
        return 0
    return warehouse.marker(home, SILVER_LEDGER, warehouse.identity(home, BRONZE_EVENTS))


def start(home: Home) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [PROGRAM, "stream", "--interval", "500ms", "--home", home.root],
        env=os.environ | SMALL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def is_written_again(file: Path, seen: list[int]) -> bool:
    """Whether the file was written twice since this was first asked; `seen` is what to remember it in."""
    if (now := file.stat().st_mtime_ns) not in seen:
        seen.append(now)
    return len(seen) > 2


def logged(home: Home) -> str:
    return "".join(file.read_text("utf-8") for file in home.logs.glob("*Z-????.jsonl"))


@pytest.fixture(scope="module")
def sent(tmp_path_factory) -> Home:
    """Three hourly files with duplicates across files, late events and malformed records, and their key."""
    home = Home(Path(tmp_path_factory.mktemp("sent")))
    order = generator.Order(1_500, 3, START, 7, "json", duplicates=0.1, late=0.2, malformed=0.02)
    generator.generate(order, home)
    return home


@pytest.fixture(scope="module")
def streamed(tmp_path_factory, sent) -> tuple[Home, dict[str, Any]]:
    """Two lives of a stream: the first is killed within silver, the second catches up, takes two more
    files, and is ended at its work.
    """
    home = Home(Path(tmp_path_factory.mktemp("streamed")))
    home.landing.mkdir(parents=True)
    first, second, third = sorted(sent.landing.iterdir())
    shutil.copy(first, home.landing)
    with start(home) as killed:
        eventually("silver at work", lambda: home.logs.exists() and "writing events" in logged(home))
        killed.kill()
    lives: dict[str, Any] = {"killed at": published(home)}
    with start(home) as ended:
        eventually("the first file", lambda: published(home) == 1)
        shutil.copy(second, home.landing)
        eventually("the second file", lambda: published(home) == 2)
        # The interval that took it ends with the metrics; the next finds nothing new.
        eventually("its end and a quiet one", functools.partial(is_written_again, home.metrics, []))
        shutil.copy(third, home.landing)
        eventually("the third file in bronze", lambda: logged(home).count("writing the records") >= 3)
        began = time.monotonic()
        ended.send_signal(signal.SIGTERM)
        lives["out"], lives["err"] = ended.communicate(timeout=60)
        lives["seconds"], lives["status"] = time.monotonic() - began, ended.returncode
    return home, lives


def test_sigterm_ends_it_cleanly(streamed):
    _, lives = streamed
    assert lives["killed at"] == 0
    assert (lives["status"], "Traceback" in lives["err"]) == (0, False)
    assert lives["seconds"] < 30
    assert lives["out"].splitlines()[-1].startswith("Stopped. ")


def test_a_line_says_what_an_interval_did(streamed, sent):
    _, lives = streamed
    records = len(sorted(sent.landing.iterdir())[1].read_bytes().splitlines())
    [line] = [line for line in lives["out"].splitlines() if "batch 2: " in line]
    pattern = (
        r"2\d{3}-\d\d-\d\d \d\d:\d\d:\d\d  batch 2: (\d+) records; "
        r"(\d+) accepted, (\d+) duplicate, (\d+) quarantined; "
        r"[\d,]+ buckets of gold; [\d.]+ s, [\d,]+ records/s; behind 0 records, 0 s"
    )
    found = re.fullmatch(pattern, line)
    assert found, line
    delivered, *outcomes = map(int, found.groups())
    assert delivered == records == sum(outcomes)


def test_nothing_new_is_said_once(streamed):
    nothing = "nothing new; behind 0 records, 0 s"
    said = [line.split("  ")[1] for line in streamed[1]["out"].splitlines()[1:-1]]
    assert nothing in said
    assert (nothing, nothing) not in itertools.pairwise(said)


@pytest.fixture(scope="module")
def caught_up(streamed, pipeline) -> Home:
    """What the ended stream left is finished by a run."""
    home: Home = streamed[0]
    pipeline(home)
    return home


def test_its_result_is_that_of_a_run(caught_up, sent, pipeline, home):
    for file in sorted(sent.landing.iterdir()):
        shutil.copy(file, home.landing)
    pipeline(home)
    assert held(caught_up, SILVER_EVENTS, EVENT_IDENTITY) == held(home, SILVER_EVENTS, EVENT_IDENTITY)
    for table in GOLD:
        assert held(caught_up, table) == held(home, table)


@pytest.mark.parametrize("table", GOLD, ids=lambda table: table.short_name)
def test_its_gold_equals_the_key(caught_up, sent, table):
    expected = pl.read_parquet(sent.answers / f"{table.short_name}.parquet")
    assert held(caught_up, table) == sorted(expected.select(list(expected.columns)).rows())


def test_every_interval_is_a_run_of_its_own(streamed):
    home, _ = streamed
    notes = runs.noted_since(home, SILVER_LEDGER, 0)
    by_batch = {note["upto"]: note["run"] for note in notes.values() if note.get("verb") == "stream"}
    assert len(set(by_batch.values())) == len(by_batch) >= 2


RECORD = {"timestamp": 1772366400, "event_type": 0, "banner_id": "b", "placement_id": "p", "page_id": "g"}


def lines(users: range, broken: int = 0) -> bytes:
    good = [json.dumps(RECORD | {"user_id": f"u{user}"}).encode() for user in users]
    return b"\n".join([*good, *[b"broken"] * broken])


@pytest.fixture
def suite(tmp_path: Path, monkeypatch) -> Path:
    """The suite `events` as a file of the test's own."""
    for name in ("events.json", "batch.json"):
        shutil.copy(rules.SUITES / name, tmp_path)
    load = rules.load
    monkeypatch.setattr(rules, "load", lambda name: load(name, tmp_path))
    return tmp_path / "events.json"


@pytest.mark.usefixtures("shared_spark")
def test_a_refused_batch_waits_while_bronze_goes_on(program, home, suite):
    """Refused, with more to come; nothing new: not judged again; the suite corrected: it goes on itself."""
    seen: dict[str, Any] = {}

    def person() -> None:
        try:
            (home.landing / "bad.jsonl").write_bytes(lines(range(900), broken=150))
            eventually("refused", lambda: "batch 1: 1,050 records" in logged(home) or verdicts(home) > 0)
            (home.landing / "good.jsonl").write_bytes(lines(range(900, 950)))
            eventually("judged again", lambda: verdicts(home) > 1)
            seen["bronze"] = warehouse.marker(home, BRONZE_EVENTS, warehouse.LANDING)
            judged = logged(home).count("parsing and judging")
            time.sleep(2)
            seen["judged again"] = logged(home).count("parsing and judging") - judged
            changed = json.loads(suite.read_text("utf-8"))
            for expectation in changed["expectations"]:
                if expectation["meta"]["rule"] in {"well_formed", "accepted_or_duplicate"}:
                    expectation["kwargs"]["mostly"] = 0.5
            half = suite.with_suffix(".half")
            half.write_text(json.dumps(changed), "utf-8")
            half.replace(suite)
            eventually("published", lambda: published(home) == 2)
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=person)
    thread.start()
    said = program("stream", "--interval", "200ms", "--home", home.root)
    thread.join()
    assert said.status == 0, said.err
    assert seen == {"bronze": 2, "judged again": 0}
    assert said.err.count("was not published: a quality gate refused it") == 1
    assert "a gate refuses batch 2; " in said.out
    assert "behind 1,100 records, " in said.out
    assert "950 accepted, 0 duplicate, 150 quarantined; " in said.out


def verdicts(home: Home) -> int:
    return warehouse.state(home, SILVER_QUALITY).version() if warehouse.exists(home, SILVER_QUALITY) else 0


@pytest.mark.usefixtures("shared_spark")
def test_it_ends_with_3_when_a_batch_is_refused(program, home):
    (home.landing / "bad.jsonl").write_bytes(lines(range(900), broken=150))

    def person() -> None:
        eventually("refused", lambda: verdicts(home) > 0)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=person)
    thread.start()
    said = program("stream", "--interval", "200ms", "--home", home.root)
    thread.join()
    assert said.status == 3, said.err


def test_a_wrong_interval(program, home):
    said = program("stream", "--interval", "soon", "--home", home.root)
    assert said.status == 2
    assert "write it like 30s, 500ms or 5m" in said.err
