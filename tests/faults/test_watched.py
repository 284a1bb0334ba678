"""Every verb as a process of its own, with secrets in its environment and hostile deliveries, where there is
no network: all of them work, what came in comes out, no secret is written down, and nothing listens or
connects beyond this machine.

A network namespace of its own keeps every connection from leaving, and shows that none is needed. Beside that
the sockets of every process of the tree are looked at ten times a second.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections import defaultdict
from dataclasses import dataclass, field

import pytest

from conf.home import Home
from tests.faults import hostile, oracle, reading
from tests.faults.arrival import deliver
from tests.faults.canaries import CANARIES, NO_BROKER, NO_STORAGE, SIGNS, found, written
from tests.faults.in_process import latest
from tests.faults.mutator import FIRST
from tests.faults.processes import Ended, Started, started
from tests.faults.sockets import WITHOUT_NETWORK, Sockets, isolation
from tests.faults.test_hostile import assert_pages_only_show, carried_out

pytestmark = [pytest.mark.faults, pytest.mark.timeout(2400)]

QUERY = "SELECT placement_id, views, clicks FROM gold.placement_daily ORDER BY placement_id"
HOURS = ("--from", "2026-03-01T00:00:00Z", "--to", "2026-03-01T03:00:00Z")

BATCHES = [
    hostile.deliveries(hostile.TEXTS, hostile.NAMES),
    {f"later {name}": content for name, content in hostile.deliveries(hostile.TEXTS[:40], ["s.csv"]).items()},
]


def refused_lines() -> bytes:
    """A batch that a gate keeps back, so that the webhook is asked for."""
    line = {"timestamp": FIRST, "event_type": 0, "banner_id": "b", "placement_id": "p", "page_id": "g"}
    return b"\n".join(json.dumps(line | {"n": number}).encode() for number in range(1_000))


@dataclass(frozen=True)
class House:
    """A lakehouse after every verb, what each of them said, and the sockets it had."""

    home: Home
    verbs: dict[str, Ended] = field(default_factory=dict)
    sockets: dict[str, Sockets] = field(default_factory=lambda: defaultdict(Sockets))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Every verb, the failing ones too, one after the other."""
    home = Home(tmp_path_factory.mktemp("watched") / "home")
    home.landing.mkdir(parents=True)
    # What a text would have the shell make, it would make where the program works.
    before, held = ("env", "-C", str(home.root.parent), *isolation()), House(home)

    def watch(name: str, verb: Started, *, said: str = "") -> None:
        """Until it has ended, or said that."""
        held.sockets[name].watch(
            verb.process.pid, lambda: verb.is_over or (said != "" and verb.has_said(said))
        )

    def done(name: str, *words: str, **environment: str) -> None:
        with started(home, *words, before=before, **(CANARIES | environment)) as verb:
            watch(name, verb)
            held.verbs[name] = verb.ended()
        print(name, held.verbs[name].status, held.verbs[name].err[-2000:])

    deliver(home, BATCHES[0])
    done("run", "run")
    deliver(home, BATCHES[1])
    with started(home, "stream", "--interval", "1s", before=before, **CANARIES) as stream:
        watch("stream", stream, said="nothing new")
        assert not stream.is_over, stream.ended().err
        stream.end(signal.SIGTERM, alone=True)
        watch("stream", stream)
        held.verbs["stream"] = stream.ended()
    done("nothing new", "run", "--json")
    done("history", "history")
    done("history of a table", "history", "gold.placement_daily", "--json")
    done("report", "report")
    done("sql", "sql", QUERY, "--json")
    done("reprocess, dry", "reprocess", *HOURS, "--dry-run")
    done("reprocess", "reprocess", *HOURS)
    done("reprocess, quarantine", "reprocess", "--quarantine")
    done("verify", "verify")
    done("maintain", "maintain")
    done("wrong query", "sql", "SELECT '; DROP TABLE gold.placement_daily; --")
    done("no broker", "run", **NO_BROKER)
    done("no storage", "run", "--home", NO_STORAGE["LAKEHOUSE_HOME"], **NO_STORAGE)
    done("wrong webhook", "run", LAKEHOUSE_WEBHOOK_URL=f"no address {SIGNS[0]}")
    done("wrong secret", "run", LAKEHOUSE_KAFKA_PASSWROD=SIGNS[1])
    deliver(home, {"refused.jsonl": refused_lines()})
    done("refused", "run")
    done("another report", "report")
    return held


def test_each_verb_ends_as_it_should(house):
    fails = {
        "wrong query": 1,
        "no broker": 1,
        "no storage": 1,
        "wrong webhook": 2,
        "wrong secret": 2,
        "refused": 3,
    }
    expected = {name: fails.get(name, 0) for name in house.verbs}
    assert {name: ended.status for name, ended in house.verbs.items()} == expected


def test_what_came_in_comes_out(house):
    assert reading.state(house.home).differs(oracle.expected(BATCHES, latest(house.home))) == {}
    told = json.loads(house.verbs["sql"].out)
    assert sorted(row["placement_id"] for row in told) == sorted(hostile.TEXTS)


def test_nothing_in_it_is_carried_out(house):
    assert_pages_only_show(house.home.reports)
    assert carried_out(house.home.root.parent) == []


def test_no_secret_is_written_down_or_said(house):
    suffixes = {file.suffix for file in house.home.root.rglob("*")}
    assert suffixes >= {".parquet", ".json", ".jsonl", ".log", ".html", ".prom"}
    assert found(written(house.home)) == []
    assert found((name, ended.out + ended.err) for name, ended in house.verbs.items()) == []


def test_nothing_listens_or_connects_beyond_this_machine(house):
    seen = {name: sockets.beyond_loopback() for name, sockets in house.sockets.items()}
    assert {name: places for name, places in seen.items() if places} == {}
    # A look that sees nothing at all would show nothing: each Java process talks to its Python by a socket.
    assert all(house.sockets[name].listening for name in ("run", "stream", "reprocess", "verify"))
    assert all(house.sockets[name].connected for name in ("run", "stream", "reprocess", "verify"))


def test_it_ran_where_there_is_no_network(house):
    if not isolation():
        pytest.skip(
            "this machine does not let a user make a network namespace: the verbs ran with its network"
        )
    probe = "import socket; socket.create_connection(('192.0.2.1', 80), 5)"
    command = [*WITHOUT_NETWORK, "/usr/bin/env", "python3", "-c", probe]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Network is unreachable" in tried.stderr
    assert house.verbs["run"].status == 0
