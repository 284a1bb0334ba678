"""A browser, and a site to look at."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, sync_playwright

from conf.home import Home
from conf.tables import (
    BRONZE_DELIVERIES,
    GOLD_RESTATEMENTS,
    PLACEMENT_HOURLY,
    SILVER_DRIFT,
    SILVER_LEDGER,
    SILVER_QUALITY,
    SILVER_QUARANTINE,
)
from gold.report import site
from tests.report.lakes import NOON, busy_days, check, entry, event, publish, refused, settings_of, write


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser of this machine. Without one these tests are skipped, except in CI."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("CI looks at the report in a browser, and there is no chromium on the PATH")
        pytest.skip("no chromium on the PATH: the report is not looked at in a browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def fill(home: Home) -> None:
    """Something in every table the report reads; among it a burst of an hour, and a placement's first day."""
    burst = [event(NOON - timedelta(minutes=n + 1), user_id=f"burst-{n}") for n in range(59)]
    first_day = [event(placement_id="new", user_id=f"new-{kind}", event_type=kind) for kind in (0, 1)]
    publish(home, busy_days(6) + burst + first_day)
    write(home, SILVER_LEDGER, [entry(), entry("b.jsonl", batch=2, ingested_at=NOON + timedelta(hours=30))])
    late = check("freshness", batch=2, suite="batch", severity="batch", threshold=1.0, blocking=False)
    write(home, SILVER_QUALITY, [check(), check("user_id_present"), check(batch=2), late])
    write(home, SILVER_QUARANTINE, [refused('{"user_id":"secret-user"', batch_id=2)])
    write(home, SILVER_DRIFT, [{"batch_id": 2, "source": "b.jsonl", "field": "referrer", "records": 7}])
    set_aside = {
        "source": "junk.csv",
        "status": "set_aside",
        "reason": "no header",
        "ingested_at": NOON,
        "batch_id": 1,
    }
    write(home, BRONZE_DELIVERIES, [set_aside])
    change = {
        "table_name": PLACEMENT_HOURLY.name,
        "key": "pl1",
        "bucket": NOON - timedelta(hours=9),
        "old_views": 3,
        "old_clicks": 1,
        "new_views": 5,
        "new_clicks": 1,
        "cause": "late",
        "restated_at": NOON + timedelta(hours=30),
    }
    write(home, GOLD_RESTATEMENTS, [change])


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A lakehouse with something in every table, below a path with a space, and its site."""
    home = Home(tmp_path_factory.mktemp("a home"))
    fill(home)
    site.build(settings_of(home))
    return home


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def served(full: Home) -> Iterator[str]:
    """The address at which the site of `full` is served, on the loopback interface."""
    handler = functools.partial(_Quiet, directory=str(full.reports))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
