"""Secrets in the environment of the program are in nothing it writes or says, whether it works or fails."""

from __future__ import annotations

import json

import pytest

from conf.errors import GATE_REFUSED, UNEXPECTED, USAGE
from tests.faults.arrival import deliver
from tests.faults.canaries import CANARIES, NO_BROKER, SIGNS, found, written
from tests.faults.mutator import FIRST

LINE = {"timestamp": FIRST, "event_type": 0, "banner_id": "b", "placement_id": "p", "page_id": "g"}


@pytest.fixture
def canaries(monkeypatch):
    """The secrets, set."""
    for name, value in CANARIES.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("shared_spark", "canaries")
def test_a_refused_run_and_its_report_hold_no_secret(lake, program):
    """The refusal asks for the webhook, which cannot be reached: that is told without its address."""
    lines = [json.dumps(LINE | ({"user_id": f"u{number}"} if number % 2 else {})) for number in range(1_000)]
    deliver(lake, {"half.jsonl": "\n".join(lines).encode()})
    refused = program("run", "--home", lake.root)
    assert refused.status == GATE_REFUSED
    assert "webhook" in refused.err
    accepted = program("run", "--accept-batch", "1", "--home", lake.root)
    report, history = (
        program("report", "--home", lake.root),
        program("history", "--json", "--home", lake.root),
    )
    assert [accepted.status, report.status, history.status] == [0, 0, 0]
    said = [(one.out[:20], one.out + one.err) for one in (refused, accepted, report, history)]
    assert found(said) == []
    assert len(list(lake.logs.glob("*.jsonl"))) == 2
    assert found(written(lake)) == []


@pytest.mark.parametrize(
    ("environment", "status"),
    [
        (NO_BROKER, UNEXPECTED),
        (NO_BROKER | {"LAKEHOUSE_KAFKA_MECHANISM": "PLAIN"}, UNEXPECTED),
        ({"LAKEHOUSE_WEBHOOK_URL": f"no address {SIGNS[0]}"}, USAGE),
        ({"LAKEHOUSE_WEBHOOK_URL": f"https://user:{SIGNS[0]}@a b/"}, USAGE),
        ({"LAKEHOUSE_KAFKA_PASSWROD": SIGNS[1]}, USAGE),
        (NO_BROKER | {"LAKEHOUSE_KAFKA_CA_FILE": "/none", "LAKEHOUSE_KAFKA_SECURITY": "SASL_SSL"}, USAGE),
    ],
)
@pytest.mark.usefixtures("canaries")
def test_a_failing_run_says_no_secret(home, program, monkeypatch, environment, status):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    failed = program("run", "--home", home.root)
    assert failed.status == status
    assert failed.err
    assert found([("said", failed.out + failed.err)]) == []
    assert found(written(home)) == []
