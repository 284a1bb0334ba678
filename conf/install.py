"""Installs everything into `.venv` of this checkout: packages, Java, JARs. Run by `make install`.

Needs nothing but Python's standard library. Promises: nothing outside the checkout is written;
what is installed is what `requirements.txt` and `conf/jars.txt` pin, by hash; an install that was
cut short is taken up by the next.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from conf import fetching
from conf.errors import LakehouseError

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements.txt"
LOG = VENV / "install.log"
SCRATCH = VENV / "tmp"
STAMP = VENV / "installed"

NEEDED_MIB = 4500
"""Highest use of the disk while installing, measured, with some air: pyspark is unpacked and built."""

ELSEWHERE = {"PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_HASHES"}
PIP_SETTINGS = {
    "PIP_USER": "0",
    "PIP_NO_CACHE_DIR": "1",
    "PIP_NO_INPUT": "1",
    "PIP_PROGRESS_BAR": "off",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    # pyspark's source names no build system; older pips would take a path that is gone from setuptools.
    "PIP_USE_PEP517": "1",
    "PYTHONNOUSERSITE": "1",
}

AGAIN = "Mend that and run `make install` again: it goes on from here."


def main() -> int:
    """Install what is missing; the exit status."""
    try:
        _check_machine()
        lock = _alone()
        _check_space()
        _make_venv()
        _install_packages(lock)
        _run("conf.jars", lock)
        _run("conf.classes", lock)
        shutil.rmtree(SCRATCH, ignore_errors=True)
        # make compares this with the folder it runs in: a moved checkout installs again.
        STAMP.write_text(f"{Path.cwd()}\n", encoding="utf-8")
    except LakehouseError as failure:
        print(failure, file=sys.stderr)
        return failure.status
    except OSError as failure:
        print(f"{failure.filename}: {failure.strerror}.\nNot all is installed. {AGAIN}", file=sys.stderr)
        return LakehouseError.status
    except KeyboardInterrupt:
        print("Interrupted. Run `make install` again: it goes on from here.", file=sys.stderr)
        return 130
    return 0


def _check_machine() -> None:
    """Say at once what would fail after minutes, or with a message that does not say what to do."""
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise LakehouseError(
            f"{sys.executable}: this Python cannot make virtual environments (it lacks ensurepip).\n"
            f"Nothing was installed. On Debian and Ubuntu install the package python{version}-venv, "
            "elsewhere a full Python, and run `make install` again; or name another Python: "
            "make install PYTHON=/path/to/python3"
        )
    if not os.access(ROOT, os.W_OK):
        raise LakehouseError(
            f"{ROOT}: writing is not allowed there, and everything is installed into {VENV}.\n"
            "Nothing was installed. Clone the repository to a folder of yours, or mend the permissions."
        )


def _check_space() -> None:
    shutil.rmtree(SCRATCH, ignore_errors=True)
    free = shutil.disk_usage(ROOT).free >> 20
    if free < NEEDED_MIB and not any(VENV.glob("lib/python*/site-packages/pyspark-*.dist-info")):
        raise LakehouseError(
            f"{ROOT}: {free} MiB are free there, installing needs {NEEDED_MIB} MiB and keeps 1,800.\n"
            "Nothing was installed. Make room and run `make install` again."
        )


def _alone() -> int:
    """Wait until no other install works on this checkout; the lock goes when its descriptor is closed."""
    lock = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Another install is at work in this checkout: waiting for it.", file=sys.stderr)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _make_venv() -> None:
    STAMP.unlink(missing_ok=True)
    if VENV.exists() and not _is_usable():
        print(f"{VENV} is unfinished or was made for another folder: making it anew.")
    if not _is_usable():
        venv.EnvBuilder(clear=True, symlinks=True, with_pip=True).create(VENV)


def _is_usable() -> bool:
    """Whether `.venv` belongs to this folder, and its Python and pip run."""
    written = VENV / "pyvenv.cfg"
    if not written.is_file() or f" {VENV}\n" not in written.read_text(encoding="utf-8"):
        return False
    try:
        return (
            subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True, check=False).returncode
            == 0
        )
    except OSError:
        return False


def _install_packages(lock: int) -> None:
    SCRATCH.mkdir(exist_ok=True)
    forget_unfinished(next((VENV / "lib").glob("python*/site-packages")))
    text = LOCK.read_text(encoding="utf-8")
    # pyspark comes as source. What builds it is pinned too, so it has to be there before.
    build = SCRATCH / "build.txt"
    build.write_text(_block(text, "setuptools"), encoding="utf-8")
    count = len(re.findall(r"^\S+==", text, re.MULTILINE))
    print(
        f"Installing up to {count} packages into {VENV}: some minutes the first time, about 1 GB to fetch.",
        flush=True,
    )
    _pip(lock, "--require-hashes", "--no-deps", "-r", str(build))
    _pip(lock, "--require-hashes", "--no-build-isolation", "-r", str(LOCK))
    _pip(lock, "--no-deps", "--no-build-isolation", "-e", str(ROOT))


def forget_unfinished(packages: Path) -> None:
    """Make pip install again what it was cut short in; it would take a half-written package as installed.

    The file INSTALLER is the last that pip writes after a package's own files.
    """
    for record in packages.glob("*.dist-info"):
        if not (record / "INSTALLER").is_file():
            shutil.rmtree(record)


def _block(lock: str, package: str) -> str:
    """The lines of one package in a lock: its pin, its hashes."""
    found = re.search(rf"^{package}==.*(?:\n .*)*", lock, re.MULTILINE)
    if found is None:
        raise LakehouseError(f"{LOCK}: {package} is not pinned there. Run `make lock`, then `make install`.")
    return found[0] + "\n"


def _pip(lock: int, *arguments: str) -> None:
    """Run `pip install`; raises LakehouseError saying why it failed.

    The user's own index, proxy and certificates stay in force; whatever would install to
    elsewhere, keep copies elsewhere, or bring packages from elsewhere does not.
    """
    environment = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    environment |= {**PIP_SETTINGS, "TMPDIR": str(SCRATCH)}
    command = [str(PYTHON), "-m", "pip", "install", *arguments]
    with LOG.open("w", encoding="utf-8") as log:
        # The child holds the lock too: should this process be killed, the next install waits for it.
        done = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=log, stderr=log, check=False, pass_fds=(lock,)
        )
    if done.returncode != 0:
        said = LOG.read_text(encoding="utf-8", errors="replace")
        raise LakehouseError(
            f"pip cannot install the packages: {fetching.reason(said)}.\n"
            f"Not all is installed. {AGAIN} All that pip said: {LOG}"
        )


def _run(module: str, lock: int) -> None:
    """With the checkout's Python, which has Java and the certificates."""
    done = subprocess.run([PYTHON, "-m", module], cwd=ROOT, check=False, pass_fds=(lock,))
    if done.returncode != 0:
        sys.exit(done.returncode)


if __name__ == "__main__":
    sys.exit(main())
