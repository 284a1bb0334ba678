"""The one Spark session, set up for Delta, UTC and this machine alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from conf import java
from conf.home import Home
from conf.settings import Settings

LOG4J = Path(__file__).with_name("log4j2.properties")


def spark_settings(settings: Settings, home: Home) -> dict[str, str]:
    """Spark's settings for one process, the ones of `[spark]` last; also read by the spark-sql shell.

    UTC everywhere, nothing beyond loopback, no user interface, scratch beside the tables.
    `snapshotPartitions` and the few shuffle partitions suit one machine: with Delta's own defaults
    a MERGE of a few rows starts a hundred tasks.
    """
    cores = os.cpu_count() or 2
    jvm = " ".join(
        [
            "-XX:+UseParallelGC",
            "-XX:+IgnoreUnrecognizedVMOptions",
            "-XX:TieredStopAtLevel=4",
            "-Duser.timezone=UTC",
            "-Dfile.encoding=UTF-8",
            f"-Djava.io.tmpdir={home.scratch}",
            f"-Dlog4j2.configurationFile={LOG4J.as_uri()}",
        ]
    )
    return {
        "spark.master": settings.master,
        "spark.app.name": "lakehouse",
        "spark.driver.memory": settings.driver_memory,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": jvm,
        "spark.local.dir": str(home.scratch),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": str(home.scratch / "none"),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(4 * cores),
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.sql.adaptive.enabled": "true",
        "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
        # from_json(...).field would otherwise be evaluated once per field.
        "spark.sql.optimizer.enableJsonExpressionOptimization": "false",
        "spark.databricks.delta.snapshotPartitions": str(cores),
        "spark.databricks.delta.write.txnVersion.autoReset.enabled": "true",
        "spark.databricks.delta.vacuum.parallelDelete.enabled": "true",
        **settings.spark,
    }


def start(settings: Settings, home: Home) -> SparkSession:
    """The session of this process; starts a JVM when there is none yet."""
    os.environ["JAVA_HOME"] = str(java.home())
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["TZ"] = "UTC"
    home.scratch.mkdir(parents=True, exist_ok=True)
    # Without this the JVM asks the resolver for this machine's own name, and listens on what it says.
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    builder = SparkSession.builder
    for name, value in spark_settings(settings, home).items():
        builder = builder.config(name, value)
    return builder.getOrCreate()
