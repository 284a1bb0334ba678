"""One more hour on a month of history and on a day of it, and a late delivery: in seconds, and counted.

In one warm process, as a stream works. The lakehouses are written as their runs leave them, not run.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import timedelta
from functools import partial, reduce
from operator import add
from pathlib import Path

from pyspark.sql import SparkSession

from conf import session, settings, upkeep, warehouse
from conf.home import Home
from tests.bench import answers, counted, history, lakes, plain_duckdb, plain_spark
from tests.bench.counted import cost
from tests.bench.hour_told import ALL, HOUR, LATE, NOTHING, Turns, results, told
from tests.bench.lakes import Costs, Lake
from tests.bench.part import command, keep, options, say

HOURS, TURNS = "24,720", 5


def copies(folder: Path, hours: Sequence[int], events: int) -> list[Lake]:
    """A lakehouse to run on for each of the histories, the youngest first."""
    place = folder / "hour"
    shutil.rmtree(place, ignore_errors=True)
    return [
        Lake(history.copied(lakes.made(folder, each, events), Home(place / str(each)), each), each)
        for each in sorted(hours)
    ]


def maintained(spark: SparkSession, folder: Path, old: Lake, events: int) -> Lake:
    """The same as `old`, after `lakehouse maintain`."""
    place = Home(folder / "hour" / f"{old.hours}-maintained")
    home = history.copied(lakes.made(folder, old.hours, events), place, old.hours)
    for one in upkeep.maintain(spark, home, {}):
        say(f"maintain {one.table}: files {one.before.files} -> {one.after.files}")
    return Lake(home, old.hours, ", maintained")


def measured(spark: SparkSession, compared: list[Lake], events: int, turns: int) -> Turns:
    """Every lakehouse in turn; the first turn of each kind warms up and does not count."""
    costs: Turns = {}

    def note(lake: Lake, what: str, layers: Costs, turn: int) -> None:
        for layer, one in [*layers.items(), (ALL, reduce(add, layers.values()))]:
            if turn:
                costs.setdefault((lake.name, what, layer), []).append(one)
        say(f"turn {turn}: {lake.name}, {what} {reduce(add, layers.values()).seconds:.1f} s")

    for turn in range(turns + 1):
        hour = history.END + timedelta(hours=turn)
        delivery = lakes.hourly(hour, events)
        for lake in compared[:: -1 if turn % 2 else 1]:
            note(lake, HOUR, lakes.take(spark, lake, f"hour-{turn}.jsonl", delivery), turn)
            note(lake, NOTHING, {"": lakes.look(spark, lake)}, turn)
    for turn in range(turns + 1):
        for lake in compared[:: -1 if turn % 2 else 1]:
            delivery = lakes.late(lake.late_day, turn)
            note(lake, LATE, lakes.take(spark, lake, f"late-{turn}.jsonl", delivery), turn)
    return costs


def rereading(spark: SparkSession, folder: Path, events: int, turns: int) -> list[float]:
    """Seconds in which the plain job counts anew what one more hour touches, in the same warm session: from
    the JSON of the day before, which has late events, and of the hour.
    """
    landing, place = folder / "hour" / "day", folder / "hour" / "plain"
    landing.mkdir()
    for number in range(24):
        of_hour = history.happened(history.END - timedelta(hours=24 - number), events)
        (landing / f"{number:02}.jsonl").write_bytes(lakes.body(history.lines(of_hour)))
    (landing / "24.jsonl").write_bytes(lakes.hourly(history.END, events))
    seconds = []
    for turn in range(turns + 1):
        shutil.rmtree(place, ignore_errors=True)
        seconds.append(cost(spark, partial(plain_spark.write, spark, landing, place)).seconds)
        say(f"turn {turn}: plain Spark rereads the day, {seconds[-1]:.1f} s")
    control = folder / "hour" / "control"
    control.mkdir()
    plain_duckdb.main(landing, control)
    answers.check(answers.in_delta(place), answers.in_parquet(control))
    return seconds[1:]


def main() -> None:
    """Measure, check gold, and print."""
    parser = options("hour", "One more hour on a month of history and on a day of it.")
    parser.add_argument("--hours", default=HOURS, help="of history, with commas between them")
    parser.add_argument("--events", type=int, default=lakes.HOUR_EVENTS, help="an hour")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--maintain", action="store_true", help="the oldest once more, maintained")
    given = parser.parse_args()
    folder, hours = given.folder.absolute(), [int(each) for each in given.hours.split(",")]
    # delta-rs writes no in-commit timestamps; they do not change what a run reads.
    warehouse.BY_SPARK.pop("delta.enableInCommitTimestamps")
    compared = copies(folder, hours, given.events)
    spark = session.start(
        settings.load(spark=counted.KEPT), folder / "hour" / "scratch", folder / "logs" / "hour.log"
    )
    if given.maintain:
        compared.append(maintained(spark, folder, compared[-1], given.events))
    costs = measured(spark, compared, given.events, given.turns)
    reread = rereading(spark, folder, given.events, min(given.turns, 3))
    spark.stop()
    for lake in compared:
        lakes.check(lake)
    names = [lake.name for lake in compared]
    print(results(costs, names))
    print("\nMedians. Gold equals what Polars counts in silver, on every day that was touched.")
    words = command("hour", hours=given.hours, events=given.events)
    keep(folder, "hour", told(costs, names[: len(hours)], reread, given.events, words))


if __name__ == "__main__":
    main()
