"""What every commit notes, as its userMetadata: which run made it, by which verb, for whom, and more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyspark.sql import SparkSession

NOTE = "spark.databricks.delta.commitInfo.userMetadata"
"""What a session notes in each of its commits, as JSON: run, verb, who; a commit may add facts of its own."""


def noted(commit: dict[str, Any]) -> dict[str, Any]:
    """What one commit of a table's history noted; empty when it was none of ours."""
    try:
        facts = json.loads(commit.get("userMetadata") or "{}")
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def of(spark: SparkSession, **facts: Any) -> str:
    """The session's note, with `facts` of one commit."""
    return json.dumps(json.loads(spark.conf.get(NOTE, "") or "{}") | facts)


def run_is(spark: SparkSession, run: str) -> None:
    """From here on, commits note that this run made them."""
    spark.conf.set(NOTE, of(spark, run=run))


def run_of(spark: SparkSession) -> str:
    """The run the session works for; empty when none."""
    return str(json.loads(of(spark)).get("run", ""))


@contextmanager
def noting(spark: SparkSession, **facts: Any) -> Iterator[None]:
    """Within it, commits note `facts` as well."""
    usual = spark.conf.get(NOTE, "") or ""
    try:
        spark.conf.set(NOTE, of(spark, **facts))
        yield
    finally:
        spark.conf.set(NOTE, usual)
