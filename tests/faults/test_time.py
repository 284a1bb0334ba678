"""The zone of the machine, of Python and of Java changes no number, on nights when clocks change either."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.faults.arrival import deliver
from tests.faults.drawn import delivery
from tests.faults.oracle import expected
from tests.faults.processes import ended
from tests.faults.reading import state
from tests.faults.small import ENVIRONMENT

ZONES = ("America/New_York", "Asia/Kolkata", "Pacific/Kiritimati")
REPEATED, SKIPPED = datetime(2025, 11, 2, 6, tzinfo=UTC), datetime(2026, 3, 8, 7, tzinfo=UTC)
"""When New York's clocks went back from 2 to 1 o'clock, and forward from 2 to 3."""
MIDNIGHTS = [
    datetime(2026, 3, 2, hour, minute, tzinfo=UTC) for hour, minute in ((0, 0), (5, 0), (10, 0), (18, 30))
]
"""When a day begins in UTC, New York, Kiritimati and Kolkata."""
FIRST_SECOND = datetime(2000, 1, 1, tzinfo=UTC)

JAVA = "-Duser.timezone={zone} " + ENVIRONMENT["JDK_JAVA_OPTIONS"]
WAYS = {
    "environment": lambda zone: ((), {"TZ": zone}),
    "java": lambda zone: ((), {"JDK_JAVA_OPTIONS": JAVA.format(zone=zone)}),
    "java-tool": lambda zone: ((), {"JAVA_TOOL_OPTIONS": f"-Duser.timezone={zone}"}),
    "machine": lambda zone: (_machine(zone), {}),
    "all": lambda zone: (
        _machine(zone) if _may_mount() else (),
        {
            "TZ": zone,
            "JDK_JAVA_OPTIONS": JAVA.format(zone=zone),
            "JAVA_TOOL_OPTIONS": f"-Duser.timezone={zone}",
        },
    ),
}


def _machine(zone: str) -> tuple[str, ...]:
    """What a command is put behind to find a machine set to that zone."""
    script = f'mount --bind /usr/share/zoneinfo/{zone} /etc/localtime && exec "$@"'
    return ("unshare", "--mount", "sh", "-c", script, "sh")


def _may_mount() -> bool:
    is_there = all(Path(file).exists() for file in ("/etc/localtime", f"/usr/share/zoneinfo/{ZONES[0]}"))
    tried = [*_machine(ZONES[0]), "true"]
    return is_there and subprocess.run(tried, capture_output=True, check=False).returncode == 0


def _seconds(drawn: random.Random) -> list[int]:
    """Around each moment by seconds, and through the hours beside it."""
    moments = [int(moment.timestamp()) for moment in (REPEATED, SKIPPED, *MIDNIGHTS)]
    near = [moment + by for moment in moments for by in (-3600, -1, 0, 1, 3599, 3600)]
    spread = [moment + drawn.randrange(-7200, 7200) for moment in moments for _ in range(40)]
    return [*near, *spread, int(FIRST_SECOND.timestamp()), int(FIRST_SECOND.timestamp()) - 1]


@pytest.mark.parametrize(
    ("zone", "way"),
    [
        pytest.param(zone, way, marks=() if (zone, way) == (ZONES[2], "all") else pytest.mark.faults)
        for zone, way in itertools.product(ZONES, WAYS)
    ],
)
def test_no_zone_changes_a_number(home, zone, way):
    seed = f"{zone} {way}"
    print(f"seed {seed!r}")
    drawn = random.Random(seed)
    if way == "machine" and not _may_mount():
        pytest.skip("this user may not mount, so the machine's own zone cannot be changed for a process")
    batch = deliver(home, {"nights.jsonl": delivery(drawn, _seconds(drawn))})
    before, environment = WAYS[way](zone)
    said = ended(home, "run", "--json", before=before, **environment)
    assert said.status == 0, said.err
    assert state(home).differs(expected([batch], int(time.time()))) == {}


@pytest.mark.faults
@pytest.mark.parametrize("zone", ZONES)
def test_no_zone_changes_what_a_query_shows(home, zone):
    print(f"seed {zone!r}")
    drawn = random.Random(zone)
    batch = deliver(home, {"nights.jsonl": delivery(drawn, _seconds(drawn))})
    before, environment = WAYS["all"](zone)
    assert ended(home, "run", before=before, **environment).status == 0
    at = "date_format(hour, 'yyyy-MM-dd HH:mm') AS at"
    query = f"SELECT {at}, sum(views) AS views FROM gold.page_hourly GROUP BY 1"
    asked = ended(home, "sql", query, "--json", before=before, **environment)
    assert asked.status == 0, asked.err
    views: dict[str, int] = {}
    for _, hour, counted, _, _ in expected([batch], int(time.time())).page_hourly:
        views[f"{hour:%Y-%m-%d %H:%M}"] = views.get(f"{hour:%Y-%m-%d %H:%M}", 0) + counted
    assert {row["at"]: row["views"] for row in json.loads(asked.out)} == views
