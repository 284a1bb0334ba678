"""Chains of kills: a lakehouse is killed, started again and killed again, until one plain run mends it all.

Then its tables are what the oracle says, and one more run commits nothing. A chain is told by its seed.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from conf import warehouse
from conf.home import Home
from conf.tables import SILVER_EVENTS
from tests.faults import reading
from tests.faults.arrival import deliver
from tests.faults.deliveries import LATEST, batch
from tests.faults.failpoints import GROUP, JVM, KINDS, MOMENTS, PYTHON, STOPPED
from tests.faults.oracle import expected
from tests.faults.small import ENVIRONMENT

CHECKOUT = Path(__file__).parents[2]
LONGEST_S = 1800
"""A run that takes longer hangs; on a busy machine one takes minutes."""

SMALL = {**ENVIRONMENT, "PYTHONPATH": str(CHECKOUT)}


class BrokenPromiseError(Exception):
    """What was promised and is not so."""


@dataclass(frozen=True)
class Kill:
    """One kill that happened: where, and whom it ended."""

    kind: str
    point: str
    python: int = 0
    java: int = 0


@dataclass
class Chain:
    """The kills of one lakehouse."""

    seed: str
    home: Home
    kills: list[Kill] = field(default_factory=list)
    batches: int = 0
    full_run_s: float = 20.0
    stopped: set[int] = field(default_factory=set)

    @property
    def said(self) -> Path:
        """What the program said, run by run."""
        return self.home.root.with_suffix(".out")

    @property
    def log(self) -> Path:
        """Where a kill is noted before it happens."""
        return self.home.root.with_suffix(".kills")

    def deliver(self) -> None:
        """The next batch arrives."""
        self.batches += 1
        deliver(self.home, batch(self.batches))

    def start(self, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        """The program, in a process group of its own."""
        with self.said.open("ab") as said:
            said.write(f"--- {words} {environment}\n".encode())
            said.flush()
            program = [sys.executable, "-m", "tests.faults.failpoints"]
            return subprocess.Popen(
                [*program, *(words or ("run",)), "--home", str(self.home.root)],
                env={**os.environ, **SMALL, **environment, "FAULT_LOG": str(self.log)},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                process_group=0,
            )

    def plain(self, **environment: str) -> None:
        """A run that nobody kills."""
        status = ended(self.start(**environment))
        self.check_stopped()
        if status != 0:
            raise BrokenPromiseError(f"a plain run ended with {status}")

    def check(self) -> None:
        """The promise, once nothing is killed any more."""
        self.plain()
        arrived = [batch(number) for number in range(1, self.batches + 1)]
        if found := reading.state(self.home).differs(expected(arrived, LATEST)):
            raise BrokenPromiseError(f"by table, the rows that only the lakehouse or the oracle has: {found}")
        if rows := reading.unbalanced(self.home):
            raise BrokenPromiseError(f"the ledger does not balance: {rows}")
        before = reading.versions(self.home)
        self.plain()
        if (after := reading.versions(self.home)) != before:
            raise BrokenPromiseError(f"a run with nothing new committed: {before} became {after}")

    def check_stopped(self) -> None:
        """Java that was held still while its Python was killed is ended by the next writer; else it is woken
        and works on.
        """
        left = [java for java in self.stopped if psutil.pid_exists(java)]
        self.stopped.clear()
        for java in left:
            if psutil.Process(java).status() != psutil.STATUS_ZOMBIE:
                os.kill(java, signal.SIGCONT)
                raise BrokenPromiseError(f"after {self.kills[-1]} the next writer worked beside its Java")

    def check_meanwhile(self) -> None:
        """What holds at any moment: no event stands twice in silver."""
        if warehouse.exists(self.home, SILVER_EVENTS):
            events = reading.rows(self.home, SILVER_EVENTS, SILVER_EVENTS.key)
            if len(set(events)) < len(events):
                raise BrokenPromiseError(f"after {self.kills[-1]} silver holds events twice")


def ended(process: subprocess.Popen[bytes]) -> int:
    """Its status, once it has ended."""
    try:
        return process.wait(LONGEST_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise BrokenPromiseError(f"it hung for {LONGEST_S} s") from None


def begun(seed: str, folder: Path, template: Home | None) -> Chain:
    """A chain on a lakehouse of its own: empty, or a copy of one that has taken batch 1."""
    home = Home(folder / f"chain {seed}")
    shutil.rmtree(home.root, ignore_errors=True)
    home.landing.mkdir(parents=True)
    for rest in (home.root.with_suffix(".out"), home.root.with_suffix(".kills")):
        rest.unlink(missing_ok=True)
    chain = Chain(seed, home)
    if template:
        shutil.copytree(template.warehouse, home.warehouse)
        chain.deliver()
    return chain


def named_points(chance: random.Random, commits: Sequence[str], share: float) -> dict[str, str]:
    """Some of the points at these commits, each with whom to kill there."""
    points = [f"{moment} {commit}" for commit in commits for moment in MOMENTS]
    kept = [point for point in points if chance.random() < share]
    return {point: chance.choice((*KINDS, STOPPED)) for point in kept}


def kill_at_points(chain: Chain, points: dict[str, str], *words: str) -> None:
    """Start the program, a run or what the words say, again and again, killed at each of the points it comes
    by, until it gets through.
    """
    while points:
        before = len(noted_kills(chain.log))
        status = ended(chain.start(*words, FAULT_POINTS=json.dumps(points)))
        chain.check_stopped()
        noted = noted_kills(chain.log)[before:]
        if not noted:
            if status != 0:
                raise BrokenPromiseError(f"nothing was killed, and it ended with {status}")
            return
        [kill] = noted
        if kill.kind != JVM and status != -signal.SIGKILL:
            raise BrokenPromiseError(f"{kill} was to end it, and it ended with {status}")
        del points[kill.point]
        chain.kills.append(kill)
        chain.stopped |= {kill.java} if kill.kind == STOPPED else set()
        chain.check_meanwhile()


def noted_kills(log: Path) -> list[Kill]:
    """The kills that the log shows."""
    lines = log.read_text("utf-8").splitlines() if log.exists() else []
    return [Kill(**json.loads(line)) for line in lines]


def kill_at_random(chain: Chain, chance: random.Random, kills: int) -> None:
    """Start the program again and again, killed at a random time, until it was killed so often; where it
    gets through before, the next batch arrives.
    """
    upto = len(chain.kills) + kills
    while len(chain.kills) < upto:
        process = chain.start()
        kind, wait = chance.choice(KINDS), chance.uniform(0, 1.1 * chain.full_run_s)
        holder, started = _wait_for_holder(chain.home, process), time.monotonic()
        try:
            process.wait(wait if holder else None)
        except subprocess.TimeoutExpired:
            _kill(chain, process, kind, chance)
            chain.check_meanwhile()
            # Where the machine is slow, or kills undo the work, none would ever come late.
            chain.full_run_s *= 1.2
            continue
        if process.returncode != 0:
            raise BrokenPromiseError(f"nothing was killed, and it ended with {process.returncode}")
        chain.full_run_s = time.monotonic() - started
        chain.deliver()


def _wait_for_holder(home: Home, process: subprocess.Popen[bytes]) -> bool:
    """Until it holds the lakehouse: what is killed before that has done nothing yet."""
    while process.poll() is None:
        if home.holder.exists() and f'"process": {process.pid},' in home.holder.read_text("utf-8"):
            return True
        time.sleep(0.02)
    return False


def _kill(chain: Chain, process: subprocess.Popen[bytes], kind: str, chance: random.Random) -> None:
    """Kill, and count it when the system says that it died of that."""
    java = [child for child in psutil.Process(process.pid).children(recursive=True) if child.name() == "java"]
    point = _stage(chain.home)
    if kind == JVM and not java:
        kind = chance.choice((GROUP, PYTHON))
    if kind == JVM:
        java[0].kill()
        died = ended(process) != 0
    else:
        (os.killpg if kind == GROUP else os.kill)(process.pid, signal.SIGKILL)
        died = ended(process) == -signal.SIGKILL
    if died:
        with chain.log.open("a") as log:
            log.write(json.dumps(asdict(happened := Kill(kind, point, process.pid))) + "\n")
        chain.kills.append(happened)


def _stage(home: Home) -> str:
    """What the newest run was doing, by its log."""
    newest = max(home.logs.glob("*Z-????.jsonl"), key=lambda log: log.stat().st_mtime_ns, default=None)
    lines = newest.read_text("utf-8").splitlines() if newest else []
    return f"in {json.loads(lines[-1])['layer']}" if lines else "in start"
