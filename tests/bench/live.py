"""How many events a second `lakehouse stream` sustains with gold at most ten seconds behind.

Files appear in landing at a steady pace. The rate is raised step by step until gold falls behind, the edge
looked for by halves, and the best rate held; a file's lag is from its appearance until all four tables of
gold show its events, as delta-rs reads them.
"""

from __future__ import annotations

import shutil
import signal
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from conf.home import Home
from tests.bench import history, lakes
from tests.bench.feed import Feeder, Shown, lags
from tests.bench.part import ROOT, Row, command, keep, options, say

BEHIND_S = 10.0
WARM_S, STEP_S, HOLD_S = 240, 45, 120
"""A stream goes on for weeks; of its first minutes Java spends a third on making code fast."""

FIRST_RATE, FACTOR, HALVES, LESS = 1000, 2.0, 3, 0.85
HOURS = 24
DRAINED_S = 300.0


@dataclass(frozen=True)
class Held:
    """What came of one rate: the lag of every file."""

    rate: int
    seconds: list[float]

    @property
    def kept_up(self) -> bool:
        """Whether gold was never further behind than it may be."""
        return max(self.seconds) <= BEHIND_S

    def __str__(self) -> str:
        """In a few words."""
        worst, middle = max(self.seconds), statistics.median(self.seconds)
        return f"{self.rate:,} events/s: worst lag {worst:.1f} s, median {middle:.1f} s"


@contextmanager
def streaming(home: Home, log: Path, interval: str) -> Iterator[None]:
    """`lakehouse stream` at work on the home."""
    words: list[str | Path] = [
        sys.executable,
        ROOT / "lakehouse.py",
        "stream",
        "--interval",
        interval,
        "--home",
        home.root,
    ]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as said:
        process = subprocess.Popen(words, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def hold(feeder: Feeder, shown: Shown, rate: int, seconds: int) -> Held:
    """Deliver at the rate for so long, and wait until gold shows all of it."""
    delivered = feeder.deliver(rate, seconds)
    shown.wait_for(feeder.total, DRAINED_S)
    held = Held(rate, lags(delivered, shown.moments))
    say(str(held))
    return held


def highest(feeder: Feeder, shown: Shown, first: int, step: int) -> int:
    """The highest rate found at which gold keeps up for a step."""
    rate, good = first, 0
    while hold(feeder, shown, rate, step).kept_up:
        good, rate = rate, round(rate * FACTOR)
    bad = rate
    for _ in range(HALVES):
        middle = (good + bad) // 2
        if hold(feeder, shown, middle, step).kept_up:
            good = middle
        else:
            bad = middle
    return good


def sustained(feeder: Feeder, shown: Shown, rate: int, seconds: int) -> Held:
    """The rate held for longer; a little less of it when that is too much."""
    while not (held := hold(feeder, shown, rate, seconds)).kept_up:
        rate = round(rate * LESS)
    return held


def main() -> None:
    """Find the rate, hold it, and print."""
    parser = options("live", "Events a second with gold at most ten seconds behind.")
    parser.add_argument("--interval", default="1s")
    parser.add_argument("--hours", type=int, default=HOURS, help="of history there already")
    parser.add_argument("--events", type=int, default=lakes.HOUR_EVENTS, help="an hour of that history")
    parser.add_argument("--rate", type=int, default=FIRST_RATE, help="to begin with, events a second")
    parser.add_argument("--warm", type=int, default=WARM_S, help="seconds before anything is measured")
    parser.add_argument("--step", type=int, default=STEP_S, help="seconds")
    parser.add_argument("--hold", type=int, default=HOLD_S, help="seconds")
    given = parser.parse_args()
    folder: Path = given.folder.absolute()
    made = lakes.made(folder, given.hours, given.events)
    home = history.copied(made, Home(folder / "live"), given.hours)
    feeder, shown = Feeder(home, folder / "live-feed"), Shown(home)
    shown.look()
    with streaming(home, folder / "logs" / "live.log", given.interval):
        watching = threading.Thread(target=shown.watch, daemon=True)
        watching.start()
        say(f"the stream starts; its first {given.warm} s are not measured")
        hold(feeder, shown, given.rate, given.warm)
        best = highest(feeder, shown, given.rate, given.step)
        if not best:
            raise SystemExit(f"Gold does not keep up with {given.rate:,} events/s. Give a lower --rate.")
        held = sustained(feeder, shown, best, given.hold)
        shown.stop()
    shutil.rmtree(feeder.place)
    what = f"sustained for {given.hold} s by `stream --interval {given.interval}`, a file a second"
    words = command("live", interval=given.interval, hours=given.hours, events=given.events)
    keep(folder, "live", [Row(what, f"gold ≤ {BEHIND_S:g} s behind", str(held), words)])


if __name__ == "__main__":
    main()
