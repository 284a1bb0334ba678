"""A backlog from landing to gold, beside what people would use instead: `make bench` or this program alone.

Everyone reads the same files, in turn, on the same cores, each a process from its start to its end, and
must give the answers of the generator's key, row for row.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
from pathlib import Path

import polars as pl

from conf import warehouse
from conf.home import Home
from conf.tables import SILVER_LEDGER
from tests.bench import answers, contestants, deliveries, measured
from tests.bench.contestants import BEFORE, DUCKDB, OURS, SPARK, Contestant
from tests.bench.measured import Measured
from tests.bench.part import ROOT, Row, command, keep, markdown, options, say, spread

Rounds = dict[str, list[Measured]]
"""By contestant, what each round took it."""

TARGETS = {SPARK: 0.4, DUCKDB: 4.0}
"""What ours may take at most, as a share of that."""

LEDGER = ("delivered", "accepted", "duplicate", "quarantined")
TOTALS = ("delivered", "distinct_events", "duplicates", "malformed")
EVENTS, ROUNDS, LAST = 10_000_000, 3, "068aceb"


def home_of_ours(folder: Path) -> Home:
    """The lakehouse that the last round of ours left."""
    return Home(folder / "backlog" / OURS)


def turn(one: Contestant, delivered: Home, folder: Path) -> Measured:
    """Let one of them do it, from nothing, and check its answers."""
    place = folder / "backlog" / one.name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    words = one.words(delivered, place)
    deliveries.warm(delivered)
    log = folder / "logs" / f"backlog-{one.name}.log"
    took = measured.run(words, log, one.code, contestants.environment(one))
    answers.check(one.answers(place), answers.key(delivered))
    if one.name != OURS:
        shutil.rmtree(place)
    return took


def rounds(everyone: list[Contestant], delivered: Home, folder: Path, count: int) -> Rounds:
    """Everyone in turn, so many times."""
    took: Rounds = {one.name: [] for one in everyone}
    for number in range(1, count + 1):
        for one in everyone:
            took[one.name].append(turn(one, delivered, folder))
            last = took[one.name][-1]
            say(f"round {number}: {one.name} {last.seconds:.1f} s, {last.peak_bytes / 1e9:.1f} GB, right")
    return took


def verified(home: Home, delivered: Home, folder: Path) -> str:
    """That what is left of ours is right in itself; raises when it is not."""
    verify = [sys.executable, ROOT / "lakehouse.py", "verify", "--home", home.root]
    measured.run(verify, folder / "logs" / "backlog-verify.log", ROOT)
    ledger = pl.DataFrame(warehouse.state(home, SILVER_LEDGER).to_pyarrow_table())
    summed = ledger.select(LEDGER).sum().row(0)
    totals = json.loads((delivered.answers / "totals.json").read_text("utf-8"))
    should = tuple(totals[name] for name in TOTALS)
    if summed != should:
        raise answers.WrongAnswerError(f"ledger {summed}, generator {should} ({', '.join(LEDGER)})")
    said = ", ".join(f"{count:,} {name}" for name, count in zip(LEDGER, summed, strict=True))
    return f"`lakehouse verify` finds nothing; the ledger's sums are the generator's: {said}."


def ratios(took: Rounds, other: str) -> list[float]:
    """What ours took as a share of what the other took, round by round."""
    pairs = zip(took[OURS], took[other], strict=True)
    return [ours.seconds / theirs.seconds for ours, theirs in pairs]


def results(everyone: list[Contestant], took: Rounds) -> str:
    """Everyone's rounds as a Markdown table."""
    rows = [
        (
            one.what,
            spread([each.seconds for each in took[one.name]]),
            spread([each.processor_seconds for each in took[one.name]]),
            spread([each.peak_bytes / 1e9 for each in took[one.name]], " GB"),
            f"{statistics.median(ratios(took, one.name)):.2f}" if OURS in took else "",
        )
        for one in everyone
    ]
    columns = ("who", "from start to end", "processor time", "peak memory", "ours ÷ it")
    return markdown(columns, rows)


def told(everyone: list[Contestant], took: Rounds, events: int, words: str) -> list[Row]:
    """Ours against each of the others."""
    ours = spread([each.seconds for each in took[OURS]])
    return [
        Row(
            f"{events:,} events to gold, against {one.what}",
            f"≤ {TARGETS[one.name]:g} ×" if one.name in TARGETS else "",
            f"{spread(ratios(took, one.name), ' ×', 2)}: {ours} to "
            f"{spread([each.seconds for each in took[one.name]])}",
            words,
        )
        for one in everyone
        if one.name != OURS
    ]


def main() -> None:
    """Measure, and print who took how long."""
    parser = options("backlog", "Ours against plain Spark, DuckDB, Polars and ours as it was before.")
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--before", default=LAST, help="a commit of ours; empty: none")
    parser.add_argument("--only", default="", help="names, with commas between them")
    parser.add_argument("--strict", action="store_true", help="deliver every kind of malformed record")
    given = parser.parse_args()
    folder: Path = given.folder.absolute()
    delivered = deliveries.kept(folder, given.events, strict=given.strict)
    named = contestants.everyone(
        folder, "" if given.only and BEFORE not in given.only else given.before, strict=given.strict
    )
    everyone = [one for name, one in named.items() if not given.only or name in given.only.split(",")]
    took = rounds(everyone, delivered, folder, given.rounds)
    print(results(everyone, took))
    print(f"\nAll answers equal the generator's key, row for row. {deliveries.said(strict=given.strict)}")
    if OURS in took:
        say("verifying what ours left")
        print(verified(home_of_ours(folder), delivered, folder))
        words = command("backlog", events=given.events, rounds=given.rounds)
        keep(folder, "backlog", told(everyone, took, given.events, words))


if __name__ == "__main__":
    main()
