"""One writer at a time where no operating system knows who holds what."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from conf import claim, lease, objects
from conf.errors import LakehouseError

BY = {"process": os.getpid(), "host": "here", "since": "2026-03-01 00:00:00", "verb": "run", "run": "r1"}
OTHER = {**BY, "process": 77, "host": "far-away", "verb": "stream", "token": "theirs", "machine": "another"}

HOLDER = """
import sys, time
from conf import claim, lease, settings

lease.BEAT = 0.2
with claim.held(settings.load(home=sys.argv[1], local=sys.argv[2]).place, "stream", "r1"):
    print("held", flush=True)
    time.sleep(60)
"""
CHECKOUT = Path(claim.__file__).parent.parent


@pytest.fixture
def lock(far):
    there = objects.far(far.lease)
    assert there is not None
    yield there
    if there.exists():
        there.unlink()


def never():
    pytest.fail("the lease was lost")


def written(lock):
    return json.loads(lock.read_text())


def test_a_second_holder_is_told_who(far, lock):
    lock.write_text(json.dumps(OTHER))
    with pytest.raises(LakehouseError) as refused, claim.held(far, "run", "r2"):
        pytest.fail("two hold it")
    told = "held by `lakehouse stream`, process 77 on far-away, since 2026-03-01 00:00:00 UTC."
    assert told in str(refused.value)
    assert str(refused.value).startswith("s3a://ads-")
    assert written(lock) == OTHER


def test_it_is_free_again_afterwards(far, lock):
    for run in ("r1", "r2"):
        with claim.held(far, "run", run):
            assert written(lock)["run"] == run
    assert not lock.exists()


def test_a_lease_that_is_not_renewed_is_taken_by_the_next(lock, monkeypatch):
    lock.write_text(json.dumps(OTHER))
    monkeypatch.setattr(lease, "LAPSE", 1.0)
    with pytest.raises(lease.HeldError), lease.held(lock, BY, never):
        pytest.fail("it has just been written")
    time.sleep(2.1)
    with lease.held(lock, BY, never):
        assert written(lock)["host"] == "here"


def test_a_lease_that_is_renewed_is_kept(lock, monkeypatch):
    monkeypatch.setattr(lease, "LAPSE", 3.0)
    monkeypatch.setattr(lease, "BEAT", 0.3)
    with lease.held(lock, BY, never):
        time.sleep(4)
        with pytest.raises(lease.HeldError), lease.held(lock, BY, never):
            pytest.fail("two hold it")


def test_a_process_of_this_machine_that_is_gone_holds_nothing(lock):
    with lease.held(lock, BY, never):
        mine = written(lock)
    ended = {**mine, "token": "theirs", "started": mine["started"] - 1000}
    lock.write_text(json.dumps(ended))
    with lease.held(lock, BY, never):
        assert written(lock)["token"] != "theirs"


def test_who_finds_the_lease_taken_is_told_at_once_and_leaves_it(lock, monkeypatch):
    monkeypatch.setattr(lease, "BEAT", 0.2)
    lost = threading.Event()
    with lease.held(lock, BY, lost.set):
        lock.write_text(json.dumps(OTHER))
        assert lost.wait(10)
    assert written(lock) == OTHER


def test_a_process_that_lost_its_lease_ends_before_it_commits_again(far, lock):
    command = [sys.executable, "-c", HOLDER, objects.address(far.root), str(far.here.parents[2])]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stderr is not None
        assert holder.stdout.readline() == b"held\n"
        lock.write_text(json.dumps(OTHER))
        assert holder.wait(30) == 1
        assert b"another writer has this lakehouse now" in holder.stderr.read()
    assert written(lock) == OTHER


def test_a_store_that_ignores_conditions_is_refused(server, far, monkeypatch):
    unconditional = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _without_conditions(server))
    threading.Thread(target=unconditional.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{unconditional.server_port}")
    lock = objects.far(objects.place(objects.address(far.root)) / "ignored.lock")
    assert lock is not None
    with pytest.raises(LakehouseError, match="nothing keeps two writers apart"), lease.held(lock, BY, never):
        pytest.fail("no lease can be held there")
    assert not lock.exists()
    unconditional.shutdown()
    unconditional.server_close()


def _without_conditions(server):
    """Passes every request on, without what it says of conditions: as stores do that know none."""

    class Proxy(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # whose clients ask before they send a body

        def passed_on(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kept = [name for name in self.headers if not name.lower().startswith(("if-", "expect"))]
            sent = {name: self.headers[name] for name in kept}
            there = http.client.HTTPConnection(urlsplit(server).netloc, timeout=30)
            there.request(self.command, self.path, body, sent)
            answer = there.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"transfer-encoding", "connection", "content-length"}:
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            self.wfile.write(content)
            there.close()

        do_GET = do_PUT = do_DELETE = do_HEAD = do_POST = passed_on  # noqa: N815 - http.server's names

        def log_message(self, *_):
            pass

    return Proxy
