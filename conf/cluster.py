"""Spark past one machine: what its executors are sent, how much they take at a time, what they must see."""

from __future__ import annotations

import importlib.util
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from py4j.protocol import Py4JJavaError
from pyspark import SparkConf, SparkContext, StorageLevel
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from conf import jars, log, objects
from conf.errors import UsageError
from conf.home import Home

FEW_BYTES = 64 << 20
"""Files of tables up to so large, some million records, are worked on with as few jobs as can be."""

PARTITION_BYTES = 4 << 20
"""Of such files, what a task is given at least."""

LOOPBACK = re.compile(r"local(\W|$)|spark://(127(\.\d+){3}|localhost|\[::1\])(:|$)")


def submitted() -> dict[str, str]:
    """What `spark-submit` was told, when it started this process; else nothing.

    Its JVM is up before Python is, with the settings of its command line and of spark-defaults.conf.
    """
    if "PYSPARK_GATEWAY_PORT" not in os.environ:
        return {}
    SparkContext._ensure_initialized()  # noqa: SLF001 - no public name tells a JVM's settings before its start
    return dict(SparkConf().getAll())


def is_local(master: str) -> bool:
    """Whether this process does the work itself."""
    return master.startswith("local")


def is_loopback(master: str) -> bool:
    """Whether nothing beyond this machine has to reach the driver."""
    return LOOPBACK.match(master) is not None


def sized_for(cores: int) -> dict[str, str]:
    """Settings that follow how many tasks run at once.

    With Delta's and Spark's own defaults a MERGE of a few rows starts hundreds of tasks, and VACUUM lists a
    table's folders with 10,000.
    """
    return {
        "spark.sql.shuffle.partitions": str(4 * cores),
        "spark.databricks.delta.snapshotPartitions": str(min(max(cores // 2, 1), 50)),
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": str(4 * cores),
    }


@contextmanager
def planned_for(spark: SparkSession, size: int) -> Iterator[None]:
    """Within it, queries are planned for so many bytes of table files.

    Of a few each job costs more than its work, and adaptive execution makes a job of every shuffle.
    """
    cores = spark.sparkContext.defaultParallelism
    partitions = min(max(size // PARTITION_BYTES, 1), 4 * cores)
    few = {"spark.sql.adaptive.enabled": "false", "spark.sql.shuffle.partitions": str(partitions)}
    before = {name: str(spark.conf.get(name)) for name in few}
    try:
        for name, value in few.items() if size < FEW_BYTES else ():
            spark.conf.set(name, value)
        yield
    finally:
        for name, value in before.items():
            spark.conf.set(name, value)


def kept(rows: DataFrame) -> DataFrame:
    """The same rows, computed now and cut from what they were read from.

    They cannot be computed again, so on a cluster two executors hold each: one may be lost.
    """
    alone = is_local(rows.sparkSession.sparkContext.master or "")
    level = StorageLevel.MEMORY_AND_DISK if alone else StorageLevel.MEMORY_AND_DISK_2
    return rows.localCheckpoint(eager=True, storageLevel=level)


def executor_settings() -> dict[str, str]:
    """What executors elsewhere need: UTC as here, and the JARs of ours that their Spark may lack.

    The driver hands the JARs out, so any Spark of this version will do, and nothing is fetched.
    """
    found = importlib.util.find_spec("pyspark")
    folder = Path(found.origin).parent / "jars" if found and found.origin else Path()
    ours = [folder / jar.file for jar in jars.pinned()]
    return {
        "spark.executor.extraJavaOptions": "-Duser.timezone=UTC -Dfile.encoding=UTF-8",
        "spark.jars": ",".join(jar.as_uri() for jar in ours if jar.is_file()),
    }


def settle(spark: SparkSession, given: dict[str, str], home: Home, scratch: Path) -> None:
    """Wait for the cluster's executors, and size for their cores what `given` does not.

    Raises UsageError when the home is a folder that they do not see.
    """
    log.stage("spark", f"waiting for executors of {spark.sparkContext.master}")
    spark.range(1).count()
    cores = 0
    while cores != (cores := spark.sparkContext.defaultParallelism):
        time.sleep(1)
    for name, value in sized_for(cores).items():
        if name not in given:
            spark.conf.set(name, value)
    if objects.far(home.root) is None and scratch.is_relative_to(home.root):
        _check_sight(spark, home, scratch / "seen", cores)


def _check_sight(spark: SparkSession, home: Home, folder: Path, cores: int) -> None:
    """Let every executor read a file below the home. Each would write what it is told to, home or not."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(cores):
        # A file each, so that there is a task each.
        (folder / str(number)).write_text("seen", "utf-8")
    path = re.sub(r"([][{}*?\\])", r"\\\1", str(folder))
    try:
        seen = spark.read.text(path).count()
    except (PySparkException, Py4JJavaError) as unseen:
        if "FILE_NOT_EXIST" not in str(unseen) and "FileNotFoundException" not in str(unseen):
            raise
        seen = 0
    if seen != cores:
        master = spark.sparkContext.master
        spark.stop()
        raise UsageError(
            f"{home.root}: the executors of {master} do not see this folder. On a cluster the home must "
            "lie where every machine finds it under one name: on a shared file system or in object storage "
            "(s3a://…).\nNothing was changed. Move it there, or work on this machine alone: "
            "LAKEHOUSE_MASTER='local[*]'."
        )
