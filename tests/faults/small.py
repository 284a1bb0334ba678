"""How the program is set up for trials: as small, and as quick to start, as it can be."""

from __future__ import annotations

import json

SPARK = {
    # On a few records a run compiles more than it works: without generated code it costs a fifth less, and
    # commits all the same.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.databricks.delta.snapshotPartitions": "1",
}
ENVIRONMENT = {
    "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m",
    "LAKEHOUSE_DRIVER_MEMORY": "1g",
    "LAKEHOUSE_SPARK": json.dumps(SPARK),
}

AS_SHIPPED = {"JDK_JAVA_OPTIONS": "", "LAKEHOUSE_DRIVER_MEMORY": "4g", "LAKEHOUSE_SPARK": "{}"}
"""Laid over it where there is so much to do that a compiler is worth its while."""
