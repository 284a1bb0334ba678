"""Delta tables as places: create, read, append exactly once.

What a table has already taken from its source is written in the table itself, in the same commit
as the rows: Delta's transaction marker (application, version). There is no checkpoint beside the
tables that could be lost, restored from another day, or disagree with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from delta.tables import DeltaTable as SparkDeltaTable
from deltalake import DeltaTable
from pyspark.sql import DataFrame, SparkSession

from conf.home import Home
from conf.tables import TABLES, Table

LANDING = "landing"
"""The source bronze takes from; its marker in bronze.events is the last bronze batch."""

RETENTION = "interval 30 days"
PROPERTIES = {
    "delta.logRetentionDuration": "interval 31 days",
    "delta.deletedFileRetentionDuration": RETENTION,
    "delta.enableInCommitTimestamps": "true",
}


def exists(home: Home, table: Table) -> bool:
    """Whether the table has been created."""
    return any(Path(home.table(table), "_delta_log").glob("*.json"))


def create_missing(spark: SparkSession, home: Home) -> None:
    """Create every declared table that is not there yet; a second call changes nothing."""
    for table in TABLES:
        if not exists(home, table):
            _create(spark, home, table)


def _create(spark: SparkSession, home: Home, table: Table) -> None:
    properties = PROPERTIES | ({"delta.enableChangeDataFeed": "true"} if table.change_feed else {})
    builder = SparkDeltaTable.createIfNotExists(spark).location(home.table(table))
    builder = builder.comment(f"One row per {table.grain}").partitionedBy(*table.partition)
    for name, value in properties.items():
        builder = builder.property(name, value)
    ddl = spark.createDataFrame([], table.ddl).schema
    builder.addColumns(ddl).execute()


def read(spark: SparkSession, home: Home, table: Table) -> DataFrame:
    """The table as it stands."""
    return spark.read.format("delta").load(home.table(table))


def local(spark: SparkSession, home: Home, table: Table, rows: list[dict[str, Any]]) -> DataFrame:
    """A few rows made here, with the table's columns; a column a row lacks is null."""
    columns = pa.schema(state(home, table).schema().to_arrow())
    return spark.createDataFrame(pa.Table.from_pylist(rows, columns)).coalesce(1)


def read_version(spark: SparkSession, home: Home, table: Table, version: int) -> DataFrame:
    """The table as that version left it."""
    return spark.read.format("delta").option("versionAsOf", version).load(home.table(table))


def changes(spark: SparkSession, home: Home, table: Table, after: int, upto: int) -> DataFrame:
    """Rows added to or taken from the table by versions later than `after`, up to `upto`."""
    feed = spark.read.format("delta").option("readChangeFeed", "true")
    span = feed.option("startingVersion", after + 1).option("endingVersion", upto)
    return span.load(home.table(table))


def has_changes(home: Home, table: Table, after: int, upto: int) -> bool:
    """Whether those versions added or took any row; read without Spark."""
    if after >= upto:
        return False
    feed = state(home, table).load_cdf(starting_version=after + 1, ending_version=upto)
    return any(batch.num_rows for batch in feed)


def state(home: Home, table: Table) -> DeltaTable:
    """The table's metadata, read without Spark."""
    return DeltaTable(home.table(table))


def marker(home: Home, table: Table, source: str) -> int:
    """How far `table` has taken what `source` holds; 0 when it never did."""
    if not exists(home, table):
        return 0
    return state(home, table).transaction_version(source) or 0


def identity(home: Home, table: Table) -> str:
    """Names this very table: one made anew in its place has another identity, so nothing it
    holds is mistaken for taken.
    """
    return f"{table.name}/{state(home, table).metadata().id}"


def append(rows: DataFrame, home: Home, table: Table, source: str, upto: int) -> None:
    """Append `rows` and note in the same commit that `source` is taken up to `upto`.

    A second append with the same or a lower `upto` commits nothing.
    """
    writer = rows.write.format("delta").mode("append")
    writer.option("txnAppId", source).option("txnVersion", upto).save(home.table(table))


@contextmanager
def marking(spark: SparkSession, source: str, upto: int) -> Iterator[None]:
    """Within it, one MERGE notes in its commit that `source` is taken up to `upto`.

    Delta reads the marker of a MERGE from the session; left there, it would silence the next write.
    """
    marker_settings = {"txnAppId": source, "txnVersion": str(upto)}
    try:
        for name, value in marker_settings.items():
            spark.conf.set(f"spark.databricks.delta.write.{name}", value)
        yield
    finally:
        for name in marker_settings:
            spark.conf.unset(f"spark.databricks.delta.write.{name}")


def replace_after(rows: DataFrame, home: Home, table: Table, source: str, taken: int, upto: int) -> None:
    """Append `rows`, all of batches later than `taken`, in place of any such rows already there.

    Rows are there only when a run ended between the commits of one batch, or when a gate kept it
    back; their marker is then past `taken`, so the commit that replaces them goes without one.
    """
    if marker(home, table, source) <= taken:
        append(rows, home, table, source, upto)
        return
    writer = rows.write.format("delta").mode("overwrite")
    writer.option("replaceWhere", f"batch_id > {taken}").save(home.table(table))
