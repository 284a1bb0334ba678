"""Every chain of kills, side by side, and the table of what they showed: `python -m tests.faults.kills`.

A chain that is done has its line in <folder>/results.jsonl and is not run again: started anew, it goes on.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import shutil
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from conf.home import Home
from tests.faults import chains
from tests.faults.chains import CHECKOUT, BrokenPromiseError, Chain
from tests.faults.failpoints import COMMITS, CREATIONS, REPROCESS, UPKEEP

NAMED, RANDOM, VERBS, CREATED, MAINTAINED = ("named", "random", "verbs", "created", "maintained")
GOALS = {NAMED: 300, RANDOM: 200, VERBS: 40, CREATED: 40, MAINTAINED: 40}
"""How many kills of each sort."""

KILLS_IN_A_ROW = 25
SUITES = CHECKOUT / "conf" / "expectations"


@dataclass(frozen=True)
class Done:
    """One chain that is done; `failure` is empty when every promise held."""

    seed: str
    kills: list[dict[str, Any]] = field(default_factory=list)
    failure: str = ""

    @property
    def sort(self) -> str:
        """One of GOALS."""
        return sort_of(self.seed)


def sort_of(seed: str) -> str:
    """What a chain kills: runs at named points or at random times, other verbs, the making of the tables, or
    their upkeep.
    """
    return seed.split("-", maxsplit=1)[0]


def template(folder: Path) -> Home:
    """A lakehouse that has taken batch 1, made once."""
    made, home = folder / "template.made", Home(folder / "template")
    if not made.exists():
        chain = chains.begun("template", folder, None)
        chain.deliver()
        chain.check()
        shutil.rmtree(home.root, ignore_errors=True)
        chain.home.root.rename(home.root)
        made.touch()
    return home


def run(seed: str, folder: Path, of: Home) -> Done:
    """One chain, from its seed to its check; its folder stays where a promise was broken."""
    chance, sort = random.Random(seed), sort_of(seed)
    is_fresh = sort == CREATED or (sort in (NAMED, RANDOM) and chance.random() < 0.25)
    chain = chains.begun(seed, folder, None if is_fresh else of)
    failure = ""
    try:
        _kill(chain, chance, is_fresh=is_fresh)
        chain.check()
        shutil.rmtree(chain.home.root)
    except BrokenPromiseError as broken:
        failure = str(broken)
    except Exception:  # noqa: BLE001 - a trial that fails in any way is told with its seed
        failure = traceback.format_exc()
    return Done(seed, [asdict(kill) for kill in chain.kills], failure)


def _kill(chain: Chain, chance: random.Random, *, is_fresh: bool) -> None:
    chain.deliver()
    sort = sort_of(chain.seed)
    if sort == RANDOM:
        chains.kill_at_random(chain, chance, KILLS_IN_A_ROW)
    elif sort == VERBS:
        _kill_verbs(chain, chance)
    elif sort == CREATED:
        # At all of them, none would get as far as the end of most creations.
        chains.kill_at_points(chain, chains.named_points(chance, CREATIONS, chance.choice((0.2, 1))))
    elif sort == MAINTAINED:
        chain.plain()
        chains.kill_at_points(chain, chains.named_points(chance, UPKEEP, 1), "maintain")
    else:
        created = CREATIONS if is_fresh else ()
        points = chains.named_points(chance, created, 0.1) | chains.named_points(chance, COMMITS, 0.6)
        chains.kill_at_points(chain, points)
        chain.deliver()
        chains.kill_at_points(chain, chains.named_points(chance, COMMITS, 0.3))


def _kill_verbs(chain: Chain, chance: random.Random) -> None:
    """A batch is judged by a suite that refuses every click; a reprocess by the true one puts it right."""
    folder = chain.home.root / "suites"
    shutil.copytree(SUITES, folder)
    events = folder / "events.json"
    strict = events.read_text("utf-8").replace('"value_set": [0, 1]', '"value_set": [0]')
    events.write_text(strict, "utf-8")
    chain.plain(FAULT_SUITES=str(folder))
    hours = ("reprocess", "--from", "2026-03-01T00:00", "--to", "2026-03-04T00:00")
    chains.kill_at_points(chain, chains.named_points(chance, REPROCESS, 0.4), *hours)
    chains.kill_at_points(chain, chains.named_points(chance, UPKEEP, 0.15), "maintain")


def full(folder: Path, goals: dict[str, int], seed: int, side_by_side: int) -> list[Done]:
    """Chains until there are so many kills of each sort; those noted in the folder count."""
    folder.mkdir(parents=True, exist_ok=True)
    results, lock = folder / "results.jsonl", threading.Lock()
    done = read(results)
    of = template(folder)
    seeds = _seeds(seed, {one.seed for one in done})

    def is_wanted(sort: str) -> bool:
        return sum(len(one.kills) for one in done if one.sort == sort) < goals[sort]

    def following() -> str | None:
        with lock:
            is_over = not any(map(is_wanted, goals))
            return None if is_over else next(one for one in seeds if is_wanted(sort_of(one)))

    def work() -> None:
        while wanted := following():
            one = run(wanted, folder, of)
            with lock:
                done.append(one)
                with results.open("a") as file:
                    file.write(json.dumps(asdict(one)) + "\n")
                print(f"{one.seed}: {len(one.kills)} kills {one.failure[:300]}", flush=True)

    with ThreadPoolExecutor(side_by_side) as pool:
        for worker in [pool.submit(work) for _ in range(side_by_side)]:
            worker.result()
    return done


def _seeds(seed: int, done: set[str]) -> Iterator[str]:
    """Chains of every sort in turn, without those that are done."""
    for number in itertools.count(1):
        for sort in GOALS:
            if (one := f"{sort}-{seed}-{number}") not in done:
                yield one


def read(results: Path) -> list[Done]:
    """The chains that are done."""
    lines = results.read_text("utf-8").splitlines() if results.exists() else []
    return [Done(**json.loads(line)) for line in lines]


def table(done: list[Done]) -> str:
    """Kind of kill, point, trials, and failures: those of a chain whose promise was broken."""
    trials: Counter[tuple[str, ...]] = Counter()
    failures: Counter[tuple[str, ...]] = Counter()
    for one in done:
        for kill in one.kills:
            trials[one.sort, kill["kind"], kill["point"]] += 1
            failures[one.sort, kill["kind"], kill["point"]] += bool(one.failure)
    rows: list[tuple[str, ...]] = [("", "kind", "point", "trials", "failures")]
    rows += [(*where, str(count), str(failures[where])) for where, count in sorted(trials.items())]
    for sort in GOALS:
        of_sort = [where for where in trials if where[0] == sort]
        sums = (sum(counted[where] for where in of_sort) for counted in (trials, failures))
        rows.append((sort, "all", "", *map(str, sums)))
    told = [f"{one.seed}: {one.failure}" for one in done if one.failure]
    return "\n".join([f"{a:10} {b:19} {c:30} {d:>6} {e:>8}" for a, b, c, d, e in rows] + told)


def main() -> None:
    """Run what is wanted, and print the table."""
    wanted = argparse.ArgumentParser(description=__doc__)
    for sort, goal in GOALS.items():
        wanted.add_argument(f"--{sort}", type=int, default=goal)
    wanted.add_argument("--seed", type=int, default=1)
    wanted.add_argument("--side-by-side", type=int, default=2)
    wanted.add_argument("--folder", type=Path, default=CHECKOUT / "build" / "faults" / "kills")
    wanted.add_argument("--only", metavar="SEED", help="this chain alone, its folder kept where it fails")
    given = wanted.parse_args()
    print(f"seed {given.seed}, folder {given.folder}", flush=True)
    if given.only:
        print(table([run(given.only, given.folder, template(given.folder))]))
        return
    done = full(given.folder, {sort: getattr(given, sort) for sort in GOALS}, given.seed, given.side_by_side)
    print(table(done))
    sys.exit(any(one.failure for one in done))


if __name__ == "__main__":
    main()
