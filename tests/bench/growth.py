"""Ever larger batches with one size of heap: seconds, memory, what was spilled, disk."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from conf.home import Home
from tests.bench import answers, contestants, deliveries, measured
from tests.bench.measured import Measured
from tests.bench.part import ROOT, Row, command, keep, options, say

EVENTS, MEMORY = "1000000,3000000,10000000,30000000", "4g"
LOGGED = {"spark.eventLog.enabled": "true", "spark.eventLog.compress": "false"}


@dataclass(frozen=True)
class Grown:
    """One batch: what it took, what its tables hold on disk, and what its tasks spilled there."""

    events: int
    took: Measured
    disk_bytes: int
    spilled_bytes: int


def run(folder: Path, events: int, memory: str) -> Grown:
    """Take so many events as one batch, and check gold."""
    delivered = deliveries.kept(folder, events)
    home = deliveries.linked(delivered, Home(folder / "growth" / str(events)))
    deliveries.warm(delivered)
    ours = contestants.everyone(folder, "", strict=False)[contestants.OURS]
    words = [sys.executable, ROOT / "lakehouse.py", "run", "--home", home.root]
    log = folder / "growth" / f"{events}-events"
    shutil.rmtree(log, ignore_errors=True)
    log.mkdir()
    environment = contestants.environment(ours) | {
        "LAKEHOUSE_DRIVER_MEMORY": memory,
        "LAKEHOUSE_SPARK": json.dumps(LOGGED | {"spark.eventLog.dir": log.as_uri()}),
    }
    took = measured.run(words, folder / "logs" / f"growth-{events}.log", ROOT, environment)
    answers.check(answers.in_delta(home.warehouse / "gold"), answers.key(delivered))
    disk = sum(file.stat().st_size for file in home.warehouse.rglob("*") if file.is_file())
    shutil.rmtree(home.root)
    return Grown(events, took, disk, spilled(log))


def spilled(log: Path) -> int:
    """Bytes that tasks wrote to disk for want of memory, by Spark's event log."""
    total = 0
    for file in log.rglob("*"):
        if not file.is_file():
            continue
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                if '"SparkListenerTaskEnd"' in line:
                    total += json.loads(line).get("Task Metrics", {}).get("Disk Bytes Spilled", 0)
    return total


def told(grown: list[Grown], memory: str, words: str) -> list[Row]:
    """A row for each size, beside the one before."""
    rows = []
    for before, one in pairwise([None, *grown]):
        assert one is not None
        times = one.took.seconds / before.took.seconds if before else 1.0
        more = one.events / before.events if before else 1.0
        beside = f", {times:.2f} × for {more:g} × the events" if before else ""
        rows.append(
            Row(
                f"{one.events:,} events in one batch, {memory} heap",
                f"≤ {more:g} ×" if before else "",
                f"{one.took.seconds:.1f} s{beside}; {one.took.peak_bytes / 1e9:.1f} GB of memory, "
                f"{one.spilled_bytes / 1e9:.2f} GB spilled, {one.disk_bytes / 1e9:.2f} GB on disk",
                words,
            )
        )
    return rows


def main() -> None:
    """Measure each size once, and print."""
    parser = options("growth", "Ever larger batches.")
    parser.add_argument("--events", default=EVENTS, help="sizes, with commas between them")
    parser.add_argument("--memory", default=MEMORY)
    given = parser.parse_args()
    folder: Path = given.folder.absolute()
    (folder / "growth").mkdir(parents=True, exist_ok=True)
    grown = []
    for events in sorted(int(each) for each in given.events.split(",")):
        grown.append(run(folder, events, given.memory))
        say(f"{events:,} events: {grown[-1].took.seconds:.1f} s")
    words = command("growth", events=given.events, memory=given.memory)
    keep(folder, "growth", told(grown, given.memory, words))


if __name__ == "__main__":
    main()
