"""spark-sql on every table: each session a process of its own, with nothing shared but the tables."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyspark

from conf import session, warehouse
from conf.home import Home
from conf.settings import Settings
from conf.tables import TABLES


def declarations(home: Home) -> list[str]:
    """Statements that name every table of the lakehouse in a session's own catalog."""
    present = [table for table in TABLES if warehouse.exists(home, table)]
    schemas = [f"CREATE SCHEMA IF NOT EXISTS {layer}" for layer in sorted({table.layer for table in present})]
    tables = [
        f"CREATE TABLE IF NOT EXISTS {table.name} USING delta LOCATION {_quoted(home.table(table))}"
        for table in present
    ]
    return schemas + tables


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def run(settings: Settings, query: str | None, scratch: Path) -> int:
    """spark-sql with the tables declared: a prompt, or `query` alone; returns its exit status."""
    declared = scratch / "tables.sql"
    declared.write_text(";\n".join(declarations(settings.place)) + ";\n", "utf-8")
    home = Path(pyspark.__file__).parent
    command = [str(home / "bin" / "spark-sql"), "-S", "-i", str(declared)]
    for name, value in session.spark_settings(settings, scratch).items():
        command += ["--conf", f"{name}={value}"]
    command += ["--driver-memory", settings.driver_memory]
    if query is not None:
        command += ["-e", query]
    environment = os.environ | session.environment() | {"SPARK_HOME": str(home)}
    return _status(subprocess.Popen(command, env=environment, cwd=Path.cwd()))


def _status(shell: subprocess.Popen[bytes]) -> int:
    """Wait for it; Ctrl-C is the shell's own, to end a query, not ours to end the shell."""
    ours = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return 1 if shell.wait() else 0
    finally:
        signal.signal(signal.SIGINT, ours)


def query_json(settings: Settings, query: str, scratch: Path) -> int:
    """Print the rows of one query as a JSON array of objects."""
    spark = session.Spark(settings, scratch, scratch / "spark.log")
    try:
        for statement in declarations(settings.place):
            spark.session.sql(statement)
        rows = [str(row) for row in spark.session.sql(query).toJSON().collect()]
    finally:
        spark.stop()
    sys.stdout.write("[" + ",\n ".join(rows) + "]\n")
    return 0
