"""Rounds of work: how often, what a failure does to them, and how a signal ends them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from conf import options, rounds
from conf.errors import EditedError, LakehouseError, PassingError, UsageError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("500ms", 0.5), ("5m", 5 * 60), ("1h", 3600), ("7", 7), ("0.5s", 0.5), ("24h", 86400)],
)
def test_an_interval(text, seconds):
    assert options.interval(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "-1s", "s", "1 s", "1d", "1e3s", "nan", "inf", "25h", "٣s", "1s\n", "30S"]
)
def test_no_interval(text):
    with pytest.raises(typer.BadParameter, match="write it like 30s, 500ms or 5m"):
        options.interval(text)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(rounds, "BACK_OFF_S", 0.01)


def script(stop, *outcomes, left=None):
    """Work that ends, one call after the other, as told; the last call asks to end."""
    left = [] if left is None else left
    left += outcomes

    def work():
        outcome = left.pop(0)
        if not left:
            stop.signal = signal.SIGTERM
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return work


@pytest.mark.usefixtures("quick")
def test_a_passing_failure_is_tried_again():
    stop = rounds.Stop()
    left: list[object] = []
    passing = PassingError("the brokers are away"), EditedError("a half-saved suite"), ValueError("odd")
    work = script(stop, *passing, False, False, left=left)
    rounds.repeat(work, 0.01, stop)
    assert left == []


@pytest.mark.parametrize("wrong", [UsageError("no such topic"), LakehouseError("older copy")])
def test_a_mistake_ends_it(wrong):
    with pytest.raises(LakehouseError, match=str(wrong)):
        rounds.repeat(script(rounds.Stop(), wrong, False), 0.01, rounds.Stop())


@pytest.mark.usefixtures("quick")
def test_five_failures_in_a_row_end_it():
    stop = rounds.Stop()
    four = [PassingError("away")] * 4
    work = script(stop, *four, False, *four, PassingError("the fifth"), False)
    with pytest.raises(PassingError, match="the fifth"):
        rounds.repeat(work, 0.01, stop)


def test_a_lost_java_is_not_tried_again():
    work = script(rounds.Stop(), ValueError("first"), ValueError("second"))
    with pytest.raises(ValueError, match="first"):
        rounds.repeat(work, 0.01, rounds.Stop(), lambda: True)


def test_what_fails_while_ending_is_no_failure():
    stop = rounds.Stop()
    rounds.repeat(script(stop, ValueError("its Java was ended, too")), 0.01, stop)


def test_more_to_do_does_not_wait():
    stop = rounds.Stop()
    started = time.monotonic()
    rounds.repeat(script(stop, True, True, False), 60, stop)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_waiting(number):
    """The handlers of before are in place afterwards: pytest's own among them."""

    def work():
        os.kill(os.getpid(), number)
        return False

    before = signal.getsignal(number)
    with rounds.ended_by_signal() as stop:
        rounds.repeat(work, 60, stop)
    assert stop.signal == number
    assert signal.getsignal(number) == before


def test_work_that_does_not_finish_is_interrupted():
    def endless():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
        return False

    started = time.monotonic()
    with rounds.ended_by_signal(finish=0.2) as stop:
        rounds.repeat(endless, 60, stop)
    assert time.monotonic() - started < 10


STUCK = """
import os, signal, sys, time
from conf import rounds
with rounds.ended_by_signal(finish=60, at_most=float(sys.argv[1])) as stop:
    print("up", flush=True)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        time.sleep(0.1)
"""


@pytest.mark.parametrize(("at_most", "signals", "status"), [(0.3, 1, 0), (60, 2, 128 + signal.SIGTERM)])
def test_the_process_ends_whatever_it_waits_for(at_most, signals, status):
    """After its time is up, or with a second signal."""
    stuck = subprocess.Popen(
        [sys.executable, "-c", STUCK, str(at_most)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with stuck:
        assert stuck.stdout is not None
        assert stuck.stdout.readline() == "up\n"
        for _ in range(signals):
            stuck.send_signal(signal.SIGTERM)
            time.sleep(0.2)
        assert stuck.wait(30) == status
