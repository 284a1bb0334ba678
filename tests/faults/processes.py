"""The program as processes of their own, several on one home at once, and what each said."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from conf.home import Home
from tests.faults.small import ENVIRONMENT

PROGRAM = Path(sys.executable).with_name("lakehouse")
SMALL = {
    **ENVIRONMENT,
    "COLUMNS": "200",
    "LAKEHOUSE_MIN_FREE_MIB": "0",
}
PATIENCE_S = 600


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it said."""

    process: int
    status: int
    out: str
    err: str

    @property
    def is_plain(self) -> bool:
        """Whether a person was spared every stack trace."""
        return not any(sign in self.out + self.err for sign in ("Traceback", "\tat ", "Exception ignored"))


@dataclass(frozen=True)
class Started:
    """A process that works; what it says goes into files, so that no pipe can fill."""

    process: subprocess.Popen[bytes]
    said: tuple[Path, Path]

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.process.poll() is not None

    def has_said(self, words: str) -> bool:
        """Whether it has said that, so far, as progress or result."""
        return any(words in file.read_text("utf-8", "replace") for file in self.said)

    def ended(self, patience_s: int = PATIENCE_S) -> Ended:
        """How it ended, once it has."""
        status = self.process.wait(patience_s)
        out, err = (file.read_text("utf-8", "replace") for file in self.said)
        return Ended(self.process.pid, status, out, err)

    def end(self, number: int, *, alone: bool = False) -> None:
        """Send it a signal, and to every process it started unless `alone`."""
        if alone:
            os.kill(self.process.pid, number)
        else:
            os.killpg(self.process.pid, number)


@contextmanager
def started(home: Home, *words: str, before: Sequence[str] = (), **environment: str) -> Iterator[Started]:
    """`started(home, "run")`: the verb at work on the home, killed when it outlives the context; `before` is
    what its command is put behind.
    """
    with tempfile.TemporaryDirectory(prefix="said-") as folder:
        said = (Path(folder) / "out", Path(folder) / "err")
        with said[0].open("wb") as out, said[1].open("wb") as err:
            process = subprocess.Popen(
                [*before, str(PROGRAM), words[0], "--home", str(home.root), *words[1:]],
                cwd="/",
                env=os.environ | SMALL | environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        try:
            yield Started(process, said)
        finally:
            # Java may outlive it for a while.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def ended(
    home: Home, *words: str, before: Sequence[str] = (), patience_s: int = PATIENCE_S, **environment: str
) -> Ended:
    """`ended(home, "verify")`: the verb to its end."""
    with started(home, *words, before=before, **environment) as working:
        return working.ended(patience_s)
