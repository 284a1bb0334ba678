"""Tables lost, put back from an older copy, or with a damaged log: told before anything is done."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from conf import intact, warehouse, work
from conf.errors import LakehouseError
from conf.home import Home
from conf.tables import (
    BRONZE_DELIVERIES,
    BRONZE_EVENTS,
    GOLD,
    GOLD_RESTATEMENTS,
    SILVER_LEDGER,
    TABLES,
    Table,
)


@pytest.fixture(scope="module")
def left(tmp_path_factory) -> Home:
    """Every table at version 2, with a checkpoint of version 1, as a verb left them."""
    home = Home(tmp_path_factory.mktemp("left"))
    for table in TABLES:
        for number in range(3):
            write_deltalake(home.table(table), pa.table({"number": [number]}), mode="append")
            if number == 1:
                DeltaTable(home.table(table)).create_checkpoint()
    intact.note(home)
    return home


@pytest.fixture
def copied(left, home) -> Home:
    shutil.rmtree(home.root)
    shutil.copytree(left.root, home.root)
    return Home(home.root)


@pytest.mark.parametrize(("verb", "status"), [("run", 1), ("maintain", 1), ("verify", 4)])
def test_to_verify_a_lost_table_is_a_difference(copied, verb, status):
    shutil.rmtree(copied.folder(SILVER_LEDGER))
    with pytest.raises(LakehouseError) as refused, work.holding(verb, str(copied.root)):
        pytest.fail("it began")
    assert refused.value.status == status


def log(home: Home, table: Table) -> Path:
    return home.folder(table) / "_delta_log"


def numbered(version: int, suffix: str) -> str:
    return f"{version:020}.{suffix}"


def told(home: Home) -> str:
    with pytest.raises(LakehouseError) as refused:
        intact.check(home)
    return str(refused.value)


def test_what_was_left_is_whole(copied):
    intact.check(copied)
    assert json.loads(copied.versions.read_text("utf-8")) == {table.name: 2 for table in TABLES}


def test_before_the_first_run_there_is_nothing_to_tell(home):
    intact.check(home)
    intact.note(home)
    assert not home.warehouse.exists()


def test_a_table_that_was_never_made_whole_is_none(home):
    """As a process leaves it that is killed while it makes the table."""
    log(home, SILVER_LEDGER).mkdir(parents=True)
    (log(home, SILVER_LEDGER) / f".{numbered(0, 'json')}.tmp").touch()
    intact.check(home)


def test_without_the_witness_nothing_is_told(copied):
    copied.versions.write_text("{", "utf-8")
    (log(copied, SILVER_LEDGER) / numbered(2, "json")).unlink()
    intact.check(copied)


@pytest.mark.parametrize(
    "table", [table for table in TABLES if table not in GOLD], ids=lambda table: table.name
)
def test_an_older_copy(copied, table):
    (log(copied, table) / numbered(2, "json")).unlink()
    assert told(copied).startswith(
        f"{copied.table(table)} ends at version 1, but {table.name} was at version 2 when this lakehouse was "
        "last written: it was lost, or put back from an older copy.\n"
        "Nothing was changed. Put the newer copy back; or "
    )


@pytest.mark.parametrize(
    ("table", "advice"),
    [
        (BRONZE_DELIVERIES, "while {0}/landing holds every delivery, remove {0}/warehouse and run again"),
        (SILVER_LEDGER, "remove {0}/warehouse/silver and {0}/warehouse/gold and run again"),
        (GOLD_RESTATEMENTS, "remove {0}/warehouse/gold and run again"),
    ],
    ids=["bronze", "silver", "gold"],
)
def test_a_lost_table(copied, table, advice):
    shutil.rmtree(copied.folder(table))
    said = told(copied)
    assert said.startswith(f"{copied.table(table)} is not there, but {table.name} was at version 2 ")
    assert advice.format(copied.root) in said


@pytest.mark.parametrize("table", GOLD, ids=lambda table: table.name)
def test_statistics_are_made_again(copied, table):
    shutil.rmtree(copied.folder(table))
    intact.check(copied)


@pytest.mark.parametrize("layers", [("silver",), ("gold",), ("silver", "gold")], ids=" ".join)
def test_layers_taken_away_whole_are_made_again(copied, layers):
    for layer in layers:
        shutil.rmtree(copied.warehouse / layer)
    intact.check(copied)


def test_bronze_is_not(copied):
    shutil.rmtree(copied.warehouse / "bronze")
    assert told(copied).startswith(f"{copied.table(BRONZE_EVENTS)} is not there")


DAMAGES = {
    "emptied": lambda file: file.write_bytes(b""),
    "truncated": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "junk": lambda file: file.write_bytes(b"\xff\x00" * 100),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_may_go(copied, damage):
    folder = log(copied, SILVER_LEDGER)
    checkpoint, pointer = folder / numbered(1, "checkpoint.parquet"), folder / intact.POINTER
    damage(checkpoint)
    assert told(copied) == (
        f"silver.ledger: {checkpoint} is damaged: it is no whole checkpoint.\n"
        f"Nothing was changed. Remove {checkpoint} and {pointer} and run again: "
        "all of it stands in the commits beside it as well."
    )
    checkpoint.unlink()
    pointer.unlink()
    intact.check(copied)
    assert warehouse.state(copied, SILVER_LEDGER).to_pyarrow_table().num_rows == 3


@pytest.mark.parametrize("damage", [*DAMAGES.values(), Path.unlink], ids=[*DAMAGES, "deleted"])
def test_a_damaged_pointer_does_no_harm(copied, damage):
    damage(log(copied, SILVER_LEDGER) / intact.POINTER)
    intact.check(copied)
    assert warehouse.state(copied, SILVER_LEDGER).to_pyarrow_table().num_rows == 3


def test_a_lost_checkpoint_may_go(copied):
    folder = log(copied, SILVER_LEDGER)
    (folder / numbered(1, "checkpoint.parquet")).unlink()
    said = told(copied)
    assert f"{folder / intact.POINTER} names no checkpoint that is there" in said
    assert "Remove " in said
    (folder / intact.POINTER).unlink()
    intact.check(copied)
    assert warehouse.state(copied, SILVER_LEDGER).to_pyarrow_table().num_rows == 3


def test_a_damaged_checkpoint_of_what_no_commit_tells_any_more(copied):
    folder = log(copied, SILVER_LEDGER)
    (folder / numbered(0, "json")).unlink()
    intact.check(copied)
    (folder / numbered(1, "checkpoint.parquet")).write_bytes(b"")
    said = told(copied)
    assert "back from a copy; or remove " in said
    assert "Remove " not in said


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_commit(copied, damage):
    file = log(copied, SILVER_LEDGER) / numbered(2, "json")
    damage(file)
    assert told(copied).startswith(f"silver.ledger: {file} is damaged: it is no whole commit.\n")


@pytest.mark.parametrize(
    ("damage", "what"),
    [(DAMAGES["emptied"], "is damaged: it is no whole commit"), (Path.unlink, "is not there")],
    ids=["emptied", "deleted"],
)
def test_the_newest_commit_is_needed_though_a_checkpoint_holds_it(copied, damage, what):
    DeltaTable(copied.table(SILVER_LEDGER)).create_checkpoint()
    file = log(copied, SILVER_LEDGER) / numbered(2, "json")
    damage(file)
    assert told(copied).startswith(f"silver.ledger: {file} {what}.\n")


def test_a_commit_lost_between_others(copied):
    write_deltalake(copied.table(SILVER_LEDGER), pa.table({"number": [3]}), mode="append")
    file = log(copied, SILVER_LEDGER) / numbered(2, "json")
    file.unlink()
    assert told(copied).startswith(f"silver.ledger: {file} is not there.\n")


def test_who_only_reads_is_told_as_well(copied):
    file = log(copied, SILVER_LEDGER) / numbered(1, "checkpoint.parquet")
    file.write_bytes(b"")
    with pytest.raises(LakehouseError, match="is damaged: it is no whole checkpoint"):
        warehouse.state(copied, SILVER_LEDGER)
