"""Numbers questioned later, as the person on call meets it: a bad rule, found, rebuilt, accounted for."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from delta.tables import DeltaTable
from pyspark.sql import functions as F

import generator
from conf import runs, shell, warehouse
from conf.home import Home
from conf.tables import GOLD, GOLD_RESTATEMENTS, PAGE_DAILY, SILVER_EVENTS, TABLES
from silver import rules

START = datetime(2026, 3, 2, tzinfo=UTC)
DAY = ("--from", "2026-03-02", "--to", "2026-03-03")
NO_SIDES = "\\A(?!.*-side-)[^\\x00-\\x1f\\x7f]{1,256}\\z"


@pytest.fixture
def bad_rule(tmp_path, monkeypatch):
    """A suite that refuses every event of a placement at the side; withdrawn by calling it."""
    suite = json.loads((rules.SUITES / "events.json").read_text("utf-8"))
    [rule] = [one for one in suite["expectations"] if one["meta"]["rule"] == "placement_id_present"]
    rule["kwargs"]["regex"] = NO_SIDES
    for expectation in suite["expectations"]:
        if "mostly" in expectation["kwargs"]:
            expectation["kwargs"]["mostly"] = 0.1
    (tmp_path / "events.json").write_text(json.dumps(suite), "utf-8")
    load, folder = rules.load, {"events": tmp_path}
    monkeypatch.setattr(rules, "load", lambda name: load(name, folder.get(name, rules.SUITES)))
    return lambda: monkeypatch.setattr(rules, "load", load)


def held(home: Home, folder: str) -> list[list[Any]]:
    """Gold, as delta-rs reads it, or its key, in the order of the keys."""
    frames = [
        pl.read_parquet(home.answers / f"{table.short_name}.parquet")
        if folder == "answers"
        else pl.DataFrame(warehouse.state(home, table).to_pyarrow_table())
        for table in GOLD
    ]
    return [frame.sort(list(table.key)).rows() for frame, table in zip(frames, GOLD, strict=True)]


def views(rows: list[list[Any]]) -> dict[str, int]:
    return {table.name: sum(row[2] for row in of_table) for table, of_table in zip(GOLD, rows, strict=True)}


def versions(home: Home) -> dict[str, int]:
    return {table.name: warehouse.state(home, table).version() for table in TABLES}


@pytest.mark.usefixtures("shared_spark")
def test_an_incident_from_the_bad_rule_to_equal_numbers(spark, program, home, bad_rule):
    def lakehouse(*words: str):
        return program(*words, "--home", home.root)

    generator.generate(generator.Order(2_000, 6, START, 7, late=0.1, malformed=0.02), home)
    assert lakehouse("run").status == 0
    assert held(home, "gold") != held(home, "answers")
    assert lakehouse("verify").status == 0  # the tables are what the rules of their time make of bronze
    [bad] = json.loads(lakehouse("history", "--json").out)

    bad_rule()
    before, wrong = versions(home), held(home, "gold")
    dry = json.loads(lakehouse("reprocess", *DAY, "--dry-run", "--json").out)
    assert versions(home) == before
    key, now = views(held(home, "answers")), views(wrong)
    assert {total["table_name"]: total["views"] for total in dry["totals"]} == {
        name: key[name] - now[name] for name in key
    }
    assert set(dry["out_of"]) == {"placement_id_present"}

    rebuilt = lakehouse("reprocess", *DAY)
    assert rebuilt.status == 0
    assert "out of quarantine by placement_id_present" in rebuilt.out
    assert "Published numbers restated: the " in rebuilt.out
    assert held(home, "gold") == held(home, "answers")
    assert lakehouse("verify").out.startswith("Equal: ")
    restated = warehouse.state(home, GOLD_RESTATEMENTS).to_pyarrow_table().to_pylist()
    assert {row["cause"] for row in restated} == {"rule_change"}
    assert len({row["run_id"] for row in restated}) == 1

    newest, *_, oldest = json.loads(lakehouse("history", "--json").out)
    assert (newest["verb"], oldest["run"]) == ("reprocess", bad["run"])
    assert {row["run_id"] for row in restated} == {newest["run"]}
    for statement in shell.declarations(home, runs.versions(home, bad["run"])):
        spark.sql(statement)
    then = spark.sql("SELECT sum(views) AS views FROM gold.page_daily").first()
    assert then.views == now["gold.page_daily"]
    for table in TABLES:
        spark.sql(f"DROP VIEW IF EXISTS {table.name}")

    kept = lakehouse("maintain")
    assert kept.status == 0
    assert "Files and bytes, before and after" in kept.out
    settled = versions(home)
    assert "Nothing new has arrived" in lakehouse("run").out
    assert versions(home) == settled

    pages = DeltaTable.forPath(spark, home.table(PAGE_DAILY))
    pages.update(F.col("views") == F.lit(3), {"views": F.lit(4)})
    found = lakehouse("verify")
    assert found.status == 4
    assert "gold.page_daily, places that differ: " in found.out
    assert "`lakehouse reprocess --from … --to …` rebuilds event hours" in found.err
    assert lakehouse("reprocess", *DAY).status == 0
    assert lakehouse("verify", "--json").out.strip() == "[]"


HALF = ("reprocess", "--from", "2026-03-02T00:30", "--to", "2026-03-03")
TURNED = ("reprocess", "--from", "2026-03-03", "--to", "2026-03-02")
MISTAKES = [
    pytest.param(("reprocess",), "Say which event hours", id="no-hours"),
    pytest.param(HALF, "no whole hour", id="half-an-hour"),
    pytest.param(("reprocess", "--from", "monday"), "is no time", id="no-time"),
    pytest.param(TURNED, "No hour lies between", id="turned-round"),
    pytest.param(("reprocess", *DAY), "holds no events yet", id="nothing-to-reprocess"),
    pytest.param(("verify",), "holds no events yet", id="nothing-to-verify"),
    pytest.param(("maintain",), "holds no events yet", id="nothing-to-maintain"),
    pytest.param(("history", "gold.pages"), "No table 'gold.pages'", id="no-such-table"),
]


@pytest.mark.parametrize(("words", "says"), MISTAKES)
@pytest.mark.usefixtures("shared_spark")
def test_a_mistake_is_told_with_status_2(program, home, words, says):
    said = program(*words, "--home", home.root)
    assert said.status == 2
    assert says in said.err
    assert "Traceback" not in said.err


def test_no_run_no_history(program, home):
    said = program("history", "--home", home.root)
    assert (said.status, said.out.strip()) == (0, f"{home.root}: no run has made a commit yet.")


def test_a_run_nobody_made_has_no_state(program, home, lake):
    said = program("sql", "SELECT 1", "--as-of", "yesterday", "--home", lake.root)
    assert said.status == 2
    assert "no commit of a run 'yesterday' is known" in said.err
    assert Path(home.table(SILVER_EVENTS)).exists()
