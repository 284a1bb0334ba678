"""Killed at a few points, each time in another way, and run once more: as if nothing had happened.

`python -m tests.faults.kills` is the rest of it.
"""

from __future__ import annotations

import shutil

import pytest

from conf.home import Home
from tests.faults import chains, kills
from tests.faults.chains import Chain, Kill
from tests.faults.failpoints import GROUP, JVM, STOPPED
from tests.faults.kills import Done


@pytest.mark.timeout(3600)
def test_killed_at_three_points(lake, tmp_path):
    home = Home(tmp_path / "chain")
    home.root.mkdir()
    shutil.move(lake.warehouse, home.warehouse)
    chain = Chain("three", home)
    chain.deliver()
    points = {
        "after bronze.deliveries": JVM,
        "within silver.events": STOPPED,
        "before gold.page_daily": GROUP,
    }
    chains.kill_at_points(chain, dict(points))
    assert {kill.point: kill.kind for kill in chain.kills} == points
    chain.check()


def test_the_table_tells_trials_and_failures_by_point():
    killed = [vars(Kill("group", "before gold.page_daily"))] * 2
    done = [Done("named-1-1", killed), Done("named-1-2", killed, "lost"), Done("random-1-1")]
    lines = [line.split() for line in kills.table(done).splitlines()]
    assert lines[1:] == [
        ["named", "group", "before", "gold.page_daily", "4", "2"],
        ["named", "all", "4", "2"],
        ["random", "all", "0", "0"],
        ["verbs", "all", "0", "0"],
        ["created", "all", "0", "0"],
        ["maintained", "all", "0", "0"],
        ["named-1-2:", "lost"],
    ]
