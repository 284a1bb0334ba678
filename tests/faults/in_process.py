"""Deliveries, and what `lakehouse run` does of them within a session of Spark that is there already."""

from __future__ import annotations

from pyspark.sql import SparkSession

import bronze.ingest
import gold.publish
import silver.publish
from bronze.intake import Intake
from conf import warehouse
from conf.home import Home
from conf.tables import BRONZE_DELIVERIES

HOUR = 3600


def take(spark: SparkSession, home: Home) -> Intake:
    """Everything that arrived, through to gold, whatever a gate says of it; what bronze took of it."""
    arrived = bronze.ingest.arrivals(home)
    taken = bronze.ingest.ingest(spark, home, arrived.batch_id, bronze.ingest.judge_all(home, arrived))
    if taken.batch_id:
        silver.publish.publish(spark, home, accept=taken.batch_id)
        gold.publish.publish(spark, home)
    return taken


def latest(home: Home) -> int:
    """The latest second an event of the newest batch may have happened in."""
    held = warehouse.state(home, BRONZE_DELIVERIES).to_pyarrow_table(columns=["ingested_at"])
    return int(max(held["ingested_at"].to_pylist()).timestamp()) + HOUR
