"""How far each statistics table has come, when one of them was lost or put back from an older copy."""

from __future__ import annotations

import shutil

import pyarrow as pa
import pytest
from deltalake import CommitProperties, Transaction, write_deltalake

from conf import warehouse
from conf.home import Home
from conf.tables import GOLD, GOLD_RESTATEMENTS, PAGE_DAILY, PLACEMENT_DAILY, SILVER_EVENTS, Table
from gold import progress

ROW = pa.table({"number": [1]})


def commit(home: Home, table: Table, source: str = "", version: int = 0) -> None:
    """A commit to the table; noting, if given, that the source is taken up to a version."""
    noted = [Transaction(source, version)] if source else []
    properties = CommitProperties(app_transactions=noted)
    write_deltalake(home.table(table), ROW, mode="append", commit_properties=properties)


@pytest.fixture
def counted(home) -> Home:
    """Every table is counted from version 1 of silver, page tables from 2, and version 3 gave nothing."""
    for _ in range(4):
        commit(home, SILVER_EVENTS)
    source = warehouse.identity(home, SILVER_EVENTS)
    commit(home, GOLD_RESTATEMENTS)
    for table in GOLD:
        commit(home, table, source, 1)
        shutil.copytree(home.folder(table), older(home, table))
        if table.key[0] == "page_id":
            commit(home, table, source, 2)
    for table, version in progress.taken(home).items():
        commit(home, GOLD_RESTATEMENTS, progress._unchanged(source, table, version), 3)
    return Home(home.root)


def older(home: Home, table: Table):
    return home.root / "older" / table.short_name


def test_what_is_noted_of_each_holds(counted):
    home = counted
    assert progress.taken(home) == dict.fromkeys(GOLD, 3)
    assert progress.waiting(home) == (3, 3)


def test_of_one_that_was_lost_nothing_is_known(counted):
    home = counted
    shutil.rmtree(home.folder(PAGE_DAILY))
    assert progress.taken(home) == dict.fromkeys(GOLD, 3) | {PAGE_DAILY: 0}
    commit(home, PAGE_DAILY)
    assert progress.taken(home)[PAGE_DAILY] == 0


def test_an_older_copy_is_as_far_as_it_was(counted):
    """That of placements is no older: version 2 gave them nothing either."""
    home = counted
    for table in (PAGE_DAILY, PLACEMENT_DAILY):
        shutil.rmtree(home.folder(table))
        shutil.copytree(older(home, table), home.folder(table))
    assert progress.taken(home) == dict.fromkeys(GOLD, 3) | {PAGE_DAILY: 1}


def test_a_silver_made_anew_is_not_taken(counted):
    home = counted
    shutil.rmtree(home.folder(SILVER_EVENTS))
    commit(home, SILVER_EVENTS)
    assert progress.taken(home) == dict.fromkeys(GOLD, 0)
