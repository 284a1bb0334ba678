"""Java of a writer that is gone is ended before the next one reads; nobody else's ever is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from conf import claim, leftovers
from conf.home import Home

SLEEPING = "import time; print('up', flush=True); time.sleep(60)"


@pytest.fixture
def java() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a process with the words a JVM would have."""
    started = []

    def start(*words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", SLEEPING, *words], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def of(home: Home, writer: int) -> list[str]:
    return [f"-Djava.io.tmpdir={home.scratch}", f"-Dlakehouse.writer={writer}"]


def test_java_of_a_writer_that_is_gone_is_ended(home, java, gone):
    left = java(*of(home, gone))
    with claim.held(home, "run", "r1"):
        assert left.poll() is not None


def test_it_is_found_by_another_name_of_the_same_home(home, java, gone, tmp_path):
    (tmp_path / "link").symlink_to(home.root)
    left = java(*of(Home(tmp_path / "link"), gone))
    leftovers.end(home)
    assert left.poll() is not None


def test_stopped_java_is_ended_too(home, java, gone):
    left = java(*of(home, gone))
    psutil.Process(left.pid).suspend()
    leftovers.end(home)
    assert left.poll() is not None


def test_java_of_a_writer_that_ended_without_being_waited_for_is_ended(home, java):
    """Whoever started the writer may never ask how it ended: the system then keeps its number."""
    with subprocess.Popen([sys.executable, "-c", ""]) as zombie:
        until = time.monotonic() + 20
        while psutil.Process(zombie.pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < until
            time.sleep(0.01)
        left = java(*of(home, zombie.pid))
        leftovers.end(home)
        assert left.poll() is not None


def test_java_of_others_goes_on(home, java, gone, tmp_path):
    others = [
        java(*of(home, os.getpid())),
        java(*of(Home(tmp_path / "another"), gone)),
        java(f"-Djava.io.tmpdir={home.scratch}"),
        java(f"-Dlakehouse.writer={gone}"),
        java(f"spark.driver.extraJavaOptions={' '.join(of(home, gone))}"),
    ]
    leftovers.end(home)
    assert [process.poll() for process in others] == [None] * len(others)


def test_a_number_that_another_process_has_now_is_no_writer():
    ours = psutil.Process()
    assert leftovers.is_alive(os.getpid(), ours.create_time())
    assert not leftovers.is_alive(os.getpid(), ours.create_time() - 5)


def test_the_marks_are_what_is_looked_for(home, java, gone, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: gone)
    left = java(*leftovers.marks(home.scratch))
    monkeypatch.undo()
    leftovers.end(home)
    assert left.poll() is not None
