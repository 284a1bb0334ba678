"""spark-sql on every table: each session a process of its own, with nothing shared but the tables."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from io import BufferedReader
from pathlib import Path

import pyspark
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from conf import serving, session, warehouse
from conf.errors import LakehouseError, UsageError
from conf.home import Home
from conf.settings import Settings
from conf.tables import TABLES, Table

STARTING = (
    b"Time taken: ",
    b"WARNING: Using incubator modules",
    b"Setting default log level",
    b"To adjust logging",
    b"NOTE: Picked up JDK_JAVA_OPTIONS",
)


def declarations(home: Home, versions: dict[str, int] | None = None) -> list[str]:
    """Statements that name every table of the lakehouse in a session's own catalog: as it stands, or the
    tables in `versions` as those left them.
    """
    present = [
        table
        for table in TABLES
        if warehouse.exists(home, table) and (versions is None or table.name in versions)
    ]
    schemas = [f"CREATE SCHEMA IF NOT EXISTS {layer}" for layer in sorted({table.layer for table in present})]
    return schemas + [
        _at_version(home, table, versions[table.name])
        if versions
        else f"CREATE TABLE IF NOT EXISTS {table.name} USING delta LOCATION {_quoted(home.table(table))}"
        for table in present
    ]


def _at_version(home: Home, table: Table, version: int) -> str:
    path = home.table(table).replace("`", "``")
    select = f"SELECT * FROM delta.`{path}` VERSION AS OF {version}"  # noqa: S608 - the path is quoted
    return f"CREATE VIEW IF NOT EXISTS {table.name} AS {select}"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def run(settings: Settings, query: str | None, statements: list[str], scratch: Path) -> int:
    """spark-sql after these statements: a prompt, or `query` alone; returns its exit status."""
    declared = scratch / "tables.sql"
    declared.write_text(";\n".join(statements) + ";\n", "utf-8")
    home = Path(pyspark.__file__).parent
    command = [str(home / "bin" / "spark-sql"), "-S", "-i", str(declared)]
    for name, value in session.spark_settings(settings, scratch, {}).items():
        command += ["--conf", f"{name}={value}"]
    # Otherwise Delta's own plans are warned of as too wide to print.
    command += ["--conf", "spark.sql.debug.maxToStringFields=1000"]
    command += ["--driver-memory", settings.driver_memory]
    if query is not None:
        command += ["-e", query]
    environment = os.environ | session.environment(settings) | {"SPARK_HOME": str(home)}
    with subprocess.Popen(command, env=environment, cwd=Path.cwd(), stderr=subprocess.PIPE) as shell:
        said = threading.Thread(target=_pass_on, args=(shell.stderr, len(statements)))
        said.start()
        status = _status(shell)
        said.join()
    return status


def _pass_on(said: BufferedReader, declared: int) -> None:
    """Show what the shell says on stderr, without what it says of starting and of each table declared."""
    while declared and (line := said.readline()):
        declared -= line.startswith(b"Time taken: ")
        if not line.startswith(STARTING):
            sys.stderr.buffer.write(line)
            sys.stderr.flush()
    while chunk := said.read1():
        sys.stderr.buffer.write(chunk)
        sys.stderr.flush()


def _status(shell: subprocess.Popen[bytes]) -> int:
    """Wait for it; Ctrl-C is the shell's own, to end a query, not ours to end the shell."""
    ours = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return 1 if shell.wait() else 0
    finally:
        signal.signal(signal.SIGINT, ours)


def query_json(settings: Settings, query: str, statements: list[str], scratch: Path) -> int:
    """After these statements print the rows of one query as a JSON array of objects; a null stands where a
    value is missing.

    Raises LakehouseError with Spark's own words about a query it cannot run.
    """
    spark = session.Spark(settings, scratch, scratch / "spark.log")
    try:
        for statement in statements:
            spark.session.sql(statement)
        rows = _rows(spark.session.sql(query))
    except PySparkException as wrong:
        # What follows is the plan of the query, for those who make Spark.
        raise LakehouseError(str(wrong).strip().split(";\n")[0]) from None
    finally:
        spark.stop()
    sys.stdout.write("[" + ",\n ".join(rows) + "]\n")
    return 0


def _rows(answer: DataFrame) -> list[str]:
    if not answer.columns:
        return []
    row = F.to_json(F.struct("*"), {"ignoreNullFields": "false"})
    return [text for [text] in answer.select(row).collect()]


def answer(
    settings: Settings, query: str | None, declared: list[str], serve: str | None, *, as_json: bool
) -> int:
    """Run the query, or a prompt when there is none, or answer JDBC at the address `serve`; the exit status.

    Raises UsageError for words that do not go together.
    """
    listen = serving.address(serve) if serve else None
    if listen and (query or as_json):
        raise UsageError("--serve answers queries that come over JDBC: give neither a query nor --json.")
    if as_json and not query:
        raise UsageError("--json prints the result of a query: give one.")
    with tempfile.TemporaryDirectory(prefix="lakehouse-sql-") as scratch:
        if listen:
            return serving.serve(settings, listen, declared, Path(scratch))
        if as_json and query:
            return query_json(settings, query, declared, Path(scratch))
        return run(settings, query, declared, Path(scratch))
