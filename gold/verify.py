"""Gold counted again from silver, beside the tables as they are."""

from __future__ import annotations

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from conf import log, warehouse
from conf.findings import MOST, Finding
from conf.home import Home
from conf.tables import SILVER_EVENTS, STATISTICS, Table
from gold.progress import taken
from gold.statistics import OLD, differences, published, summarise, visits


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
        names = [table.name for table in tables]
        fresh = visits(events).transform(summarise).where(F.col("table_name").isin(names)).persist()
        try:
            for table in tables:
                held = published(warehouse.read(spark, home, table), table)
                findings += _differing(fresh.where(F.col("table_name") == table.name), held, table)
        finally:
            fresh.unpersist()
    return findings


def _differing(fresh: DataFrame, published: DataFrame, table: Table) -> list[Finding]:
    in_order = differences(fresh, published).orderBy("bucket", "key")
    return [_finding(table, row) for row in in_order.limit(MOST).collect()]


def _finding(table: Table, row: Row) -> Finding:
    subject, unit = table.key
    found = {name: row[old] for name, old in zip(STATISTICS, OLD, strict=True)}
    expected = {name: row[name] for name in STATISTICS}
    return Finding(
        table.name,
        {subject: row.key, unit: row.day if unit == "day" else row.bucket},
        None if row[OLD[0]] is None else found,
        None if row[STATISTICS[0]] is None else expected,
    )
