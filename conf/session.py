"""The one Spark session, set up for Delta, UTC and this machine alone."""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from pyspark import SparkContext
from pyspark.sql import SparkSession

from conf import java
from conf.settings import Settings

LOG4J = Path(__file__).with_name("log4j2.properties")


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


def spark_settings(settings: Settings, scratch: Path) -> dict[str, str]:
    """Spark's settings for one process, the ones of `[spark]` last; also read by the spark-sql shell.

    UTC everywhere, nothing beyond loopback, no user interface, scratch beside the tables.
    `snapshotPartitions` and the few shuffle partitions suit one machine: with Delta's own defaults
    a MERGE of a few rows starts a hundred tasks.
    """
    cores = os.cpu_count() or 2
    jvm = " ".join(
        [
            "-XX:+UseParallelGC",
            "-Duser.timezone=UTC",
            "-Dfile.encoding=UTF-8",
            f'"-Djava.io.tmpdir={scratch}"',
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
        "spark.local.dir": str(scratch),
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
        "spark.sql.shuffle.partitions": str(4 * cores),
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.sql.adaptive.enabled": "true",
        "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
        # from_json(...).field would otherwise be evaluated once per field.
        "spark.sql.optimizer.enableJsonExpressionOptimization": "false",
        "spark.databricks.delta.snapshotPartitions": str(cores),
        "spark.databricks.delta.write.txnVersion.autoReset.enabled": "true",
        "spark.databricks.delta.vacuum.parallelDelete.enabled": "true",
        # VACUUM lists a table's folders with so many tasks; 10,000 by default.
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": str(4 * cores),
        **settings.spark,
    }


def environment() -> dict[str, str]:
    """What a Spark process must find in its environment."""
    return {
        "JAVA_HOME": str(java.home()),
        "PYSPARK_PYTHON": sys.executable,
        "TZ": "UTC",
        # Without it the JVM asks the resolver for this machine's own name, and listens on what it says.
        "SPARK_LOCAL_IP": "127.0.0.1",
    }


def start(settings: Settings, scratch: Path, log: Path, commit: str = "") -> SparkSession:
    """The session of this process; starts a JVM when there is none yet, whose own words go to `log`.

    `commit` is noted in every commit as its userMetadata: which run made it.
    """
    os.environ |= environment()
    scratch.mkdir(parents=True, exist_ok=True)
    builder = SparkSession.builder
    for name, value in spark_settings(settings, scratch).items():
        builder = builder.config(name, value)
    with _words_to(log):
        spark = builder.config("spark.databricks.delta.commitInfo.userMetadata", commit).getOrCreate()
    # Otherwise py4j prints a stack trace when a person interrupts it.
    logging.getLogger().addHandler(logging.NullHandler())
    # Otherwise pyspark prints a JSON copy of every failed query on stderr.
    logging.getLogger("DataFrameQueryContextLogger").setLevel(logging.CRITICAL)
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
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
