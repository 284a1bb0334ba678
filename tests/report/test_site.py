"""The site as a whole: its numbers are the tables', it is one of a kind at a time, small, and asks nobody."""

from __future__ import annotations

import json
import re
import shutil
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from deltalake import write_deltalake

from conf import warehouse
from conf.errors import LakehouseError, UsageError
from conf.home import Home
from conf.tables import (
    PLACEMENT_DAILY,
    PLACEMENT_HOURLY,
    SILVER_EVENTS,
    SILVER_LEDGER,
    SILVER_QUALITY,
    SILVER_QUARANTINE,
)
from gold.report import arrivals, details, docs, facts, reading, site
from tests.report.lakes import NOON, busy_days, check, entry, event, lake, publish, settings_of, write


@pytest.fixture(autouse=True)
def without_data_docs(monkeypatch):
    """They take seconds, and have tests of their own."""
    monkeypatch.setattr(docs, "pages", lambda _: [])


class Tables(HTMLParser):
    """The rows of the tables on a page, by caption: each cell as a program reads it."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.rows: dict[str, list[list[str]]] = {}
        self._caption = self._cell = ""
        self._value: str | None = None
        self._in = ""
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "caption":
            self._in, self._caption = tag, ""
        elif tag == "tr" and self._in == "body":
            self.rows[self._caption].append([])
        elif tag == "tbody":
            self._in = "body"
            self.rows[self._caption] = []
        elif tag == "td":
            self._cell, self._value = "", dict(attrs).get("data-value")

    def handle_endtag(self, tag: str) -> None:
        if tag == "td":
            self.rows[self._caption][-1].append(self._cell if self._value is None else self._value)
        elif tag in {"caption", "tbody"}:
            self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in == "caption":
            self._caption += data
        else:
            self._cell += data


def build(home: Home, **asked) -> Path:
    return site.build(settings_of(home), **asked).index.parent


def queried(home: Home, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as other:
        for table in (PLACEMENT_DAILY, SILVER_EVENTS, SILVER_LEDGER, SILVER_QUARANTINE):
            held = warehouse.state(home, table).to_pyarrow_table()
            other.execute(f"CREATE SCHEMA IF NOT EXISTS {table.layer}")
            other.register("held", held)
            other.execute(f"CREATE TABLE {table.name} AS SELECT * FROM held")
        other.execute("SET TimeZone = 'UTC'")
        return other.sql(query).fetchall()


def test_the_numbers_are_those_duckdb_counts(full):
    overview, care = Tables(full.reports / "index.html"), Tables(full.reports / "quality.html")
    by_day = queried(
        full,
        "SELECT event_date::VARCHAR, count_if(event_type = 0), count_if(event_type = 1),"
        " count(DISTINCT user_id), quantile_disc((epoch(ingested_at) - epoch(event_time))::BIGINT, 0.95)"
        " FROM silver.events GROUP BY ALL ORDER BY 1 DESC",
    )
    assert [
        (row[0], *map(int, (row[1], row[2], row[4]))) for row in overview.rows["The site by UTC day"]
    ] == [row[:4] for row in by_day]
    assert [(row[0], int(row[3])) for row in care.rows["Lateness by day"]] == [
        (row[0], row[4]) for row in by_day
    ]
    ledger = queried(
        full, "SELECT sum(delivered), sum(accepted), sum(duplicate), sum(quarantined) FROM silver.ledger"
    )
    shown = [[int(cell) for cell in row[2:6]] for row in care.rows["The ledger by day of delivery"]]
    assert [tuple(map(sum, zip(*shown, strict=True)))] == ledger


def test_the_top_is_what_duckdb_ranks(full):
    week = (
        "SELECT placement_id, sum(views), sum(clicks) FROM gold.placement_daily"
        " WHERE day > DATE '2026-03-20' - 7 GROUP BY ALL ORDER BY 2 DESC, 3 DESC, 1"
    )
    shown = Tables(full.reports / "index.html").rows["Top placements"]
    assert [(row[0], int(row[1]), int(row[2])) for row in shown] == queried(full, week)


def test_unusual_hours_and_restatements_are_told(full):
    """Nine events an hour are usual; the hour from eleven had 59 more."""
    tables = Tables(full.reports / "index.html").rows
    assert tables["Unusual hours"] == [["2026-03-20T11:00:00Z", str(9 + 59), "9", f"{68 / 9:.6g}"]]
    assert tables["By day and cause"] == [["2026-03-21", "late", "1", "2", "0"]]
    assert tables["Biggest changes"][0][1] == "pl1"


def test_what_was_refused_is_told_without_the_user(full):
    text = (full.reports / "quality.html").read_text("utf-8")
    assert "secret-user" not in text
    tables = Tables(full.reports / "quality.html").rows
    assert tables["Examples"][0][:3] == ["well_formed", '{"user_id":"•••"', "a.jsonl"]
    assert tables["Fields that are none of the six"][0][0] == "referrer"
    assert tables["Files set aside whole"][0][:2] == ["junk.csv", "no header"]


def test_refused_by_rule_is_what_quarantine_holds(full):
    """Whatever the checks said when the batches came: a reprocess may have taken records back."""
    counted = queried(
        full, "SELECT rule, count(*) FROM (SELECT unnest(rules) AS rule FROM silver.quarantine) GROUP BY 1"
    )
    shown = Tables(full.reports / "quality.html").rows["Refused records by rule"]
    assert sorted((rule, int(records)) for rule, records in shown) == sorted(counted)
    assert counted


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        pytest.param([check()], "All is well", id="good"),
        pytest.param(
            [check(unexpected=200, success=False)], "Worth a look", id="published-below-a-threshold"
        ),
        pytest.param(
            [check(), check("freshness", suite="batch", severity="batch", success=False, blocking=False)],
            "Worth a look",
            id="late",
        ),
        pytest.param(
            [check(), check(batch=2, unexpected=200, success=False, published=False)],
            "Something is wrong",
            id="refused",
        ),
    ],
)
def test_is_it_all_right(home, rows, says):
    publish(home, busy_days(2))
    write(home, SILVER_LEDGER, [entry()])
    write(home, SILVER_QUALITY, rows)
    text = (build(home) / "index.html").read_text("utf-8")
    assert f"<title>{says}" in text
    assert ("batch 2 was refused and waits (well_formed 80.0 %)" in text) == (says == "Something is wrong")


@pytest.mark.parametrize(
    ("ledger", "events", "says"),
    [
        pytest.param(entry(quarantined=11), 0, "1 sources do not balance", id="a-source"),
        pytest.param(
            entry(), 1, f"gold counts {3 * 3 * 24:,} of silver's {3 * 3 * 24 + 1:,} events", id="gold"
        ),
    ],
)
def test_a_ledger_that_does_not_balance_is_told(home, ledger, events, says):
    publish(home, busy_days(1))
    write(home, SILVER_LEDGER, [ledger])
    write(home, SILVER_QUALITY, [check()])
    write(home, SILVER_EVENTS, [event(user_id=f"extra-{n}") for n in range(events)])
    assert says in (build(home) / "index.html").read_text("utf-8").replace("&#39;", "'")


def test_every_page_forbids_what_it_does_not_need(full):
    pages = list(full.reports.rglob("*.html"))
    assert len(pages) >= 5
    for page in pages:
        text = page.read_text("utf-8")
        policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', text)
        assert policy
        assert policy[1].startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy[1]
        assert " style=" not in text
        assert "UTC" in text


def test_the_first_page_is_small(full):
    loaded = [full.reports / "index.html", full.reports / "static/site.css", full.reports / "static/site.js"]
    assert sum(file.stat().st_size for file in loaded) < 1_000_000
    assert "vega" not in loaded[0].read_text("utf-8")


def test_it_is_written_again_only_when_something_changed(home):
    publish(home, busy_days(2))
    assert site.build(settings_of(home)).rebuilt
    marked = home.reports / "index.html"
    marked.write_text("as it was", "utf-8")
    assert not site.build(settings_of(home)).rebuilt
    assert marked.read_text("utf-8") == "as it was"
    write(home, SILVER_LEDGER, [entry()])
    assert site.build(settings_of(home)).rebuilt
    assert "as it was" not in marked.read_text("utf-8")


def test_a_site_of_another_lakehouse_is_not_taken_for_current(home):
    publish(home, busy_days(1))
    build(home)
    shutil.rmtree(home.warehouse)
    publish(home, busy_days(2))
    assert site.build(settings_of(home)).rebuilt


def test_as_of_an_earlier_run(home):
    publish(home, busy_days(2))
    write(home, SILVER_LEDGER, [entry()])
    before = reading.newest(home)
    first = Tables(build(home) / "index.html").rows
    publish(home, [event(NOON + timedelta(days=2))])
    write(home, SILVER_QUALITY, [check()])
    assert Tables(build(home) / "index.html").rows != first
    again = build(home, versions=before, run="the run before")
    assert Tables(again / "index.html").rows == first
    assert "as of run <bdi>the run before</bdi>" in (again / "index.html").read_text("utf-8")
    assert Tables(build(home) / "index.html").rows != first


def test_as_of_a_run_whose_files_are_gone(home):
    publish(home, busy_days(1))
    before = reading.newest(home)
    [file] = Path(home.table(PLACEMENT_DAILY)).glob("*.parquet")
    write(home, PLACEMENT_DAILY, [], mode="overwrite")
    file.unlink()
    build(home)
    text = (home.reports / "index.html").read_text("utf-8")
    with pytest.raises(LakehouseError, match="as run old left them can no longer be read"):
        build(home, versions=before, run="old")
    assert (home.reports / "index.html").read_text("utf-8") == text


def test_who_falls_out_of_the_top_has_no_page_any_more(home, monkeypatch):
    monkeypatch.setattr(facts, "TOP", 2)
    monkeypatch.setattr(facts, "FRONT", 1)
    publish(home, busy_days(1, items=("a", "b")))
    data = build(home) / details.DATA
    assert (data / f"placement-{details.digest('b')}.js").exists()
    publish(home, busy_days(1, items=("c", "c", "d", "d")))
    build(home)
    assert sorted(file.name for file in data.glob("placement-*")) == sorted(
        f"placement-{details.digest(item)}.js" for item in ("c", "d")
    )


def test_the_data_of_an_item_is_its_buckets(home):
    publish(home, busy_days(2))
    file = build(home) / details.DATA / f"placement-{details.digest('pl1')}.js"
    held = json.loads(file.read_text("utf-8").removeprefix("report.take(").removesuffix(");\n"))
    assert held["day"] == {
        "at": [1773878400, 1773964800],
        "views": [48, 48],
        "clicks": [24, 24],
        "distinct_users": [3, 3],
    }
    assert held["hour"]["at"] == [1773878400 + 3600 * hour for hour in range(48)]


def test_only_the_last_ninety_days_are_shown(home):
    publish(home, [event(NOON - timedelta(days=back)) for back in (0, 89, 90)])
    days = Tables(build(home) / "index.html").rows["The site by UTC day"]
    assert (days[0][0], days[-1][0], len(days)) == ("2026-03-20", "2025-12-21", 90)
    assert [row[0] for row in days if row[1] != "0"] == ["2026-03-20", "2025-12-21"]


def test_what_was_delivered_and_checked_long_ago_is_not_shown(home):
    publish(home, busy_days(1))
    old = NOON - timedelta(days=100)
    write(home, SILVER_LEDGER, [entry("old.jsonl", ingested_at=old), entry("new.jsonl", batch=2)])
    write(home, SILVER_QUALITY, [check("old_rule", validated_at=old), check("new_rule", batch=2)])
    text = (build(home) / "quality.html").read_text("utf-8")
    assert "new.jsonl" in text
    assert "new_rule" in text
    assert "old.jsonl" not in text
    assert "old_rule" not in text


def test_a_lakehouse_before_its_first_event(home):
    write(home, SILVER_LEDGER, [])
    text = (build(home) / "index.html").read_text("utf-8")
    assert "There are no events yet." in text


@pytest.mark.parametrize("behind", [PLACEMENT_HOURLY, PLACEMENT_DAILY], ids=lambda table: table.name)
def test_a_run_that_ended_between_two_tables_of_gold(home, behind):
    """They are committed one after the other."""
    publish(home, busy_days(1))
    write(home, behind, [], mode="overwrite")
    assert "<h1>" in (build(home) / "index.html").read_text("utf-8")


def test_a_table_older_than_the_program_lacks_a_column(home):
    """Quality tables had no `reprocess` once: such a table reads as one without reprocesses."""
    publish(home, busy_days(1))
    rows = reading.schema(SILVER_QUALITY)
    del rows["reprocess"]
    write_deltalake(home.table(SILVER_QUALITY), pl.DataFrame([check()], schema=rows).to_arrow())
    assert Tables(build(home) / "quality.html").rows["Rules"][0][0] == "well_formed"


def test_no_tables(home):
    with pytest.raises(UsageError, match="holds no tables yet"):
        build(home)
    assert not home.reports.exists()


def test_a_failure_leaves_the_old_site(home, monkeypatch):
    publish(home, busy_days(1))
    index = build(home) / "index.html"
    before = index.read_text("utf-8")
    write(home, SILVER_LEDGER, [entry()])

    def fails(_):
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(site, "care", fails)
        with pytest.raises(OSError, match="full"):
            build(home)
    assert index.read_text("utf-8") == before
    assert site.build(settings_of(home)).rebuilt


def test_users_are_counted_of_the_days_that_fit(home, monkeypatch):
    monkeypatch.setattr(arrivals, "MOST_EVENTS", 2 * 9 * 24)
    publish(home, busy_days(4))
    counted = facts.collect(lake(home)).users
    assert counted.select("day", "events", "users").rows() == [
        (date(2026, 3, 19), 216, 3),
        (date(2026, 3, 20), 216, 3),
    ]


def test_hours_are_read_from_the_placements_table(home):
    """The site's hours are sums over placements: each event has exactly one."""
    publish(
        home, [event(), event(placement_id="pl2", event_type=1), event(placement_id="pl2", page_id="pg2")]
    )
    assert facts.collect(lake(home)).hours.rows() == [(NOON, 2, 1)]
    assert warehouse.state(home, PLACEMENT_HOURLY).to_pyarrow_table().num_rows == 2
