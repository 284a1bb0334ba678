"""What a person reads when something fails that nobody foresaw."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog

from conf import failure, log

FULL = Path("/dev/full")


@pytest.fixture
def run_log(tmp_path: Path, monkeypatch) -> Iterator[Path]:
    """The run's log; logging is afterwards as it was."""
    monkeypatch.setattr(log, "_opened", [])
    log.open_file(tmp_path / "logs" / "run.jsonl")
    yield tmp_path / "logs" / "run.jsonl"
    structlog.get_config()["logger_factory"]._file.close()
    structlog.reset_defaults()


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except type(error) as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        pytest.param(OSError(errno.ENOSPC, "No space left on device"), "The disk is full", id="disk"),
        pytest.param(OSError(errno.ENOSPC, "kein Platz"), "The disk is full", id="disk-in-german"),
        pytest.param(
            RuntimeError("java.io.IOException: No space left on device"),
            "The disk is full",
            id="disk-in-java",
        ),
        pytest.param(RuntimeError("java.lang.OutOfMemoryError: heap"), "Raise driver_memory", id="memory"),
        pytest.param(PermissionError(13, "Permission denied", "x"), "Correct its rights", id="rights"),
        pytest.param(ValueError("odd"), "report it", id="anything-else"),
    ],
)
def test_advice(run_log, error, advice):
    told = failure.explain(raised(error))
    assert advice in told
    assert told.startswith(f"{type(error).__name__}: ")
    assert "nothing is lost" in told
    assert str(run_log) in told


@pytest.mark.usefixtures("run_log")
def test_what_follows_from_a_full_disk_is_told_as_that(monkeypatch):
    """Four tables are made at once; the first of their errors need not be the one that says why."""
    error = raised(RuntimeError("[DELTA_TABLE_NOT_FOUND] Delta table `silver/suites` doesn't exist."))
    free = [16 << 20, (16 << 20) - 1]
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=free.pop(), of=place))
    told = failure.explain(error)
    assert "The disk is all but full (16,383 KiB are free). Make room and run again." in told
    assert "please report it" in failure.explain(error)
    assert free == []


@pytest.mark.usefixtures("run_log")
def test_only_the_first_line_is_shown_and_no_stack_trace():
    told = failure.explain(raised(ValueError("\n\nfirst\nsecond")))
    assert told.splitlines()[0] == "ValueError: first"
    assert "second" not in told
    assert "Traceback" not in told


@pytest.mark.usefixtures("run_log")
def test_an_endless_line_is_cut():
    assert len(failure.explain(raised(ValueError("x" * 10_000)))) < 1500


@pytest.mark.usefixtures("run_log")
def test_a_message_of_nothing():
    assert failure.explain(raised(KeyboardInterrupt())).startswith("KeyboardInterrupt: KeyboardInterrupt\n")


def test_the_stack_trace_is_in_the_log(run_log):
    failure.explain(raised(ValueError("odd")))
    [line] = run_log.read_text("utf-8").splitlines()
    logged = json.loads(line)
    assert (logged["event"], logged["level"]) == ("failed", "error")
    assert "Traceback" in logged["exception"]
    assert "ValueError: odd" in logged["exception"]


def test_without_a_log_none_is_named(monkeypatch):
    monkeypatch.setattr(log, "_opened", [])
    assert "The whole story is in" not in failure.explain(raised(ValueError("odd")))


@pytest.mark.skipif(not FULL.exists(), reason="no device here is always full")
def test_a_log_on_a_full_disk_hides_nothing(monkeypatch, capfd):
    monkeypatch.setattr(log, "_opened", [])
    log.open_file(FULL)
    told = failure.explain(raised(OSError(errno.ENOSPC, "No space left on device")))
    structlog.get_config()["logger_factory"]._file.close()
    structlog.reset_defaults()
    assert "The disk is full. Make room and run again." in told
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("run_log")
def test_what_caused_a_failure_in_spark_is_told():
    class Captured(Exception):  # noqa: N818 - one of Spark, which keeps what Java said beside it
        _stackTrace = (  # noqa: N815
            "org.apache.spark.SparkException: [TASK_WRITE_FAILED] Task failed while writing\n\tat org.X\n"
            "Caused by: java.io.IOException: No space left on device\n\tat java.Y"
        )

    told = failure.explain(raised(Captured("[TASK_WRITE_FAILED] Task failed while writing rows")))
    assert told.splitlines()[0] == "Captured: java.io.IOException: No space left on device"
    assert told.endswith("The disk is full. Make room and run again.")
