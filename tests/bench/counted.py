"""What a step costs besides seconds, counted: by Spark itself, and by the kernel."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import psutil
from py4j.java_gateway import JavaObject
from pyspark.sql import SparkSession

KEPT = {
    "spark.ui.retainedJobs": "100000",
    "spark.ui.retainedStages": "100000",
    "spark.sql.ui.retainedExecutions": "10000",
}
"""Settings with which Spark still knows every job of a step when it has ended."""

FILES_READ = "number of files read"


@dataclass(frozen=True)
class Cost:
    """One step. `read` is what Spark's tasks read in bytes, `files` how many files its scans read; `all_read`
    is what this process and the JVM read of anything, logs of the tables included, by the kernel's count.
    """

    seconds: float
    jobs: int
    stages: int
    tasks: int
    files: int
    read: int
    all_read: int

    def __add__(self, other: Cost) -> Cost:
        """Both."""
        return Cost(*[getattr(self, one.name) + getattr(other, one.name) for one in fields(self)])


@dataclass(frozen=True)
class _Seen:
    """How far everything had counted at one moment."""

    last_job: int
    last_execution: int
    all_read: int


def cost(spark: SparkSession, step: Callable[[], object]) -> Cost:
    """Take the step, and say what it cost."""
    before = _seen(spark)
    started = time.monotonic()
    step()
    seconds = time.monotonic() - started
    all_read = _read_by_processes() - before.all_read
    jobs = [job for job in _jobs(spark) if job.jobId() > before.last_job]
    stages = _stages_of(spark, jobs)
    return Cost(
        seconds=seconds,
        jobs=len(jobs),
        stages=len(stages),
        tasks=sum(stage.numCompleteTasks() for stage in stages),
        files=_files_read(spark, before.last_execution),
        read=sum(stage.inputBytes() for stage in stages),
        all_read=all_read,
    )


def _seen(spark: SparkSession) -> _Seen:
    jobs = max((job.jobId() for job in _jobs(spark)), default=-1)
    executions = max((one.executionId() for one in _executions(spark)), default=-1)
    return _Seen(jobs, executions, _read_by_processes())


def _context(spark: SparkSession) -> JavaObject:
    return spark.sparkContext._jsc.sc()


def _jobs(spark: SparkSession) -> list[Any]:
    """Every job Spark knows, once it has heard how the last one ended."""
    context = _context(spark)
    context.listenerBus().waitUntilEmpty()
    return _listed(spark, context.statusStore().jobsList(None))


def _stages_of(spark: SparkSession, jobs: list[Any]) -> list[Any]:
    """The stages that ran for these jobs; those whose result was there already are left out."""
    store, numbers = _context(spark).statusStore(), set()
    for job in jobs:
        numbers |= {int(number) for number in _listed(spark, job.stageIds())}
    attempts = [store.lastStageAttempt(number) for number in sorted(numbers)]
    return [stage for stage in attempts if stage.status().name() == "COMPLETE"]


def _executions(spark: SparkSession) -> list[Any]:
    return _listed(spark, _of_sql(spark).executionsList())


def _of_sql(spark: SparkSession) -> JavaObject:
    return spark._jsparkSession.sharedState().statusStore()


def _files_read(spark: SparkSession, after: int) -> int:
    """Files that the scans of the queries later than that one read."""
    store, files = _of_sql(spark), 0
    for execution in _executions(spark):
        if execution.executionId() <= after:
            continue
        values = store.executionMetrics(execution.executionId())
        counters = {
            one.accumulatorId() for one in _listed(spark, execution.metrics()) if one.name() == FILES_READ
        }
        told = [values.get(counter) for counter in counters]
        files += sum(int(one.get().split("\n")[-1].replace(",", "")) for one in told if one.isDefined())
    return files


def _listed(spark: SparkSession, held: JavaObject) -> list[Any]:
    """A Scala sequence as a list."""
    jvm = spark._jvm
    assert jvm is not None
    return list(jvm.scala.jdk.javaapi.CollectionConverters.asJava(held))


def _read_by_processes() -> int:
    ours = psutil.Process()
    return sum(one.io_counters().read_chars for one in [ours, *ours.children(recursive=True)])
