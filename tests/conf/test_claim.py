"""One writer at a time, and nothing begun where it could not end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import filelock
import pytest

from conf import claim
from conf.errors import LakehouseError, UsageError
from conf.home import Home

HOLDER = """
import sys, time
from pathlib import Path
from conf import claim
from conf.home import Home

with claim.held(Home(Path(sys.argv[1])), "stream", "r1"):
    print("held", flush=True)
    time.sleep(60)
"""
CHECKOUT = Path(claim.__file__).parent.parent


@pytest.fixture
def other(home):
    """Another process that holds the lakehouse."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(home.root)], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_holder_is_told_who(home, other):
    with pytest.raises(LakehouseError) as refused, claim.held(home, "run", "r2"):
        pytest.fail("two hold it")
    told = str(refused.value)
    assert f"held by `lakehouse stream`, process {other.pid} on {os.uname().nodename}, since 20" in told
    assert " UTC." in told
    assert "Nothing was changed" in told
    assert refused.value.status == 1


@pytest.mark.usefixtures("other")
def test_the_refused_one_does_no_harm(home):
    with pytest.raises(LakehouseError), claim.held(home, "run", "r2"):
        pytest.fail("two hold it")
    assert home.holder.exists()
    with pytest.raises(LakehouseError, match="lakehouse stream"), claim.held(home, "run", "r3"):
        pytest.fail("two hold it")


def test_the_lock_of_a_killed_process_is_free(home, other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    with claim.held(home, "run", "r2"):
        assert f'"process": {os.getpid()}' in home.holder.read_text("utf-8")


@pytest.mark.usefixtures("other")
def test_a_holder_that_has_not_said_who_it_is(home):
    home.holder.unlink()
    with (
        pytest.raises(LakehouseError, match="another lakehouse process that has just started"),
        claim.held(home, "run", "r2"),
    ):
        pytest.fail("two hold it")


def test_a_killed_holder_is_never_named(home):
    """Another took the lock and has not yet written down who it is: the name found is of a dead process."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    named = {
        "process": ended.pid,
        "host": os.uname().nodename,
        "verb": "stream",
        "since": "2026-03-01 00:00:00",
    }
    home.holder.parent.mkdir()
    home.holder.write_text(json.dumps(named))
    lock = filelock.FileLock(home.lock)
    with lock, pytest.raises(LakehouseError, match="that has just started"), claim.held(home, "run", "r2"):
        pytest.fail("two hold it")


def test_one_that_took_it_from_a_killed_one_is_named_once_it_has_written_who_it_is(home, other, monkeypatch):
    """While it had not, whoever asks waits a little."""
    written = home.holder.read_text("utf-8")
    read = iter([{"process": 0}, {}, json.loads(written)])
    monkeypatch.setattr(claim, "_written", lambda _: next(read))
    with pytest.raises(LakehouseError, match=f"process {other.pid} "), claim.held(home, "run", "r2"):
        pytest.fail("two hold it")


def test_a_holder_on_another_machine_is_named(home):
    named = {"process": 1, "host": "another", "verb": "stream", "since": "2026-03-01 00:00:00"}
    home.holder.parent.mkdir()
    home.holder.write_text(json.dumps(named))
    lock = filelock.FileLock(home.lock)
    with lock, pytest.raises(LakehouseError, match="process 1 on another"), claim.held(home, "run", "r2"):
        pytest.fail("two hold it")


def test_it_is_free_again_afterwards(home):
    for run in ("r1", "r2"):
        with claim.held(home, "run", run):
            pass
    assert not home.holder.exists()


def test_it_is_free_again_after_a_failure(home):
    with pytest.raises(ZeroDivisionError), claim.held(home, "run", "r1"):
        raise ZeroDivisionError
    with claim.held(home, "run", "r2"):
        pass


def test_a_home_is_made(tmp_path):
    claim.usable(Home(tmp_path / "a" / "b"), 0)
    assert (tmp_path / "a" / "b").is_dir()


def test_a_file_is_no_home(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file, not a folder"):
        claim.usable(Home(tmp_path / "file"), 0)


def test_a_home_below_a_file_is_no_home(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="Not a directory"):
        claim.usable(Home(tmp_path / "file" / "home"), 0)


@pytest.mark.parametrize("place", ["root", "warehouse", "landing"])
def test_a_home_of_somebody_else(home, place, monkeypatch):
    home.warehouse.mkdir()
    theirs = getattr(home, place)
    monkeypatch.setattr(os, "access", lambda path, _: path != theirs)
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(UsageError) as refused:
        claim.usable(home, 0)
    assert str(refused.value).startswith(f"{theirs}: cannot be written (Permission denied)")
    assert f"belongs to {theirs.owner()}, this is user 54321" in str(refused.value)


def test_a_table_on_a_read_only_disk_is_named_so_whoever_owns_it(home, monkeypatch):
    theirs = home.warehouse / "silver" / "ledger"
    theirs.mkdir(parents=True)
    monkeypatch.setattr(os, "access", lambda path, _: path != theirs)
    monkeypatch.setattr(claim, "_is_read_only", lambda path: path == theirs)
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(UsageError) as refused:
        claim.usable(home, 0)
    assert str(refused.value) == (
        f"{theirs}: cannot be written (Read-only file system).\n"
        "Nothing was changed. Make it writable, or name another home with --home."
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_home_that_cannot_be_made(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="cannot be written"):
        claim.usable(Home(tmp_path / "home"), 0)


def test_a_full_disk(home):
    with pytest.raises(LakehouseError, match="MiB are needed to start") as refused:
        claim.usable(home, 1 << 50)
    assert refused.value.status == 1
