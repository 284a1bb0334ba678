"""One structured log file a run; the stages in it are also what a person watches."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from pyspark.sql import SparkSession

_watchers: list[Callable[[str, str], None]] = []
_opened: list[Path] = []


def open_file(path: Path) -> None:
    """Write every event from here on to `path`, one JSON object a line, times in UTC."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _opened.append(path)
    # Nothing waits in a buffer: on a full disk it would be tried again at the very end, and fail there.
    file = io.TextIOWrapper(path.open("ab", buffering=0), encoding="utf-8", write_through=True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=file),
    )


def where() -> Path | None:
    """The log file of this run, if it has one."""
    return _opened[-1] if _opened else None


def watch(watcher: Callable[[str, str], None]) -> None:
    """Call `watcher(layer, what)` whenever a stage begins."""
    _watchers.append(watcher)


def stage(layer: str, what: str, spark: SparkSession | None = None, **facts: Any) -> None:
    """A stage of the work begins: into the log, to whoever watches, and onto Spark's jobs."""
    if _opened:
        structlog.get_logger().info("stage", layer=layer, what=what, **facts)
    if spark:
        spark.sparkContext.setJobDescription(f"{layer}: {what}")
    for watcher in _watchers:
        watcher(layer, what)
