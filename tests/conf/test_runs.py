"""What runs did, told by their commits."""

from __future__ import annotations

import json
import shutil

import pytest

from conf import notes, runs, shell, warehouse
from conf.errors import UsageError
from conf.home import Home
from conf.tables import BRONZE_EVENTS, SILVER_LEDGER, TABLES


def append(spark, home: Home, run: str, *batches: int, table=BRONZE_EVENTS) -> None:
    """What a run commits: rows of these batches, with its note."""
    with notes.noting(spark, run=run, verb="run", who="ann"):
        for batch in batches:
            rows = warehouse.local(spark, home, table, [{"batch_id": batch}, {"batch_id": batch}])
            warehouse.append(rows, home, table, warehouse.LANDING, batch)


@pytest.fixture(scope="module")
def lake(spark, empty_lake, tmp_path_factory) -> Home:
    """Two runs: one took batches 1 and 2, the other 3, and wrote a ledger."""
    home = Home(tmp_path_factory.mktemp("runs"))
    shutil.copytree(empty_lake.warehouse, home.warehouse)
    append(spark, home, "one", 1, 2)
    append(spark, home, "two", 3)
    append(spark, home, "two", 3, table=SILVER_LEDGER)
    return home


def test_runs_newest_first(lake):
    two, one = (run for run in runs.history(lake) if run.run)
    assert [(run.run, run.verb, run.who, run.batches) for run in (two, one)] == [
        ("two", "run", "ann", [3]),
        ("one", "run", "ann", [1, 2]),
    ]
    assert one.began <= one.ended < two.began


def test_versions_after_a_run(lake):
    after_one, after_two = runs.versions(lake, "one"), runs.versions(lake, "two")
    assert (after_one["bronze.events"], after_one["silver.ledger"]) == (2, 0)
    assert (after_two["bronze.events"], after_two["silver.ledger"]) == (3, 1)
    assert after_two.keys() == {table.name for table in TABLES}


def test_what_each_table_gained(lake):
    title, columns, rows = runs.run_table(runs.history(lake)[0])
    assert title.startswith("two: run by ann, ")
    assert title.endswith(" UTC, batches 3")
    gained = {row[0]: row[1:] for row in rows}
    assert list(columns) == ["table", "added", "changed", "removed", "version after"]
    assert gained["bronze.events"] == (2, 0, 0, 3)
    assert gained["silver.events"] == (0, 0, 0, 0)


def test_one_tables_versions(lake):
    rows = [runs.commit_row(commit) for commit in runs.commits(lake, BRONZE_EVENTS)]
    assert [(row[0], row[2], row[3], row[4]) for row in rows] == [
        (3, "two run", "WRITE", 2),
        (2, "one run", "WRITE", 2),
        (1, "one run", "WRITE", 2),
        (0, "", "CREATE TABLE", 0),
    ]


def test_an_unknown_run_is_told_with_the_nearest(lake):
    with pytest.raises(UsageError, match=r"no commit of a run 'tow' is known\. Did you mean two"):
        runs.versions(lake, "tow")


def test_an_unknown_table_is_told_with_all_there_are():
    with pytest.raises(UsageError, match=r"No table 'gold\.pages'\. There are: bronze\.events, "):
        runs.table_named("gold.pages")


def test_a_commit_of_somebody_else_belongs_to_no_run():
    for note in ("", "not json", "[1]", json.dumps("text")):
        assert notes.noted({"userMetadata": note}) == {}


def test_every_table_as_a_run_left_it(spark, lake):
    for statement in shell.declarations(lake, runs.versions(lake, "one")):
        spark.sql(statement)
    try:
        assert spark.sql("SELECT count(*) AS n FROM bronze.events").first().n == 4
        assert spark.sql("SELECT count(*) AS n FROM silver.ledger").first().n == 0
    finally:
        for table in TABLES:
            spark.sql(f"DROP VIEW {table.name}")
