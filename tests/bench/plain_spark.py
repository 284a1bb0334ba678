"""The brief done plainly in Spark: `python -m tests.bench.plain_spark LANDING ANSWERS MEMORY [--strict]`.

Four jobs, each of which reads the JSON, leaves out what is invalid, drops duplicates, counts, and writes a
Delta table. As strict as the deliveries ask for: an id is one when it looks as the ids here do. Spark takes
the last of two equal keys, so with `--strict` lines are looked at before they are parsed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

FIELDS = ("timestamp", "event_type", "banner_id", "placement_id", "page_id", "user_id")
SCHEMA = ", ".join(f"{name} STRING" for name in FIELDS)
EARLIEST = 946_684_800
AHEAD = 3600


def session(memory: str, scratch: Path) -> SparkSession:
    """As someone sets it up who knows Spark: every core, UTC, few shuffle partitions, adaptive execution."""
    settings = {
        "spark.master": "local[*]",
        "spark.driver.memory": memory,
        "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": str(scratch),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": str(scratch / "none"),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "8",
        "spark.sql.adaptive.enabled": "true",
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.databricks.delta.snapshotPartitions": "2",
    }
    builder = SparkSession.builder
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def events(spark: SparkSession, files: str, *, strict: bool = False) -> DataFrame:
    """One row per distinct valid event."""
    reader = spark.read.schema(SCHEMA)
    if strict:
        read = reader.json(spark.read.text(files).where('value NOT LIKE \'%"banner_id"%"banner_id"%\''))
    else:
        read = reader.json(files)
    seconds = F.expr("try_cast(timestamp AS BIGINT)")
    valid = read.where(
        F.col("event_type").isin("0", "1")
        & seconds.between(F.lit(EARLIEST), F.unix_timestamp() + AHEAD)
        & F.col("banner_id").startswith("b-")
        & F.col("placement_id").contains("-")
        & F.col("page_id").startswith("p-")
        & (F.length("user_id") == 16)
    )
    return valid.withColumn("timestamp", F.timestamp_seconds(seconds)).dropDuplicates([*FIELDS])


def answer(distinct: DataFrame, subject: str, bucket: Column) -> DataFrame:
    """One row per subject and bucket, as gold has it."""
    return distinct.groupBy(subject, bucket).agg(
        F.count_if(F.col("event_type") == "0").alias("views"),
        F.count_if(F.col("event_type") == "1").alias("clicks"),
        F.countDistinct("user_id").alias("distinct_users"),
    )


def main(landing: Path, answers: Path, memory: str, *, strict: bool = False) -> None:
    """Write the Delta tables `placement_hourly` and its like, in a session of its own."""
    spark = session(memory, answers / "scratch")
    write(spark, landing, answers, strict=strict)
    spark.stop()


def write(spark: SparkSession, landing: Path, answers: Path, *, strict: bool = False) -> None:
    """One job after the other, each from the JSON to its table."""
    buckets = {
        "hourly": F.date_trunc("hour", "timestamp").alias("hour"),
        "daily": F.to_date("timestamp").alias("day"),
    }
    for subject in ("placement", "page"):
        for name, bucket in buckets.items():
            counted = answer(events(spark, str(landing), strict=strict), f"{subject}_id", bucket)
            counted.write.format("delta").save(str(answers / f"{subject}_{name}"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], strict="--strict" in sys.argv)
