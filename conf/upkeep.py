"""Upkeep of the tables: few files, none that nobody can ask for any more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import unquote

import pyarrow.compute as pc
from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from conf import log, objects, warehouse
from conf.findings import Finding
from conf.home import Home
from conf.tables import BRONZE_DELIVERIES, SILVER_VOLUME, TABLES, Table

MIB = 1 << 20
FILE_MIB = {"bronze": 256, "silver": 256, "gold": 16}
"""Smaller files are put together up to this. A late event rewrites a file of gold, so those stay small."""

READ_WHOLE = (BRONZE_DELIVERIES, SILVER_VOLUME)
"""Every run adds a file of a few rows to these, and every run reads all of them."""
MANY_FILES = 64

COLUMNS = ("table", "files", "after", "MB", "after", "files on disk", "after", "MB on disk", "after")


@dataclass(frozen=True)
class Size:
    """A table's files: those its newest version reads, and all that lie in its folder."""

    files: int
    bytes: int
    files_kept: int
    bytes_kept: int


@dataclass(frozen=True)
class Kept:
    """What upkeep did to one table; `waits` says why its older files were all left."""

    table: str
    before: Size
    after: Size
    waits: str = ""

    @property
    def row(self) -> tuple[object, ...]:
        """As COLUMNS names it."""
        pairs = zip(
            (
                self.before.files,
                self.before.bytes / 1e6,
                self.before.files_kept,
                self.before.bytes_kept / 1e6,
            ),
            (self.after.files, self.after.bytes / 1e6, self.after.files_kept, self.after.bytes_kept / 1e6),
            strict=True,
        )
        return (self.table, *[value for pair in pairs for value in pair])


def maintain(spark: SparkSession, home: Home, waiting: dict[Table, str]) -> list[Kept]:
    """Put small files together, take away files older than the promised window, write a checkpoint.

    Of the tables `waiting` names, nothing is taken away: a step has still to read what they held.
    """
    return [
        _maintain(spark, home, table, waiting.get(table, ""))
        for table in TABLES
        if warehouse.exists(home, table)
    ]


def fold(spark: SparkSession, home: Home) -> None:
    """Put the files that every run reads together once they are many, so that a run costs the same after a
    thousand others; commits nothing before.
    """
    for table in READ_WHOLE:
        if warehouse.files(home, table).num_rows > MANY_FILES:
            log.stage("upkeep", f"putting {table.name} together", spark)
            _compact(spark, home, table)


def _maintain(spark: SparkSession, home: Home, table: Table, waits: str) -> Kept:
    before = size(home, table)
    log.stage("maintain", table.name, spark)
    _compact(spark, home, table)
    if not waits:
        if _may_be_past(home, table):
            # Without an argument the table's own deletedFileRetentionDuration is the window.
            DeltaTable.forPath(spark, home.table(table)).vacuum()
        _checkpoint(spark, home, table)
    return Kept(table.name, before, size(home, table), waits)


def _compact(spark: SparkSession, home: Home, table: Table) -> None:
    with _files_of(spark, FILE_MIB[table.layer]):
        DeltaTable.forPath(spark, home.table(table)).optimize().executeCompaction()


def _may_be_past(home: Home, table: Table) -> bool:
    """Whether any file is older than the promised window: VACUUM starts many jobs to find that none is."""
    edge = time.time() - warehouse.RETENTION_DAYS * 86_400
    return any(file.written < edge for file in _data_files(home, table))


@contextmanager
def _files_of(spark: SparkSession, mib: int) -> Iterator[None]:
    names = [f"spark.databricks.delta.optimize.{bound}FileSize" for bound in ("min", "max")]
    try:
        for name in names:
            spark.conf.set(name, str(mib * MIB))
        yield
    finally:
        for name in names:
            spark.conf.unset(name)


def _checkpoint(spark: SparkSession, home: Home, table: Table) -> None:
    """Delta cleans up log entries past logRetentionDuration whenever it writes a checkpoint."""
    jvm = spark._jvm  # noqa: SLF001 - Delta offers this to the JVM alone
    assert jvm is not None  # noqa: S101 - a session has one
    delta_log = jvm.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, home.table(table))  # noqa: SLF001
    delta_log.checkpoint(delta_log.unsafeVolatileSnapshot(), jvm.scala.Option.empty())


def _data_files(home: Home, table: Table) -> list[objects.Item]:
    return [
        file
        for file in objects.listed(home.folder(table))
        if file.path.endswith(".parquet") and not file.path.startswith("_delta_log/")
    ]


def size(home: Home, table: Table) -> Size:
    """How many files the table has, and how large they are."""
    active = warehouse.files(home, table)["size_bytes"]
    held = [file.bytes for file in _data_files(home, table)]
    return Size(len(active), pc.sum(active).as_py() or 0, len(held), sum(held))


def lost_files(home: Home, table: Table) -> list[Finding]:
    """The files that the table's newest version reads and that are not there."""
    if not warehouse.exists(home, table):
        return []
    paths = warehouse.files(home, table)["path"].to_pylist()
    there = {file.path for file in _data_files(home, table)}
    lost = [path for path in paths if unquote(path) not in there]
    return [Finding(table.name, {"file": path}, {"it": "is not there"}, None) for path in sorted(lost)]
