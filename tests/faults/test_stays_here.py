"""The tests themselves connect to nothing beyond this machine: see `_stay_here` in tests/conftest.py."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys

import pytest

from tests.faults.sockets import WITHOUT_NETWORK, Sockets, isolation


@pytest.mark.parametrize("place", [("192.0.2.1", 80), ("2001:db8::1", 443), ("0.0.0.0", 9)])
def test_a_connection_that_would_leave_fails_the_test(place):
    family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
    with (
        socket.socket(family) as reaching,
        pytest.raises(pytest.fail.Exception, match="would leave"),
        contextlib.suppress(Exception),
    ):
        reaching.connect(place)


def test_a_connection_to_this_machine_does_not():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as reaching:
        reaching.connect(server.getsockname())


def test_spark_listens_and_connects_on_this_machine_alone(spark):
    sockets = Sockets()
    assert spark.range(3).count() == 3
    sockets.look(os.getpid())
    assert sockets.listening
    assert sockets.connected
    assert sockets.beyond_loopback() == set()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1"])
def test_every_other_address_is_beyond(host):
    assert Sockets({(host, 1)}, {("127.0.0.1", 2), ("::1", 3)}).beyond_loopback() == {(host, 1)}


@pytest.mark.parametrize("before", [(), WITHOUT_NETWORK], ids=["here", "without network"])
@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
def test_where_a_process_listens_is_seen(before, host):
    if before and not isolation():
        pytest.skip("this machine does not let a user make a network namespace")
    server = (
        f"import socket; held = socket.create_server(('{host}', 0)); print(held.getsockname()[1], flush=True)"
    )
    command = [*before, sys.executable, "-c", f"{server}; input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as listening:
        assert listening.stdout
        port = int(listening.stdout.readline())
        sockets = Sockets()
        sockets.look(listening.pid)
        listening.communicate("\n")
    assert sockets.listening == {(host, port)}
