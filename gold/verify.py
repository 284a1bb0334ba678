"""Gold counted again from silver, beside the tables as they are."""

from __future__ import annotations

from pyspark import StorageLevel
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from conf import log, warehouse
from conf.findings import MOST, Finding
from conf.home import Home
from conf.tables import SILVER_EVENTS, STATISTICS, Table
from gold.progress import taken
from gold.statistics import OLD, differences, summarise, visits


def verify(spark: SparkSession, home: Home) -> list[Finding]:
    """What differs in the four statistics tables, bucket by bucket, from the version of silver.events that
    each was counted from.
    """
    counted_from: dict[int, list[Table]] = {}
    for table, version in taken(home).items():
        counted_from.setdefault(version, []).append(table)
    findings: list[Finding] = []
    for version, tables in counted_from.items():
        log.stage("gold", f"counting version {version} of silver.events again", spark)
        events = warehouse.read_version(spark, home, SILVER_EVENTS, version)
        happened = visits(events).repartition("user_id").persist(StorageLevel.MEMORY_AND_DISK)
        try:
            for table in tables:
                findings += _differing(happened, warehouse.read(spark, home, table), table)
        finally:
            happened.unpersist()
    return findings


def _differing(happened: DataFrame, published: DataFrame, table: Table) -> list[Finding]:
    changed = differences(summarise(happened, table), published, table)
    in_order = changed.orderBy(*[F.col(name) for name in reversed(table.key)])
    return [_finding(table, row) for row in in_order.limit(MOST).collect()]


def _finding(table: Table, row: Row) -> Finding:
    found = {name: row[old] for name, old in zip(STATISTICS, OLD, strict=True)}
    expected = {name: row[name] for name in STATISTICS}
    return Finding(
        table.name,
        {name: row[name] for name in table.key},
        None if row[OLD[0]] is None else found,
        None if row[STATISTICS[0]] is None else expected,
    )
