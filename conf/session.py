"""The one Spark session, set up for Delta and UTC, on this machine alone unless told otherwise."""

from __future__ import annotations

import functools
import logging
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pyspark
from py4j.protocol import Py4JJavaError
from pyspark import SparkContext
from pyspark.sql import SparkSession

from conf import classes, cluster, java, leftovers, notes, objects
from conf.errors import LakehouseError
from conf.settings import Settings

LOG4J = Path(__file__).with_name("log4j2.properties")
LOOPBACK = "127.0.0.1"


class Spark:
    """Spark for one verb: started when first asked for, beside whatever else goes on, stopped at the end.

    A verb that finds nothing to do never pays for it. `ready` is whether the tables were made, too.
    """

    def __init__(self, settings: Settings, scratch: Path, log: Path, commit: str = "") -> None:
        self._begin = functools.partial(start, settings, scratch, log, commit)
        self.ready = False
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._session: Future[SparkSession] | None = None

    def begin(self) -> None:
        """Start it in the background, unless it is started."""
        if self._session is None:
            self._session = self._pool.submit(self._begin)

    @property
    def session(self) -> SparkSession:
        """The session; waits until it is up."""
        self.begin()
        assert self._session is not None  # noqa: S101 - begin() sets it
        return self._session.result()

    def is_lost(self) -> bool:
        """Whether its Java process has ended: this process cannot have another."""
        started = SparkContext._gateway  # noqa: SLF001 - pyspark tells nobody
        process = getattr(started, "proc", None)
        return process is not None and process.poll() is not None

    def works_for(self, run: str) -> None:
        """From here on, commits note that this run made them."""
        notes.run_is(self.session, run)

    def work(self) -> str:
        """How many of the tasks at hand are done, in words; empty when idle."""
        if self._session is None or not self._session.done() or self._session.exception():
            return ""
        tracker = self.session.sparkContext.statusTracker()
        stages = [tracker.getStageInfo(number) for number in tracker.getActiveStageIds()]
        done = sum(stage.numCompletedTasks for stage in stages if stage)
        of = sum(stage.numTasks for stage in stages if stage)
        return f"{done} of {of} tasks" if of else ""

    def stop(self) -> None:
        """Stop it, if it was started, and whatever it does."""
        if self._session is not None and not self._session.exception() and not self.is_lost():
            self.session.sparkContext.cancelAllJobs()
            self.session.stop()
        self._pool.shutdown()


def spark_settings(settings: Settings, scratch: Path, given: dict[str, str]) -> dict[str, str]:
    """Spark's settings for one process; also read by the spark-sql shell.

    Those of `[spark]` win, then what `spark-submit` was told (`given`). Ours: UTC everywhere, no user
    interface; on this machine nothing beyond loopback, and scratch beside the tables. A master elsewhere
    must reach the driver, and its executors have disks of their own.
    """
    master = given.get("spark.master", settings.master)
    jvm = " ".join(
        [
            "-XX:+UseParallelGC",
            "-Duser.timezone=UTC",
            "-Dfile.encoding=UTF-8",
            *[f'"{mark}"' for mark in leftovers.marks(scratch)],
            f"-Dlog4j2.configurationFile={LOG4J.as_uri()}",
            *classes.options(java.home()),
        ]
    )
    loopback = {"spark.driver.host": LOOPBACK, "spark.driver.bindAddress": LOOPBACK}
    local = {"spark.local.dir": str(scratch), **cluster.sized_for(os.cpu_count() or 2)}
    return {
        "spark.master": master,
        "spark.app.name": "lakehouse",
        "spark.driver.memory": settings.driver_memory,
        "spark.driver.extraJavaOptions": jvm,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # Spark's own, and how a Kafka reader is told its password.
        "spark.redaction.regex": "(?i)secret|password|passphrase|token|access[.]?key|jaas",
        # Kept in memory even without the interface; a stream would fill it with the jobs of days.
        "spark.ui.retainedJobs": "50",
        "spark.ui.retainedStages": "50",
        "spark.ui.retainedTasks": "1000",
        "spark.sql.ui.retainedExecutions": "10",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": str(scratch / "none"),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.sql.adaptive.enabled": "true",
        "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
        # Keys that hardly repeat (an event, a user on a day) would all be looked up in a small map first.
        "spark.sql.codegen.aggregate.map.twolevel.enabled": "false",
        # What is cached is read a few times and dropped: compressing it costs more than it saves.
        "spark.sql.inMemoryColumnarStorage.compressed": "false",
        # A batch takes some 450 pieces of generated code: of the hundred that Spark keeps, none is left for
        # the next batch, nor what Java had made fast of it.
        "spark.sql.codegen.cache.maxEntries": "1000",
        # For the words of an exception, each step of a query would tell Java its line of Python.
        "spark.python.sql.dataFrameDebugging.enabled": "false",
        # A file open for each day a task meets, instead of sorting its rows by day.
        "spark.sql.maxConcurrentOutputFileWriters": "64",
        # from_json(...).field would otherwise be evaluated once per field.
        "spark.sql.optimizer.enableJsonExpressionOptimization": "false",
        # What is merged was kept first, or made here: the same however often it is read.
        "spark.databricks.delta.merge.materializeSource": "none",
        "spark.databricks.delta.write.txnVersion.autoReset.enabled": "true",
        "spark.databricks.delta.vacuum.parallelDelete.enabled": "true",
        **(objects.spark_settings() if objects.is_address(settings.home) else {}),
        # In spark-sql and over JDBC dates are of another Java class than the one Delta takes max(day) from
        # statistics as: the query would fail.
        "spark.databricks.delta.optimizeMetadataQuery.enabled": "false",
        **(loopback if cluster.is_loopback(master) else {}),
        **(local if cluster.is_local(master) else cluster.executor_settings()),
        **given,
        **settings.spark,
    }


def environment(settings: Settings) -> dict[str, str]:
    """What a Spark process that is yet to start must find in its environment."""
    # Without it the JVM asks the resolver for this machine's own name, and listens on what it says.
    loopback = {"SPARK_LOCAL_IP": LOOPBACK} if cluster.is_loopback(settings.master) else {}
    return {"JAVA_HOME": str(java.home()), "PYSPARK_PYTHON": sys.executable, "TZ": "UTC", **loopback}


def start(settings: Settings, scratch: Path, log: Path, commit: str = "") -> SparkSession:
    """The session of this process; starts a JVM when there is none yet, whose own words go to `log`.

    `commit` is noted in every commit as its userMetadata: which run made it. Raises UsageError when a
    cluster's executors do not see the home, LakehouseError when there is no cluster.
    """
    given = cluster.submitted()
    os.environ |= {"TZ": "UTC"} if given else environment(settings)
    time.tzset()
    scratch.mkdir(parents=True, exist_ok=True)
    builder = SparkSession.builder
    for name, value in spark_settings(settings, scratch, given).items():
        builder = builder.config(name, value)
    builder = builder.config("spark.databricks.delta.commitInfo.userMetadata", commit)
    master = given.get("spark.master", settings.master)
    try:
        with _words_to(log):
            spark = builder.getOrCreate()
    except Py4JJavaError:
        if cluster.is_local(master):
            raise
        raise LakehouseError(
            f"{master}: Spark did not start there. Nothing was changed. Look whether a master of Spark "
            f"{pyspark.__version__} is up at that address and can reach this machine, and run again.\n"
            f"What Spark said is in {log}."
        ) from None
    # Otherwise py4j prints a stack trace when a person interrupts it.
    logging.getLogger().addHandler(logging.NullHandler())
    # Otherwise pyspark prints a JSON copy of every failed query on stderr.
    logging.getLogger("DataFrameQueryContextLogger").setLevel(logging.CRITICAL)
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
    if not cluster.is_local(master):
        cluster.settle(spark, given | settings.spark, settings.place, scratch)
    return spark


@contextmanager
def _words_to(log: Path) -> Iterator[None]:
    """A process started within inherits `log` as its standard output and error; ours are as before after.

    Delta prints what VACUUM did on standard output, where our own results go.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    ours = {stream: os.dup(stream) for stream in (1, 2)}
    try:
        with log.open("ab") as file:
            for stream in ours:
                os.dup2(file.fileno(), stream)
        yield
    finally:
        for stream, kept in ours.items():
            os.dup2(kept, stream)
            os.close(kept)
