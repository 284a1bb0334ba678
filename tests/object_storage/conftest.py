"""An S3-compatible server on loopback, a process of its own, and a lakehouse in a bucket of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator

import pytest

from conf import objects, settings
from conf.home import Home

CANARY = "canary-of-a-secret-4711"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's endpoint; the environment of the tests names it, as a person's would."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"
    log = tmp_path_factory.mktemp("s3") / "server.log"
    with (
        log.open("w") as said,
        subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=said,
            stderr=said,
        ) as running,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ENDPOINT_URL", endpoint)
        patch.setenv("AWS_ACCESS_KEY_ID", "tests")
        patch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
        _wait_for(endpoint)
        yield endpoint
        running.kill()


def _wait_for(endpoint: str) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(endpoint, timeout=5).close()
        except OSError:
            assert time.monotonic() < until, f"{endpoint} did not start"
            time.sleep(0.2)
        else:
            return


@pytest.fixture(scope="module")
def far(server: str, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """An empty place for a lakehouse in a bucket of its own."""
    assert server
    address = f"s3a://ads-{uuid.uuid4().hex[:12]}/prod/lake house"
    place = settings.load(home=address, local=tmp_path_factory.mktemp("this machine")).place
    there = objects.far(place.root)
    assert there is not None
    there.fs.call_s3("create_bucket", Bucket=there.path.split("/")[0])
    objects.check(place.root)
    return place
