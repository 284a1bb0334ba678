"""The program as a process of its own, watched: what it said, how it ended, and the sockets it had."""

from __future__ import annotations

import ipaddress
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from conf.home import Home

PROGRAM = Path(sys.executable).with_name("lakehouse")
LOOK_EVERY_S = 0.1
LISTENING = "0A"
Place = tuple[str, int]

# Brings up the interface lo, which is all that a new network namespace has, and becomes the program.
LOOPBACK_UP = (
    "import fcntl, os, socket, struct, sys\n"
    "with socket.socket() as any_socket:\n"
    "    fcntl.ioctl(any_socket, 0x8914, struct.pack('16sh14x', b'lo', 0x1))\n"
    "os.execv(sys.argv[1], sys.argv[1:])\n"
)
WITHOUT_NETWORK = ("unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", LOOPBACK_UP)
"""Put before a command, it runs where there is no network but its own loopback."""


def isolation() -> tuple[str, ...]:
    """What a command is put behind to have no network; nothing where this machine does not allow that."""
    try:
        tried = subprocess.run([*WITHOUT_NETWORK, "/bin/true"], capture_output=True, check=False)
    except FileNotFoundError:
        return ()
    return WITHOUT_NETWORK if tried.returncode == 0 else ()


@dataclass(frozen=True)
class Sockets:
    """Addresses (host, port) that a process or any it started was seen listening at, or connected to."""

    listening: set[Place] = field(default_factory=set)
    connected: set[Place] = field(default_factory=set)

    def look(self, pid: int) -> None:
        """Add those it has now."""
        for process in _tree(pid):
            for here, there, is_listening in _sockets(process):
                if is_listening:
                    self.listening.add(here)
                elif there[1]:
                    self.connected.add(there)

    def beyond_loopback(self) -> set[Place]:
        """The addresses that are not this machine's own."""
        return {place for place in self.listening | self.connected if not _is_loopback(place[0])}


def _tree(pid: int) -> list[Path]:
    """What the system tells of the process and of all it started."""
    try:
        itself = psutil.Process(pid)
        return [Path("/proc", str(one.pid)) for one in (itself, *itself.children(recursive=True))]
    except psutil.Error:
        return []


def _sockets(process: Path) -> Iterator[tuple[Place, Place, bool]]:
    """(here, there, whether it listens) of each TCP socket of one process, in the network that it sees: which
    need not be ours, so that nobody who reads /proc/net could tell.
    """
    try:
        ours = {str(file.readlink()) for file in (process / "fd").iterdir()}
        held = [(process / "net" / name).read_text() for name in ("tcp", "tcp6")]
    except OSError:
        return
    for fields in (line.split() for line in "".join(held).splitlines()):
        if f"socket:[{fields[9]}]" in ours:
            yield _place(fields[1]), _place(fields[2]), fields[3] == LISTENING


def _place(written: str) -> Place:
    """An address as the system writes it: words of four bytes, each backwards, and the port."""
    host, port = written.split(":")
    held = bytes.fromhex(host)
    packed = b"".join(held[start : start + 4][::-1] for start in range(0, len(held), 4))
    return str(ipaddress.ip_address(packed)), int(port, 16)


def _is_loopback(host: str) -> bool:
    address = ipaddress.ip_address(host)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


@dataclass(frozen=True)
class Ended:
    """How a verb ended, and what it said."""

    words: tuple[str, ...]
    status: int
    out: str
    err: str
    sockets: Sockets


def run(home: Home, *words: str, before: Iterable[str] = (), **environment: str) -> Ended:
    """`run(home, "verify", "--json")`: the verb to its end; `before` is what its command is put behind."""
    with running(home, *words, before=before, **environment) as program:
        return program.ended()


@dataclass(frozen=True)
class Running:
    """The program while it runs; what it says goes to files beside the home, so that no pipe can fill."""

    words: tuple[str, ...]
    process: subprocess.Popen[bytes]
    said: tuple[Path, Path]
    sockets: Sockets = field(default_factory=Sockets)

    def ended(self) -> Ended:
        """Watch it to its end."""
        while self.process.poll() is None:
            self.sockets.look(self.process.pid)
            time.sleep(LOOK_EVERY_S)
        out, err = (file.read_text("utf-8", "replace") for file in self.said)
        return Ended(self.words, self.process.returncode, out, err, self.sockets)

    def has_said(self, text: str, within_s: float) -> bool:
        """Watch it until its results hold the text, or it ends, or the time is up."""
        until = time.monotonic() + within_s
        while self.process.poll() is None and time.monotonic() < until:
            self.sockets.look(self.process.pid)
            if text in self.said[0].read_text("utf-8", "replace"):
                return True
            time.sleep(LOOK_EVERY_S)
        return False


@contextmanager
def running(home: Home, *words: str, before: Iterable[str] = (), **environment: str) -> Iterator[Running]:
    """The verb started; killed when it outlives the context."""
    said = (home.root.with_name("said.out"), home.root.with_name("said.err"))
    with said[0].open("wb") as out, said[1].open("wb") as err:
        process = subprocess.Popen(
            [*before, str(PROGRAM), words[0], "--home", str(home.root), *words[1:]],
            cwd=home.root.parent,
            env=os.environ | {"COLUMNS": "200"} | environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    try:
        yield Running(words, process, said)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
