"""`lakehouse sql`: each session a process of its own, on every table, leaving nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from conf import shell
from conf.home import Home
from conf.tables import TABLES

PROGRAM = Path(sys.executable).with_name("lakehouse")


def lake_with(tmp_path, *tables):
    """A lakehouse of which some tables were begun."""
    home = Home(tmp_path / 'it\'s my \\ "lake"; ')
    for table in tables:
        log = Path(home.table(table), "_delta_log")
        log.mkdir(parents=True)
        (log / "00000000000000000000.json").touch()
    return home


def test_declarations(tmp_path):
    home = lake_with(tmp_path, *TABLES)
    root = str(tmp_path) + '/it\\\'s my \\\\ "lake"; /warehouse'
    said = shell.declarations(home)
    assert said[:3] == [f"CREATE SCHEMA IF NOT EXISTS {layer}" for layer in ("bronze", "gold", "silver")]
    assert f"CREATE TABLE IF NOT EXISTS bronze.events USING delta LOCATION '{root}/bronze/events'" in said
    assert len(said) == 3 + len(TABLES)


def test_only_what_is_there_is_declared(tmp_path):
    [schema, table] = shell.declarations(lake_with(tmp_path, TABLES[0]))
    assert schema == "CREATE SCHEMA IF NOT EXISTS bronze"
    assert table.startswith("CREATE TABLE IF NOT EXISTS bronze.events USING delta LOCATION '")
    assert shell.declarations(Home(tmp_path / "empty")) == []


def test_declarations_are_understood(spark, odd):
    """By Spark's own parser: the location comes out as it went in."""
    for statement in shell.declarations(odd):
        spark.sql(statement)
    try:
        [location] = [
            row.data_type
            for row in spark.sql("DESCRIBE EXTENDED gold.page_daily").collect()
            if row.col_name == "Location"
        ]
        assert location == f"file:{odd.warehouse}/gold/page_daily"
        assert spark.sql("SELECT count(*) AS events FROM silver.events").collect() == [(2001,)]
    finally:
        for layer in ("bronze", "silver", "gold"):
            spark.sql(f"DROP SCHEMA {layer} CASCADE")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        pytest.param(
            b'WARNING: Using incubator modules: x\nSetting default log level to "WARN".\n'
            b"To adjust logging level use x\nTime taken: 1 seconds\nTime taken: 2 seconds\n"
            b"Time taken: 3 seconds, Fetched 1 row(s)\n",
            b"Time taken: 3 seconds, Fetched 1 row(s)\n",
            id="all-well",
        ),
        pytest.param(
            b"Time taken: 1 seconds\nodd\nTime taken: 2 seconds\n\nError", b"odd\n\nError", id="errors"
        ),
        pytest.param(b"Error: no Java\n", b"Error: no Java\n", id="does-not-start"),
        pytest.param(b"", b"", id="silent"),
    ],
)
def test_what_the_shell_says_of_starting_is_not_shown(capfdbinary, tmp_path, said, shown):
    (tmp_path / "said").write_bytes(said)
    with (tmp_path / "said").open("rb") as stream:
        shell._pass_on(stream, declared=2)
    assert capfdbinary.readouterr().err == shown


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "working directory"
    place.mkdir()
    return place


@contextmanager
def session(folder: Path, home: Home, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A `lakehouse sql` under way."""
    with subprocess.Popen(
        [PROGRAM, "sql", "--home", home.root, *words],
        cwd=folder,
        env=os.environ | {"LAKEHOUSE_DRIVER_MEMORY": "1g"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


class Listening(threading.Thread):
    """Watches which addresses a process and its children listen on."""

    def __init__(self, process: int) -> None:
        super().__init__()
        self.process = psutil.Process(process)
        self.addresses: set[str] = set()
        self.looks = 0

    def run(self) -> None:
        while self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE:
            for one in [self.process, *self.process.children(recursive=True)]:
                try:
                    held = one.net_connections(kind="inet")
                except psutil.Error:
                    continue
                self.addresses |= {each.laddr.ip for each in held if each.status == psutil.CONN_LISTEN}
            self.looks += 1
            time.sleep(0.2)


PROMPT = """
SHOW SCHEMAS;
SHOW TABLES IN bronze;
SHOW TABLES IN silver;
SHOW TABLES IN gold;
SELECT concat('events ', count(*)) FROM silver.events;
SELECT concat('events then ', count(*)) FROM silver.events VERSION AS OF 0;
SELECT max(day) FROM gold.page_daily;
SELECT placement_id, page_id, views, clicks, distinct_users FROM gold.page_daily
JOIN silver.events USING (page_id) WHERE page_id = '日本';
SELEC;
SELECT 'still here';
"""


def test_a_prompt_and_a_query_at_the_same_time(odd, folder):
    """The prompt is fed what a person might type; meanwhile another session asks for JSON."""
    travelled = "SELECT count(*) AS records, max(source_offset) AS none FROM bronze.events VERSION AS OF 0"
    with session(folder, odd) as prompt, session(folder, odd, "--json", travelled) as query:
        watches = [Listening(prompt.pid), Listening(query.pid)]
        for watch in watches:
            watch.start()
        asked, said = query.communicate(timeout=250)
        out, err = prompt.communicate(PROMPT, timeout=250)
        for watch in watches:
            watch.join()

    assert (query.returncode, json.loads(asked)) == (0, [{"records": 0, "none": None}]), said
    assert said == ""
    assert prompt.returncode == 0, err
    lines = [" ".join(line.split("\t")) for line in out.splitlines()]
    for layer in ("bronze", "silver", "gold"):
        assert layer in lines
    names = [table.short_name for table in TABLES]
    assert sorted(line for line in lines if line in names) == sorted(names)
    assert "events 2001" in lines
    assert "events then 0" in lines
    assert "2026-03-01" in lines
    assert "[p]\\ % 日本 1 0 1" in lines
    assert "still here" in lines
    assert "[PARSE_SYNTAX_ERROR] Syntax error at or near 'SELEC'" in err
    assert "incubator" not in err

    for watch in watches:
        assert watch.looks > 3
        assert watch.addresses <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert list(folder.iterdir()) == [], "metastore_db, derby.log, spark-warehouse"


@pytest.mark.parametrize("words", [[], ["--json"]], ids=["text", "json"])
def test_a_query_that_is_none(filled, folder, words):
    with session(folder, filled, *words, "SELEC 1") as query:
        out, err = query.communicate(timeout=200)
    assert query.returncode == 1
    assert out == ""
    assert err.strip().startswith("[PARSE_SYNTAX_ERROR] Syntax error at or near 'SELEC'")
    assert "Traceback" not in err
    assert "\tat " not in err
    assert list(folder.iterdir()) == []
