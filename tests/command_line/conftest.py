"""The program as a person meets it: what was typed, what came back, with which status."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from pyspark.sql import SparkSession
from rich.console import Console

import lakehouse
from conf import console, log, notes, work
from conf.home import Home

PROGRAM = Path(sys.executable).with_name("lakehouse")


@dataclass(frozen=True)
class Said:
    """What the program answered."""

    status: int
    out: str
    err: str


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Runs the program in this process: `program("run", "--home", ...)`."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")

    def typed(*words: object) -> Said:
        out, err = io.StringIO(), io.StringIO()
        with monkeypatch.context() as patch:
            patch.setattr(console, "results", Console(file=out, width=200, highlight=False))
            patch.setattr(console, "errors", Console(file=err, width=200, highlight=False, soft_wrap=True))
            patch.setattr(log, "_opened", [])
            patch.setattr(log, "_watchers", [])
            patch.setattr(sys, "argv", ["lakehouse", *map(str, words)])
            capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                lakehouse.main()
        _close_log()
        printed = capsys.readouterr()
        return Said(int(ended.value.code or 0), out.getvalue() + printed.out, err.getvalue() + printed.err)

    return typed


def _close_log() -> None:
    """A process closes its log by ending; this one goes on."""
    factory = structlog.get_config()["logger_factory"]
    if isinstance(factory, structlog.WriteLoggerFactory) and factory._file:
        factory._file.close()
    structlog.reset_defaults()


@pytest.fixture
def shared_spark(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The program uses the session of the tests, notes its run in it, and leaves it running."""

    class Shared:
        session = spark
        ready = False

        def __init__(self, _settings: object, _scratch: object, _log: object, note: str) -> None:
            spark.conf.set(notes.NOTE, note)

        def begin(self) -> None:
            pass

        def stop(self) -> None:
            pass

        def is_lost(self) -> bool:
            return False

        def works_for(self, run: str) -> None:
            notes.run_is(spark, run)

        def work(self) -> str:
            return ""

    monkeypatch.setattr(work, "Spark", Shared)
    yield
    spark.conf.unset(notes.NOTE)


@pytest.fixture
def process(tmp_path: Path) -> Callable[..., Said]:
    """Runs the program as a process of its own, in a folder of its own: `process("run", JAVA_HOME=...)`."""
    folder = tmp_path / "working directory"
    folder.mkdir()

    def typed(*words: object, **environment: str) -> Said:
        ended = subprocess.run(
            [PROGRAM, *map(str, words)],
            cwd=folder,
            env=os.environ | {"COLUMNS": "200"} | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        return Said(ended.returncode, ended.stdout, ended.stderr)

    return typed


@pytest.fixture
def deliver(home: Home) -> Callable[..., Path]:
    """Puts a file into landing."""

    def put(name: str, content: bytes) -> Path:
        path = home.landing / name
        path.write_bytes(content)
        return path

    return put
