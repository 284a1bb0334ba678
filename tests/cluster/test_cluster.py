"""A standalone cluster of real processes: the same tables as on one machine, also when a worker dies."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import psutil
import pyspark
import pytest
from polars.testing import assert_frame_equal

import generator
from conf import java, warehouse
from conf.home import Home
from conf.tables import EVENT_FIELDS, EVENT_IDENTITY, GOLD, SILVER_EVENTS, Table

SPARK = Path(pyspark.__file__).parent
PROGRAM = Path(sys.executable).with_name("lakehouse")
CODE = Path(__file__).parents[2] / "lakehouse.py"
MEMORY = "768m"
MERGING = '"layer": "gold", "what": "merging'
"""The worst moment: what is merged was counted, and is kept by the executors alone."""

pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Cluster:
    """A master's address, and the two workers under it."""

    master: str
    workers: list[subprocess.Popen[bytes]]

    def programs(self) -> Iterator[str]:
        """What the workers have started and still runs."""
        for child in [child for worker in self.workers for child in below(worker)]:
            with suppress(psutil.Error):
                yield child.exe()


def below(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def kill(process: subprocess.Popen[bytes]) -> None:
    """As when its machine is lost: with all it started."""
    for child in below(process):
        child.kill()
    process.kill()


def environment(**more: str) -> dict[str, str]:
    """A machine whose clock shows New York's time, and that listens on loopback alone."""
    spark = {"JAVA_HOME": str(java.home()), "SPARK_HOME": str(SPARK), "SPARK_LOCAL_IP": "127.0.0.1"}
    return os.environ | spark | {"PYSPARK_PYTHON": sys.executable, "TZ": "America/New_York"} | more


def soon(holds: Callable[[], object]) -> None:
    until = time.monotonic() + 400
    while not holds():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One master, two workers of one core each."""
    folder = tmp_path_factory.mktemp("cluster")
    said = folder / "master.log"
    started: list[subprocess.Popen[bytes]] = []

    def start(role: str, log: Path, *words: str) -> None:
        main = f"org.apache.spark.deploy.{role.lower()}.{role}"
        command = [
            str(SPARK / "bin" / "spark-class"),
            main,
            "--host",
            "127.0.0.1",
            "--webui-port",
            "0",
            *words,
        ]
        with log.open("wb") as file:
            process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=file, stderr=file)
        started.append(process)

    try:
        start("Master", said, "--port", "0")
        soon(lambda: " as ALIVE" in said.read_text() or "New state: ALIVE" in said.read_text())
        [master] = re.findall(r"Starting Spark master at (spark://127\.0\.0\.1:\d+)", said.read_text())
        for number in "12":
            place = folder / number
            start(
                "Worker",
                folder / f"worker-{number}.log",
                *("--cores", "1", "--memory", "1g", "--work-dir", str(place), master),
            )
        soon(lambda: said.read_text().count("Registering worker") == 2)
        yield Cluster(master, started[1:])
    finally:
        for one in started:
            kill(one)
            one.wait()


@dataclass(frozen=True)
class Ran:
    """A home that a cluster ran through, which programs its workers ran for that, what verify said then."""

    home: Home
    programs: set[str]
    verified: int


@pytest.fixture(scope="module")
def ran(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A run that loses a worker while it merges, and a verify by spark-submit with the one that is left."""
    home, programs = Home(tmp_path_factory.mktemp("shared")), set()
    start = datetime(2026, 3, 1, tzinfo=UTC)
    generator.generate(generator.Order(4_000, 3, start, 7, late=0.05, malformed=0), home)
    settings = {
        "LAKEHOUSE_MASTER": cluster.master,
        "LAKEHOUSE_SPARK": f'{{"spark.executor.memory": "{MEMORY}"}}',
    }
    words = ["--home", str(home.root)]
    with subprocess.Popen([PROGRAM, "run", *words], env=environment(**settings)) as run:
        soon(lambda: any(MERGING in log.read_text() for log in home.logs.glob("*.jsonl")))
        programs |= set(cluster.programs())
        kill(cluster.workers[0])
        assert run.poll() is None
        while run.poll() is None:
            programs |= set(cluster.programs())
            time.sleep(1)
    assert run.returncode == 0
    submit = [str(SPARK / "bin" / "spark-submit"), "--master", cluster.master, "--executor-memory", MEMORY]
    verify = subprocess.run([*submit, str(CODE), "verify", *words], env=environment(), check=False)
    return Ran(home, programs, verify.returncode)


def rows(home: Home, table: Table, *columns: str) -> pl.DataFrame:
    """As delta-rs reads them, in order."""
    held = pl.DataFrame(warehouse.state(home, table).to_pyarrow_table(columns=list(columns) or None))
    return held.sort(held.columns)


@pytest.mark.parametrize("table", GOLD, ids=lambda table: table.name)
def test_gold_is_the_answer_key(ran, table):
    key = pl.read_parquet(ran.home.answers / f"{table.short_name}.parquet")
    held = rows(ran.home, table, *key.columns)
    assert_frame_equal(held, key.sort(key.columns), check_dtypes=False)


def test_silver_is_what_duckdb_reads_in_the_deliveries(ran):
    """Nothing is malformed here, so that reading and taking out duplicates is all there is to it."""
    files = [str(file) for file in ran.home.landing.rglob("*.jsonl")]
    with duckdb.connect() as engine:
        # As text: senders write some integers as strings and some ids as integers.
        text: Any = dict.fromkeys(EVENT_FIELDS, "VARCHAR")
        delivered = engine.read_json(files, format="newline_delimited", columns=text)
        events = delivered.distinct().pl().cast({"timestamp": pl.Int64, "event_type": pl.Int32})
    happened = pl.from_epoch("timestamp").dt.cast_time_unit("us").dt.replace_time_zone("UTC")
    expected = events.select(happened.alias("event_time"), *EVENT_IDENTITY[1:])
    held = rows(ran.home, SILVER_EVENTS, *EVENT_IDENTITY)
    assert held.height == 4_000
    assert_frame_equal(held, expected.sort(expected.columns), check_dtypes=False)


def test_verify_finds_no_difference(ran):
    assert ran.verified == 0


def test_workers_need_no_python(ran):
    assert "java" in {Path(program).name for program in ran.programs}
    assert not [program for program in ran.programs if "python" in program]
