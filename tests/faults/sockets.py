"""The sockets of a process and of all it started, and a network that has none but loopback."""

from __future__ import annotations

import ipaddress
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

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

    def watch(self, pid: int, is_over: Callable[[], bool]) -> None:
        """Add all it is seen to have until it is over."""
        while not is_over():
            self.look(pid)
            time.sleep(LOOK_EVERY_S)

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
