"""Every part of the benchmark, one after the other, and one table of all they came to: `make bench`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.bench import backlog
from tests.bench.lakes import HOUR_EVENTS
from tests.bench.part import ROOT, kept, machine, options, say, table

GROWTH = (0.1, 0.3, 1, 3)
"""Sizes of a batch, as a share of the backlog's."""


def parts(events: int, rounds: int, before: str, hour_events: int) -> dict[str, list[str]]:
    """What each part is told, in the order in which they run: storage weighs what the backlog left."""
    sizes = ",".join(str(round(events * share)) for share in GROWTH)
    hour = ["--events", str(hour_events)]
    return {
        "backlog": ["--events", str(events), "--rounds", str(rounds), "--before", before],
        "storage": [],
        "hour": hour,
        "live": hour,
        "growth": ["--events", sizes],
    }


def main() -> None:
    """Run the parts; one that fails is told at the end, and keeps none of the others from running."""
    parser = options("", "All of the benchmark.")
    parser.add_argument("--events", type=int, default=backlog.EVENTS, help="of the backlog")
    parser.add_argument("--rounds", type=int, default=backlog.ROUNDS)
    parser.add_argument(
        "--before", default=backlog.LAST, help="a commit of ours to compare with; empty: none"
    )
    parser.add_argument("--hour-events", type=int, default=HOUR_EVENTS, help="of an hour")
    given = parser.parse_args()
    folder: Path = given.folder.absolute()
    failed, rows = [], []
    for part, more in parts(given.events, given.rounds, given.before, given.hour_events).items():
        say(f"{part} begins")
        words: list[str | Path] = [sys.executable, "-m", f"tests.bench.{part}", folder, *more]
        if subprocess.run(words, cwd=ROOT, check=False).returncode:
            failed.append(part)
        else:
            rows += kept(folder, part)
    print(f"\n{table(rows)}\n\n{machine()}")
    if failed:
        raise SystemExit(f"These parts failed: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
