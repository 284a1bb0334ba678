"""The program on a home in object storage: killed, recovered, and run again with nothing new."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from conf import objects, warehouse
from conf.tables import GOLD, SILVER_LEDGER, TABLES

pytestmark = pytest.mark.timeout(900)  # a killed run and a whole one, both over the network

PROGRAM = Path(sys.executable).with_name("lakehouse")
ORDER = ("generate", "--events", "2000", "--hours", "3", "--seed", "7", "--start", "2026-03-01")
LATER = ("--format", "csv", "--gzip", "--seed", "8", "--start", "2026-03-01T03:00", "--events", "1000")


@pytest.fixture(scope="module")
def lakehouse(far):
    """Runs the program on the far home, the way a person does."""

    def typed(*words, status=0):
        done = subprocess.run(
            [PROGRAM, *words],
            env=environment(far),
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == status, done.stderr
        return done

    return typed


def environment(far):
    bucket = far.here.parents[2]
    return os.environ | {"LAKEHOUSE_HOME": objects.address(far.root), "LAKEHOUSE_LOCAL": str(bucket)}


def kill_when(far, stage):
    """Start a run and SIGKILL it, Java and all, once its log tells of the stage."""
    with subprocess.Popen(
        [PROGRAM, "run"],
        env=environment(far),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as running:
        until = time.monotonic() + 200
        while not any(stage in log.read_text("utf-8") for log in far.logs.glob("*.jsonl")):
            assert running.poll() is None, "it ended before"
            assert time.monotonic() < until
            time.sleep(0.05)
        os.killpg(running.pid, signal.SIGKILL)


def versions(far):
    return {table.name: warehouse.state(far, table).version() for table in TABLES}


@pytest.fixture(scope="module")
def filled(far, lakehouse):
    """JSON Lines and compressed CSV, one file that is neither; the run was killed between silver and its
    ledger, and run again.
    """
    lakehouse(*ORDER)
    lakehouse("generate", "--hours", "2", *LATER)
    (far.landing / "broken.parquet").write_bytes(b"PAR1 and no more")
    kill_when(far, "balancing the ledger")
    assert far.lease.exists()
    return lakehouse("run")


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("table", GOLD, ids=lambda table: table.name)
def test_gold_is_the_answer_key(far, table):
    key = pl.read_parquet((far.shared(far.answers) / f"{table.short_name}.parquet").read_bytes())
    held = pl.DataFrame(warehouse.state(far, table).to_pyarrow_table()).select(key.columns)
    assert sorted(held.rows()) == sorted(key.rows())


def test_the_killed_run_and_the_next_balance(far, filled):
    ledger = pl.DataFrame(warehouse.state(far, SILVER_LEDGER).to_pyarrow_table())
    explained = pl.col("accepted") + pl.col("duplicate") + pl.col("quarantined")
    assert ledger.filter(pl.col("delivered") != explained).is_empty()
    assert ledger["accepted"].sum() == 3000
    assert not far.lease.exists()
    assert filled.returncode == 0


@pytest.mark.usefixtures("filled")
def test_the_broken_file_is_set_aside_in_the_bucket(far):
    assert (far.set_aside / "broken.parquet").read_bytes() == b"PAR1 and no more"
    assert not (far.landing / "broken.parquet").exists()


@pytest.mark.usefixtures("filled")
def test_a_second_run_commits_nothing(far, lakehouse):
    before = versions(far)
    assert "Nothing new has arrived" in lakehouse("run").stdout
    assert versions(far) == before
    assert list(objects.listed(far.shared(far.staging))) == []


@pytest.mark.usefixtures("filled")
def test_the_report_lies_in_the_bucket(far, lakehouse):
    lakehouse("report")
    page = (far.shared(far.reports) / "index.html").read_text("utf-8")
    assert page == (far.reports / "index.html").read_text("utf-8")


@pytest.mark.usefixtures("filled")
def test_no_secret_is_written_anywhere(far):
    secret = os.environ["AWS_SECRET_ACCESS_KEY"].encode()
    here = [file for file in far.here.rglob("*") if file.is_file()]
    there = [far.root / item.path for item in objects.listed(far.root)]
    assert here
    assert there
    assert [file for file in [*here, *there] if secret in file.read_bytes()] == []
