"""After a run: what is told, once, and what stands in the metrics file; nothing of it fails the run."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from conf import settings, webhook
from conf.home import Home
from conf.tables import SILVER_LEDGER, SILVER_QUALITY
from gold.report import metrics, telling
from gold.report.doings import Doings
from tests.report.lakes import check, entry, write

NOW = datetime.now(UTC)
OUTCOME = {
    "batch_id": 2,
    "delivered": 100,
    "accepted": 90,
    "duplicate": 6,
    "quarantined": 4,
    "broken": {"well_formed": 3, "user_id_present": 2},
    "refusing": [],
}
REFUSED = OUTCOME | {
    "batch_id": 3,
    "refusing": ["well_formed: 85% pass, at least 90% must"],
    "broken": {"well_formed": 9},
}


class Hook:
    """A webhook on the loopback interface: keeps what it is told, answers `status`, after `wait` seconds."""

    def __init__(self) -> None:
        self.told: list[dict[str, str]] = []
        self.status, self.wait = 200, 0.0
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                assert self.headers["Content-Type"] == "application/json"
                hook.told.append(json.loads(self.rfile.read(length)))
                time.sleep(hook.wait)
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/services/very-secret"


@pytest.fixture
def hook() -> Iterator[Hook]:
    listening = Hook()
    yield listening
    listening.server.shutdown()
    listening.server.server_close()


def after_run(home: Home, url: str, *outcomes, new_verdict: bool = False) -> list[str]:
    """What follows a run with these outcomes, in which a gate said something new or not."""
    asked = settings.load(home=home.root, webhook_url=url)
    before = telling.heard(home, 6.0)
    if new_verdict:
        write(home, SILVER_QUALITY, [check(batch=3, success=False, published=False)])
    return telling.tell(asked, {"outcomes": list(outcomes), "seconds": {"silver": 1.5, "total": 2.0}}, before)


def fresh(home: Home, hours: float = 1) -> datetime:
    """A ledger whose newest event is so many hours old; when that is."""
    newest = datetime.now(UTC) - timedelta(hours=hours)
    write(home, SILVER_LEDGER, [entry(batch=2, max_event_time=newest)], mode="overwrite")
    return newest


def test_a_refusal_is_told_once(home, hook):
    fresh(home)
    assert after_run(home, hook.url, REFUSED, new_verdict=True) == []
    assert after_run(home, hook.url, REFUSED) == []
    assert hook.told == [
        {
            "text": "home: batch 3 was not published: a quality gate refused it.\n"
            "• well_formed: 85% pass, at least 90% must\n"
            "Correct the source or the suite and run again, or accept it: lakehouse run --accept-batch 3"
        }
    ]
    assert after_run(home, hook.url, REFUSED, new_verdict=True) == []
    assert len(hook.told) == 2


def test_a_published_batch_is_not_told(home, hook):
    fresh(home)
    assert after_run(home, hook.url, OUTCOME, new_verdict=True) == []
    assert hook.told == []


def test_stale_data_is_told_by_the_run_that_finds_it_and_again_after_it_was_fresh(home, hook):
    for hours, told in [(1, 0), (8, 1), (9, 1), (5, 1), (7, 2)]:
        newest = fresh(home, hours)
        after_run(home, hook.url)
        assert len(hook.told) == told, hours
    assert hook.told[1]["text"] == (
        "home: the data is no longer fresh: the newest event is of "
        f"{newest:%Y-%m-%d %H:%M} UTC, 7.0 hours ago (allowed: 6)."
    )


def test_text_is_no_markup():
    did = doings(refused_batch=1, refusing=["<!channel> & co"])
    [text] = telling.messages(did, is_new_verdict=True, was_stale=False)
    assert "&lt;!channel&gt; &amp; co" in telling._literal(text)


def test_without_an_address_nothing_is_sent(home, monkeypatch):
    monkeypatch.setattr(webhook, "send", lambda *_: pytest.fail("something was sent"))
    fresh(home, 99)
    assert after_run(home, "", REFUSED, new_verdict=True) == []


@pytest.mark.parametrize(
    ("status", "wait", "says"),
    [(500, 0, "it answered 500"), (404, 0, "it answered 404"), (200, 3, "no answer within 1 s")],
)
def test_a_webhook_that_fails_is_a_warning_without_its_address(home, hook, monkeypatch, status, wait, says):
    monkeypatch.setattr(webhook, "TIMEOUT_S", 1.0)
    hook.status, hook.wait = status, wait
    fresh(home)
    [warning] = after_run(home, hook.url, REFUSED, new_verdict=True)
    assert warning == f"the webhook was not told: {says}. The run itself is done. Check webhook_url."


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/secret", "http://secret.invalid/x", "http://[secret/x", "http://secret:x/"]
)
def test_a_webhook_that_is_not_there(home, url):
    fresh(home)
    [warning] = after_run(home, url, REFUSED, new_verdict=True)
    assert warning.startswith("the webhook was not told: it could not be reached (")
    assert "secret" not in warning


def test_a_webhook_answers_elsewhere_and_is_believed(hook):
    assert webhook.send(SecretStr(hook.url), "x") is None


def doings(**changed) -> Doings:
    held: dict[str, Any] = {
        "at": NOW,
        "batch": 2,
        "newest_event": NOW - timedelta(hours=1),
        "fresh_hours": 6.0,
        "records": {"delivered": 100, "accepted": 90, "duplicate": 6, "quarantined": 4},
        "broken": {"well_formed": 3, "user_id_present": 2},
        "refused_batch": None,
        "refusing": [],
        "seconds": {"silver": 1.5, "total": 2.0},
    }
    return Doings(**held | changed)


def samples(home: Home) -> dict[tuple[str, ...], float]:
    """The file as Prometheus' own parser reads it."""
    families = text_string_to_metric_families(home.metrics.read_text("utf-8"))
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def test_the_metrics_of_a_run(home):
    newest = fresh(home, 2)
    after_run(home, "", OUTCOME, OUTCOME | {"batch_id": 1, "broken": {"well_formed": 1}}, REFUSED)
    held = samples(home)
    at = held.pop(("lakehouse_last_run_timestamp_seconds",))
    assert at == pytest.approx(newest.timestamp() + 7200, abs=10)
    assert held.pop(("lakehouse_freshness_seconds",)) == pytest.approx(at - newest.timestamp(), abs=0.01)
    assert held == {
        ("lakehouse_last_batch",): 2,
        ("lakehouse_records", "delivered"): 200,
        ("lakehouse_records", "accepted"): 180,
        ("lakehouse_records", "duplicate"): 12,
        ("lakehouse_records", "quarantined"): 8,
        ("lakehouse_refused_records", "well_formed"): 4,
        ("lakehouse_refused_records", "user_id_present"): 2,
        ("lakehouse_newest_event_timestamp_seconds",): pytest.approx(newest.timestamp(), abs=0.001),
        ("lakehouse_stale",): 0,
        ("lakehouse_gate_refused",): 1,
        ("lakehouse_step_seconds", "silver"): 1.5,
        ("lakehouse_step_seconds", "total"): 2.0,
    }


def test_the_metrics_before_the_first_event(home):
    after_run(home, "")
    held = samples(home)
    assert held["lakehouse_stale",] == 0
    assert ("lakehouse_newest_event_timestamp_seconds",) not in held


def test_metrics_are_replaced_in_one_step(home):
    fresh(home)
    after_run(home, "", OUTCOME)
    before = home.metrics.stat().st_ino
    after_run(home, "")
    assert home.metrics.stat().st_ino != before
    assert [file.name for file in home.metrics.parent.iterdir()] == [home.metrics.name]


@pytest.mark.parametrize("text", ["", "junk {{{", "lakehouse_stale"])
def test_a_metrics_file_that_cannot_be_read_tells_nothing(home, text):
    home.metrics.parent.mkdir()
    home.metrics.write_text(text, "utf-8")
    assert not metrics.was_stale(home.metrics)


def test_metrics_that_cannot_be_written_are_a_warning(home):
    home.metrics.parent.touch()
    [warning] = after_run(home, "")
    assert warning == f"{home.metrics} could not be written (FileExistsError). The run itself is done."
