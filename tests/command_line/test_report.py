"""`lakehouse report`, and what `lakehouse run` tells of itself, as a person meets them."""

from __future__ import annotations

import json

from conf.tables import SILVER_LEDGER
from gold.report import docs
from tests.report.lakes import busy_days, entry, publish, write


def test_before_the_first_run(program, home):
    said = program("report", "--home", home.root)
    assert (said.status, said.out) == (2, "")
    assert said.err == f"{home.warehouse} holds no tables yet. Run `lakehouse run` first.\n"


def test_a_report_and_another_with_nothing_new(program, home, monkeypatch):
    monkeypatch.setattr(docs, "pages", lambda _: [])  # importing Great Expectations takes seconds
    publish(home, busy_days(2))
    write(home, SILVER_LEDGER, [entry()])
    index = home.reports / "index.html"
    assert program("report", "--home", home.root).out == f"Report: {index}\n"
    assert "pl1" in index.read_text("utf-8")
    again = program("report", "--home", home.root)
    assert again.out == f"Report: {index} (nothing has changed since it was written)\n"
    told = program("report", "--json", "--home", home.root)
    assert json.loads(told.out) == {"index": str(index), "rebuilt": False}


def test_as_of_a_run_nobody_knows(program, home):
    publish(home, busy_days(1))
    said = program("report", "--as-of", "20260301T000000Z-ffff", "--home", home.root)
    assert said.status == 2
    assert "`lakehouse history` lists the runs." in said.err
    assert not home.reports.exists()
