"""One program run to its end: seconds, processor seconds and peak memory of all its processes."""

from __future__ import annotations

import os
import resource
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

EVERY_S = 0.1


@dataclass(frozen=True)
class Measured:
    """What it took. Memory is the sum over all processes at the moment it was highest."""

    seconds: float
    processor_seconds: float
    peak_bytes: int


@dataclass
class Watch:
    """Looks at a process and all its descendants, again and again."""

    process: psutil.Process
    peak_bytes: int = 0
    last_bytes: int = 0
    processor_seconds: dict[int, float] = field(default_factory=dict)
    seen: dict[int, psutil.Process] = field(default_factory=dict)

    def look(self) -> None:
        """Once."""
        held = 0
        with suppress(psutil.NoSuchProcess):
            for one in [self.process, *self.process.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess), one.oneshot():
                    spent = one.cpu_times()
                    held += one.memory_info().rss
                    self.processor_seconds[one.pid] = spent.user + spent.system
                    self.seen[one.pid] = one
        # A child that was forked and has not begun its own program shows its parent's memory as its own: what
        # only one look finds does not count.
        self.peak_bytes, self.last_bytes = max(self.peak_bytes, min(held, self.last_bytes)), held

    def until(self, ended: threading.Event) -> None:
        """Until told."""
        while not ended.wait(EVERY_S):
            self.look()


class FailedError(Exception):
    """A program did not end well."""


def run(
    words: Sequence[object], log: Path, folder: Path, environment: Mapping[str, str] | None = None
) -> Measured:
    """Run the program in `folder`; what it says goes to `log`. Raises FailedError unless its status is 0.

    What it leaves running (a JVM lives on for a moment) has ended when this returns, but does not count.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    before = _spent()
    with log.open("wb") as said:
        started = time.monotonic()
        process = subprocess.Popen(
            [str(word) for word in words],
            cwd=folder,
            env=os.environ | (environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        watch, ended = Watch(psutil.Process(process.pid)), threading.Event()
        watcher = threading.Thread(target=watch.until, args=(ended,))
        watcher.start()
        try:
            status = process.wait()
        finally:
            seconds = time.monotonic() - started
            ended.set()
            watcher.join()
    psutil.wait_procs([one for one in watch.seen.values() if one.pid != process.pid], timeout=60)
    if status:
        raise FailedError(f"{' '.join(map(str, words))}\nended with status {status}: {_last_words(log)}")
    spent = max(sum(watch.processor_seconds.values()), _spent() - before)
    return Measured(seconds, spent, watch.peak_bytes)


def _spent() -> float:
    """Processor seconds of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _last_words(log: Path) -> str:
    return f"{log}\n" + "\n".join(log.read_text("utf-8", "replace").splitlines()[-20:])
