"""A lakehouse filled by the whole pipeline, in process."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from pyspark.sql import SparkSession

import bronze.ingest
import gold.publish
import silver.publish
from conf.home import Home
from silver.window import Outcome

Pipeline = Callable[[Home], list[Outcome]]


@pytest.fixture(scope="session")
def pipeline(spark: SparkSession, empty_lake: Home) -> Pipeline:
    """What `lakehouse run` does, without its own Spark session; returns silver's outcomes."""

    def run(home: Home) -> list[Outcome]:
        arrived = bronze.ingest.arrivals(home)
        judged = bronze.ingest.judge_all(home, arrived)
        if not home.warehouse.exists():
            shutil.copytree(empty_lake.warehouse, home.warehouse)
        bronze.ingest.ingest(spark, home, arrived.batch_id, judged)
        outcomes = silver.publish.publish(spark, home)
        gold.publish.publish(spark, home)
        return outcomes

    return run
