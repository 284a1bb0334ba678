"""What a table gained since a version: rows of its change feed, and whether there are any."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession

from conf import warehouse
from conf.home import Home
from conf.tables import Table


def changes(spark: SparkSession, home: Home, table: Table, after: int, upto: int) -> DataFrame:
    """Rows added to or taken from the table by versions later than `after`, up to `upto`."""
    feed = spark.read.format("delta").option("readChangeFeed", "true")
    span = feed.option("startingVersion", after + 1).option("endingVersion", upto)
    return span.load(home.table(table))


def is_kept(home: Home, table: Table, after: int) -> bool:
    """Whether what the table gained since that version can still be told: its log may be cleaned up."""
    return (home.folder(table) / "_delta_log" / f"{after + 1:020}.json").exists()


def has_changes(home: Home, table: Table, after: int, upto: int) -> bool:
    """Whether those versions added or took any row; read without Spark."""
    if after >= upto:
        return False
    if not is_kept(home, table, after):
        return True
    try:
        feed = warehouse.state(home, table).load_cdf(starting_version=after + 1, ending_version=upto)
        return any(batch.num_rows for batch in feed)
    except Exception:  # noqa: BLE001 - what delta-rs raises here has no type of its own
        # A file it tells of is lost: whoever reads the changes themselves has to say so.
        return True
