"""`lakehouse sql --serve`: a JDBC client's answers are those of engines that share no code with Spark."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pytest
from delta.tables import DeltaTable
from impala import dbapi
from pyspark.sql import SparkSession

from conf import serving, warehouse
from conf.errors import UsageError
from conf.home import Home
from conf.tables import PLACEMENT_DAILY, TABLES

PROGRAM = Path(sys.executable).with_name("lakehouse")
README = Path(__file__).parents[2] / "README.md"
QUERIES = re.findall(r"```sql\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
DIALECT = {
    "date_format(hour, 'E')": "strftime(hour, '%a')",
    "LATERAL VIEW explode(rules) AS rule": "CROSS JOIN unnest(rules) AS exploded(rule)",
    "gold.placement_daily VERSION AS OF 1": "gold.placement_daily_then",
}
"""What only Spark says so, and how DuckDB says it."""

VIEWS = "SELECT views FROM gold.placement_daily WHERE placement_id LIKE '[p]%'"


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        ("10000", ("127.0.0.1", 10000)),
        ("0.0.0.0:10000", ("0.0.0.0", 10000)),
        ("thrift.example:1", ("thrift.example", 1)),
    ],
)
def test_an_address(text, listen):
    assert serving.address(text) == listen


@pytest.mark.parametrize("text", ["0", "65536", "-1", "1e3", "host", "host:", "a b:1", "10000\n", "\u0661"])
def test_no_address(text):
    with pytest.raises(UsageError, match=r"takes \[HOST:\]PORT"):
        serving.address(text)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Served:
    """A server under way, and one client's session with it."""

    def __init__(self, home: Home, port: int, process: subprocess.Popen[str]) -> None:
        self.home, self.process = home, process
        self._session = dbapi.connect("127.0.0.1", port, auth_mechanism="PLAIN", user="anyone", password="-")
        # One for all: a cursor that goes out of use asks the server for a method that only Impala has.
        self._cursor = self._session.cursor()

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        self._cursor.execute(query)
        return [tuple(row) for row in self._cursor.fetchall()]

    def leave(self) -> None:
        self._session.close()

    def tables(self, layer: str) -> list[str]:
        """What a JDBC tool lists in its tree."""
        self._cursor.get_tables(database_name=layer)
        return sorted(row[2] for row in self._cursor.fetchall())


@pytest.fixture(scope="module")
def served(filled: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    home, port = Home(folder / "it's my lake"), free_port()
    shutil.copytree(filled.warehouse, home.warehouse)
    (folder / "cwd").mkdir()
    with subprocess.Popen(
        [PROGRAM, "sql", "--serve", str(port), "--home", home.root],
        cwd=folder / "cwd",
        env=os.environ | {"LAKEHOUSE_DRIVER_MEMORY": "1g", "TZ": "America/New_York"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline().startswith(f"Serving {home.root} at jdbc:hive2://127.0.0.1:{port}")
        served = Served(home, port, process)
        yield served
        served.leave()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert list((folder / "cwd").iterdir()) == [], "derby.log, metastore_db, spark-warehouse"


def test_every_table_is_listed(served):
    layers = {table.layer for table in TABLES}
    assert {layer: served.tables(layer) for layer in layers} == {
        layer: sorted(table.short_name for table in TABLES if table.layer == layer) for layer in layers
    }


def test_a_commit_made_while_it_serves_is_seen(served, spark: SparkSession):
    assert served.ask(VIEWS) == [(1,)]
    placements = DeltaTable.forPath(spark, served.home.table(PLACEMENT_DAILY))
    placements.update("placement_id LIKE '[p]%'", {"views": "views + 41"})
    assert served.ask(VIEWS) == [(42,)]


@pytest.mark.parametrize("query", QUERIES, ids=range(1, len(QUERIES) + 1))
def test_duckdb_answers_the_readmes_query_the_same(served, query):
    with duckdb.connect() as other:
        for table in TABLES:
            other.execute(f"CREATE SCHEMA IF NOT EXISTS {table.layer}")
            hold(other, served.home, table.name, table)
        hold(other, served.home, f"{PLACEMENT_DAILY.name}_then", PLACEMENT_DAILY, version=1)
        other.execute("SET TimeZone = 'UTC'")
        translated = query
        for spoken, understood in DIALECT.items():
            translated = translated.replace(spoken, understood)
        expected = other.sql(translated).fetchall()
    assert [plain(row) for row in served.ask(query)] == [plain(row) for row in expected]


def hold(other: duckdb.DuckDBPyConnection, home: Home, name: str, table, version: int | None = None) -> None:
    other.register("held", warehouse.state(home, table, version).to_pyarrow_table())
    other.execute(f"CREATE TABLE {name} AS SELECT * FROM held")


def plain(row: tuple[Any, ...]) -> list[str]:
    """Decimals and doubles print with other trailing zeros."""
    return [re.sub(r"(\.\d*?)0+$", r"\1", str(cell)).rstrip(".") for cell in row]


def test_it_listens_on_loopback_alone(served):
    program = psutil.Process(served.process.pid)
    held = [
        one for each in [program, *program.children(recursive=True)] for one in each.net_connections("inet")
    ]
    listening = {one.laddr.ip for one in held if one.status == psutil.CONN_LISTEN}
    assert listening
    assert listening <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_a_port_that_is_taken(served, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = [PROGRAM, "sql", "--serve", str(port), "--home", served.home.root]
        ended = subprocess.run(
            words,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
            env=os.environ | {"LAKEHOUSE_DRIVER_MEMORY": "1g"},
        )
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"127.0.0.1:{port}: the Thrift server cannot listen there (")
    assert "Address already in use" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["SELECT 1", "--serve", "10000"], "give neither a query nor --json"),
        (["--json", "--serve", "10000"], "give neither a query nor --json"),
        (["--serve", "0"], "--serve takes [HOST:]PORT, as 10000 or 0.0.0.0:10000 (found: '0')"),
    ],
)
def test_what_serve_does_not_go_with(filled, words, said):
    command = [PROGRAM, "sql", *words, "--home", filled.root]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert said in ended.stderr
