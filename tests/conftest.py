"""One Spark session for every test that needs one, and a lakehouse of its own for each that asks."""

from __future__ import annotations

import ipaddress
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark import SparkContext
from pyspark.sql import SparkSession

from conf import session, settings, warehouse
from conf.home import Home

# Spark takes a process whose main program has no file for its own documentation's tests, and ends it:
# workers of pytest-xdist are such processes.
if not hasattr(sys.modules["__main__"], "__file__"):
    sys.modules["__main__"].__file__ = __file__

for name in [name for name in os.environ if name.startswith("LAKEHOUSE_")]:
    del os.environ[name]


def _stay_here(event: str, facts: tuple[Any, ...]) -> None:
    """Nothing that a test does in Python connects beyond this machine, whatever catches exceptions."""
    if event == "socket.connect" and isinstance(facts[1], tuple) and not _is_here(facts[1][0]):
        raise pytest.fail.Exception(f"a connection to {facts[1]} would leave this machine")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


sys.addaudithook(_stay_here)


# Half of what a short-lived JVM computes goes into optimizing code that then runs a few times. Without that
# compiler the JVM keeps room for less code than Spark brings, and dies of it.
os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m"

# On frames of a few rows each job costs more than its work: adaptive execution alone doubles their
# number. The command-line tests run with the product's own settings.
FEW_JOBS = {
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.databricks.delta.snapshotPartitions": "1",
}


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The session the product runs with, smaller."""
    scratch = tmp_path_factory.mktemp("spark")
    small = settings.load(driver_memory="2g", spark=FEW_JOBS)
    started = session.start(small, scratch, scratch / "spark.log")
    yield started
    started.stop()


@pytest.fixture(autouse=True)
def _forget_tables() -> Iterator[None]:
    """Delta keeps what it knows of every table it met, megabytes each: some hundred lakehouses of fifteen
    tables fill the heap, and the last of them are waited for while Java collects.
    """
    yield
    context = SparkContext._active_spark_context
    if context and context._jvm:
        context._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty place for a lakehouse."""
    place = Home(tmp_path / "home")
    place.landing.mkdir(parents=True)
    return place


@pytest.fixture(scope="session")
def empty_lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A lakehouse with every table declared and empty, to copy from: creating them takes seconds."""
    home = Home(tmp_path_factory.mktemp("empty-lake"))
    warehouse.create_missing(spark, home)
    return home


@pytest.fixture
def lake(empty_lake: Home, home: Home) -> Home:
    """A lakehouse with every table declared and empty."""
    shutil.copytree(empty_lake.warehouse, home.warehouse)
    return home
