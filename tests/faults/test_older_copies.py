"""Tables lost, put back from an older copy, or with a damaged log: told exactly, or healed."""

from __future__ import annotations

import json
import random
import shutil
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from conf import tables
from conf.home import Home
from conf.tables import GOLD, TABLES, Table
from tests.faults.arrival import deliver
from tests.faults.drawn import delivery, seconds_of
from tests.faults.oracle import State, expected
from tests.faults.reading import state, unbalanced, versions

SEED = 71
TOLD = [table for table in TABLES if table not in GOLD]
"""What no run makes again from the tables beside it; statistics it does, by their own markers."""


class Past(NamedTuple):
    """A lakehouse after its second batch, a copy of it after the first, and what was delivered."""

    home: Home
    older: Home
    batches: list[dict[str, bytes]]


@pytest.fixture(scope="module")
def lakes(tmp_path_factory):
    """Where `past` keeps what it made, once for the module."""
    return {"folder": tmp_path_factory.mktemp("past")}


pytestmark = [pytest.mark.usefixtures("shared_spark"), pytest.mark.faults, pytest.mark.timeout(3600)]


@pytest.fixture
def past(lakes, program, home):
    """Two batches taken, upkeep in between and after: every table has a checkpoint, and an older copy."""
    if "made" not in lakes:
        print(f"seed {SEED}")
        drawn = random.Random(SEED)
        made, older = Home(lakes["folder"] / "home"), Home(lakes["folder"] / "older")
        batches = []
        for name in ("a.jsonl", "b.jsonl"):
            content = delivery(drawn, seconds_of(drawn)) + b'{"timestamp": 1, "extra": 1}\n'
            batches.append(deliver(made, {name: content}))
            assert program("run", "--home", made.root).status == 0
            assert program("maintain", "--home", made.root).status == 0
            # A decision of each time, so that silver.suites has an older copy as well.
            assert program("reprocess", *HOURS, "--accept", "--home", made.root).status == 0
            if not older.root.exists():
                shutil.copytree(made.root, older.root)
        lakes["made"] = Past(made, older, batches)
    made, older, batches = lakes["made"]
    shutil.rmtree(home.root)
    shutil.copytree(made.root, home.root)
    return Past(home, older, list(batches))


HOURS = ("--from", "2026-03-01T00:00", "--to", "2026-03-03T00:00")


def put_back(past: Past, *lost: Table, older: bool) -> None:
    for table in lost:
        shutil.rmtree(past.home.folder(table))
        if older:
            shutil.copytree(past.older.folder(table), past.home.folder(table))


def arrives(past: Past) -> None:
    """One more delivery."""
    drawn = random.Random(SEED + 1)
    past.batches.append(deliver(past.home, {"c.jsonl": delivery(drawn, seconds_of(drawn, 20))}))


def run(program, past: Past, status: int) -> str:
    said = program("run", "--home", past.home.root)
    assert said.status == status, said.err
    assert "Traceback" not in said.err
    return str(said.err)


def assert_as_expected(past: Past) -> None:
    assert state(past.home).differs(_expected(past)) == {}
    assert unbalanced(past.home) == []


def _expected(past: Past) -> State:
    return expected(past.batches, int(time.time()))


@pytest.mark.parametrize("older", [True, False], ids=["older", "lost"])
@pytest.mark.parametrize("table", TOLD, ids=[table.name for table in TOLD])
def test_a_table_lost_or_put_back_is_told_and_nothing_is_done(past, program, table, older):
    put_back(past, table, older=older)
    before = versions(past.home)
    arrives(past)
    for verb, status in (("run", 1), ("verify", 4)):
        said = program(verb, "--home", past.home.root)
        assert (said.status, said.out) == (status, "")
        assert said.err.startswith(f"{past.home.folder(table)} ")
        assert f"{table.name} was at version " in said.err
        assert "Nothing was changed. Put the newer copy back; or" in said.err
        assert "Traceback" not in said.err
    assert versions(past.home) == before


@pytest.mark.parametrize("left", [("bronze",), ("bronze", "silver")], ids=" ".join)
def test_what_the_message_advises_heals(past, program, left):
    """silver and gold, or gold alone, taken away: rebuilt from what is left, equal to the oracle."""
    for folder in past.home.warehouse.iterdir():
        if folder.is_dir() and folder.name not in left:
            shutil.rmtree(folder)
    arrives(past)
    run(program, past, 0)
    assert_as_expected(past)


def test_statistics_lost_and_put_back_are_counted_again(past, program):
    """Though no delivery touches their buckets: a run that finds nothing new must not pass over them."""
    lost, back, other, last = random.Random(SEED).sample(GOLD, 4)
    put_back(past, lost, other, older=False)
    put_back(past, back, older=True)
    run(program, past, 0)
    assert_as_expected(past)
    put_back(past, last, older=True)
    arrives(past)
    run(program, past, 0)
    assert_as_expected(past)
    before = versions(past.home)
    run(program, past, 0)
    assert versions(past.home) == before


def test_silver_and_gold_put_back_together_are_told(past, program):
    """They agree with each other, and not with what was written since."""
    put_back(past, *[table for table in TABLES if table.layer != "bronze"], older=True)
    assert "was at version " in run(program, past, 1)


def test_everything_put_back_together_takes_again_what_came_since(past, program):
    shutil.rmtree(past.home.warehouse)
    shutil.copytree(past.older.warehouse, past.home.warehouse)
    run(program, past, 0)
    assert_as_expected(past)


def test_the_whole_warehouse_lost_is_taken_again(past, program):
    shutil.rmtree(past.home.warehouse)
    past.batches[:] = [{name: content for batch in past.batches for name, content in batch.items()}]
    run(program, past, 0)
    assert_as_expected(past)


def _checkpoint(log: Path) -> Path:
    return max(log.glob("*.checkpoint.parquet"))


def _commit(log: Path) -> Path:
    return max(log.glob("*.json"))


DAMAGED_TABLES = (tables.BRONZE_DELIVERIES, tables.SILVER_EVENTS, tables.SILVER_LEDGER, tables.PAGE_DAILY)
"""One of each kind: a plan, what has a change feed, what is appended to, what is merged into."""

DAMAGED = {"pointer": lambda log: log / "_last_checkpoint", "checkpoint": _checkpoint, "commit": _commit}
DAMAGES = {
    "deleted": lambda file: file.unlink(),
    "emptied": lambda file: file.write_bytes(b""),
    "truncated": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "junk": lambda file: file.write_bytes(random.Random(SEED).randbytes(file.stat().st_size)),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("damaged", DAMAGED)
@pytest.mark.parametrize(
    "table",
    [pytest.param(table, id=table.name) for table in DAMAGED_TABLES],
)
def test_a_damaged_log_is_told_or_does_no_harm(past, program, table, damaged, damage):
    """Told by the table and the file that is damaged, and done what is told, or put back, it heals."""
    log = past.home.folder(table) / "_delta_log"
    file = DAMAGED[damaged](log)
    whole = file.read_bytes()
    DAMAGES[damage](file)
    # Hadoop keeps a checksum beside a file it wrote, and would tell by it alone.
    checksum = file.with_name(f".{file.name}.crc")
    checksum.unlink(missing_ok=True)
    said = program("run", "--home", past.home.root)
    assert "Traceback" not in said.err
    if said.status:
        assert said.status == 1
        assert table.name in said.err
        # Of a checkpoint that is gone, the one that points to it is left to be told.
        named = [str(file), str(log / "_last_checkpoint"), f"{log.parent} ends at version "]
        assert any(words in said.err for words in named), said.err
        assert "Nothing was changed." in said.err
        spared = said.err.partition("Remove ")[2].partition(" and run again")[0]
        for named in spared.split(" and ") if spared else ():
            Path(named).unlink()
        if not spared:
            file.write_bytes(whole)
    arrives(past)
    run(program, past, 0)
    assert_as_expected(past)


def test_without_what_the_last_run_left_to_compare_with_markers_still_tell(past, program):
    """An older bronze or silver of events is told by the tables beside it."""
    for table in (tables.BRONZE_EVENTS, tables.SILVER_EVENTS):
        past.home.versions.unlink(missing_ok=True)
        kept = past.home.folder(table).with_name("kept")
        past.home.folder(table).rename(kept)
        shutil.copytree(past.older.folder(table), past.home.folder(table))
        assert "is an older copy" in run(program, past, 1)
        shutil.rmtree(past.home.folder(table))
        kept.rename(past.home.folder(table))
    assert_as_expected(past)


def test_the_versions_are_what_the_last_verb_left(past):
    assert json.loads(past.home.versions.read_text("utf-8")) == versions(past.home)
