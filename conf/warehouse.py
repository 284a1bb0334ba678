"""Delta tables as places: create, read, append exactly once.

What a table has already taken from its source is written in the table itself, in the same commit
as the rows: Delta's transaction marker (application, version). There is no checkpoint beside the
tables that could be lost, restored from another day, or disagree with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from delta.tables import DeltaTable as SparkDeltaTable
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from conf import intact, notes, objects
from conf.errors import LakehouseError
from conf.home import Home
from conf.on_disk import OnDisk
from conf.tables import BRONZE_EVENTS, GOLD, SILVER_EVENTS, SILVER_SUITES, TABLES, Table

LANDING = "landing"
"""The source bronze takes from; its marker in bronze.events is the last bronze batch."""

_WRITE = "spark.databricks.delta.write"

GONE = "gone"
"""The column by which `merge` is told to take a row out."""

BY_SPARK_ALONE = (BRONZE_EVENTS, SILVER_EVENTS, SILVER_SUITES, *GOLD)
WITHOUT_SPARK = tuple(table for table in TABLES if table not in BY_SPARK_ALONE)
"""What most batches add to these is a few rows, written by `conf.entries`."""

RETENTION_DAYS = 30
"""Days through which every state of every table can be queried and rebuilt from."""

PROPERTIES = {
    "delta.logRetentionDuration": f"interval {RETENTION_DAYS + 1} days",
    "delta.deletedFileRetentionDuration": f"interval {RETENTION_DAYS} days",
}
BY_SPARK = {"delta.enableInCommitTimestamps": "true"}
"""Of tables that Spark alone writes: delta-rs writes to none that has these."""

CHECKPOINT_EVERY = 10
"""Commits of the first table; each later one has one more: all writing theirs in one batch, it would take
half as long again as others.
"""

_BY_SPARK_ALONE = "inCommitTimestamp"


def exists(home: Home, table: Table) -> bool:
    """Whether the table has been created."""
    return any((home.folder(table) / "_delta_log").glob("*.json"))


def create_missing(spark: SparkSession, home: Home) -> None:
    """Create every declared table that is not there yet, and every column that a table made by an earlier
    version lacks; a second call changes nothing.
    """
    # Most of what it takes is waiting: for the log, for the plan, for the next word of Python.
    with ThreadPoolExecutor(max_workers=4) as pool:
        for made in [pool.submit(_make_complete, spark, home, table) for table in TABLES]:
            made.result()


def _make_complete(spark: SparkSession, home: Home, table: Table) -> None:
    if exists(home, table):
        _add_missing_columns(spark, home, table)
        if table in WITHOUT_SPARK:
            _open_to_others(spark, home, table)
    else:
        _create(spark, home, table)


def _add_missing_columns(spark: SparkSession, home: Home, table: Table) -> None:
    # In a table's DDL each column stands on a line of its own.
    declared = {line.split()[0]: line.strip().rstrip(",") for line in table.ddl.strip().splitlines()}
    held = {field.name for field in state(home, table).schema().fields}
    if lacking := [column for name, column in declared.items() if name not in held]:
        _alter(spark, home, table, f"ADD COLUMNS ({', '.join(lacking)})")


def _open_to_others(spark: SparkSession, home: Home, table: Table) -> None:
    # An earlier version had Spark write these as well.
    if _BY_SPARK_ALONE in (state(home, table).protocol().writer_features or ()):
        settings = ", ".join(f"'{name}' = '{value}'" for name, value in _properties(table).items())
        _alter(spark, home, table, f"SET TBLPROPERTIES ({settings})")
        _alter(spark, home, table, f"DROP FEATURE {_BY_SPARK_ALONE}")


def _alter(spark: SparkSession, home: Home, table: Table, how: str) -> None:
    path = home.table(table).replace("`", "``")
    spark.sql(f"ALTER TABLE delta.`{path}` {how}")


def _properties(table: Table) -> dict[str, str]:
    place = [declared.name for declared in TABLES].index(table.name)
    return {
        **PROPERTIES,
        **({} if table in WITHOUT_SPARK else BY_SPARK),
        **({"delta.enableChangeDataFeed": "true"} if table.change_feed else {}),
        "delta.checkpointInterval": str(CHECKPOINT_EVERY + place),
    }


def _create(spark: SparkSession, home: Home, table: Table) -> None:
    # Delta takes a folder that is not empty for the table, and a creation that ended half way leaves one.
    left = [file.path for file in objects.listed(home.folder(table))]
    if all(path.startswith("_delta_log/") and not path.endswith(".parquet") for path in left):
        objects.remove(home.folder(table))
    builder = SparkDeltaTable.createIfNotExists(spark).location(home.table(table))
    builder = builder.comment(f"One row per {table.grain}").partitionedBy(*table.partition)
    for name, value in _properties(table).items():
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


@contextmanager
def passing_over_lost_files(spark: SparkSession) -> Iterator[None]:
    """Within it, a file of a table that is not there counts as empty, instead of ending the query."""
    try:
        spark.conf.set("spark.sql.files.ignoreMissingFiles", "true")
        yield
    finally:
        spark.conf.unset("spark.sql.files.ignoreMissingFiles")


def files(home: Home, table: Table) -> pa.Table:
    """One row a file that the table's newest version reads, as delta-rs tells of them."""
    return pa.table(state(home, table).get_add_actions(flatten=True))


def holds_null(home: Home, table: Table, column: str) -> bool:
    """Whether any row may lack a value there, told from the statistics of the files."""
    return any(count is None or count for count in files(home, table)[f"null_count.{column}"].to_pylist())


def state(home: Home, table: Table, version: int | None = None) -> DeltaTable:
    """The table's metadata, as it stands or as that version left it, read without Spark.

    Raises LakehouseError that names the file where the table's log is damaged.
    """
    kind: type[DeltaTable] = OnDisk if objects.far(home.root) is None else DeltaTable
    options = objects.reader_options(home.root) or None
    try:
        return kind(home.table(table), version=version, storage_options=options)
    except DeltaError:
        if told := intact.damaged(home, table):
            raise LakehouseError(told) from None
        raise


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
    note = notes.of(rows.sparkSession, upto=upto)
    writer = rows.write.format("delta").mode("append").option("userMetadata", note)
    writer.option("txnAppId", source).option("txnVersion", upto).save(home.table(table))


@contextmanager
def marking(spark: SparkSession, source: str, upto: int) -> Iterator[None]:
    """Within it, each MERGE notes in its commit that `source` is taken up to `upto`.

    Delta reads the marker of a MERGE from the session; left there, it would silence the next write.
    """
    # Reset by itself it would be gone when the first of several is done.
    reset = f"{_WRITE}.txnVersion.autoReset.enabled"
    by_itself = spark.conf.get(reset)
    marker_settings = {f"{_WRITE}.txnAppId": source, f"{_WRITE}.txnVersion": str(upto)}
    try:
        for name, value in {**marker_settings, reset: "false"}.items():
            spark.conf.set(name, value)
        yield
    finally:
        for name in marker_settings:
            spark.conf.unset(name)
        spark.conf.set(reset, str(by_itself))


def replace_after(rows: DataFrame, home: Home, table: Table, source: str, taken: int, upto: int) -> None:
    """Append `rows`, all of batches later than `taken`, in place of any such rows already there.

    Rows are there only when a run ended between the commits of one batch, or when a gate kept it
    back; their marker is then past `taken`, so the commit that replaces them goes without one.
    """
    if marker(home, table, source) <= taken:
        append(rows, home, table, source, upto)
        return
    note = notes.of(rows.sparkSession, upto=upto)
    writer = rows.write.format("delta").mode("overwrite").option("userMetadata", note)
    writer.option("replaceWhere", f"batch_id > {taken}").save(home.table(table))


def merge(spark: SparkSession, home: Home, table: Table, changed: DataFrame, within: Column) -> None:
    """Make rows of the table, found by its key, what `changed` says, in one commit.

    `changed` has the table's columns and gone boolean: such a row is taken out. `within` bounds the rows
    of `published`, the table as it stands, by literals, so that files beyond them stay unread.
    """
    same_row = within
    for column in table.key:
        same_row = same_row & (F.col(f"published.{column}") == F.col(f"changed.{column}"))
    columns = [column for column in changed.columns if column != GONE]
    every: dict[str, str | Column] = {column: F.col(f"changed.{column}") for column in columns}
    values = {column: every[column] for column in columns if column not in table.key}
    published = SparkDeltaTable.forPath(spark, home.table(table)).alias("published")
    merging = published.merge(changed.alias("changed"), same_row)
    merging = merging.whenMatchedDelete(F.col(f"changed.{GONE}")).whenMatchedUpdate(set=values)
    merging.whenNotMatchedInsert(~F.col(f"changed.{GONE}"), values=every).execute()
