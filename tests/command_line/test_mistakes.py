"""Every mistake ends in one message that says what to type next, its status, and no stack trace."""

from __future__ import annotations

import os
import pwd
import shlex
from pathlib import Path

import pytest

import lakehouse
from bronze import landing
from conf import claim, settings


def told(said, status):
    """The one message of an ended program."""
    assert said.status == status
    assert said.out == ""
    assert "Traceback" not in said.err
    return said.err


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("frobnicate", "No such command 'frobnicate'"),
        ("run --frob", "No such option: --frob"),
        ("run --only platinum", "'platinum' is not one of 'bronze', 'silver', 'gold'"),
        ("run --accept-batch last", "Invalid value for '--accept-batch'"),
        ("run twice", "Got unexpected extra argument"),
        ("generate --start yesterday", "'yesterday' is no time; write it like 2026-03-01T00:00:00Z"),
        ("generate --format xml", "'xml' is not one of 'json', 'csv', 'parquet'"),
        ("generate --events 0", "--events 0: must be 1 or more."),
        ("generate --late 2", "--late 2.0: must be a share between 0 and 1; for 2 % give 0.02."),
        ("sql --json", "holds no tables yet. Run `lakehouse run` first."),
        ("sql 'SELECT 1'", "holds no tables yet. Run `lakehouse run` first."),
    ],
)
def test_wrong_words(program, home, monkeypatch, typed, says):
    monkeypatch.setenv("LAKEHOUSE_HOME", str(home.root))
    assert says in told(program(*shlex.split(typed)), 2)


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        (
            "LAKEHOUSE_HOEM",
            "x",
            "Unknown setting LAKEHOUSE_HOEM in the environment. Did you mean LAKEHOUSE_HOME?",
        ),
        ("LAKEHOUSE_DRIVER_MEMORY", "lots", "(found: 'lots')"),
        ("LAKEHOUSE_DRIVER_MEMORY", "4gb", "Correct it in"),
        ("LAKEHOUSE_DRIVER_MEMORY", "", "Setting driver_memory: "),
        ("LAKEHOUSE_MIN_FREE_MIB", "-1", "Setting min_free_mib: "),
        ("LAKEHOUSE_MIN_FREE_MIB", "some", "LAKEHOUSE_MIN_FREE_MIB"),
        ("LAKEHOUSE_SPARK", "{", "spark"),
        ("LAKEHOUSE_WEBHOOK_URL", "ftp://x", "must be an http:// or https:// address (it is a secret"),
    ],
)
def test_wrong_setting_in_the_environment(program, home, monkeypatch, variable, value, says):
    monkeypatch.setenv(variable, value)
    message = told(program("run", "--home", home.root), 2)
    assert says in message
    assert len(message.splitlines()) <= 3


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('hoem = "x"', "Unknown setting hoem in {file}. Did you mean home?"),
        ('driver_memory = "much"', "Setting driver_memory: "),
        ("home = data", "{file}: not valid TOML"),
    ],
)
def test_wrong_setting_in_the_file(program, home, monkeypatch, tmp_path, line, says):
    file = tmp_path / "lakehouse.toml"
    name = line.split(" ")[0]
    kept = [held for held in settings.FILE.read_text().splitlines() if not held.startswith(name)]
    file.write_text("\n".join([line, *kept]))
    monkeypatch.setattr(settings, "FILE", file)
    monkeypatch.setitem(settings.Settings.model_config, "toml_file", file)
    assert says.format(file=file) in told(program("run", "--home", home.root), 2)


def test_landing_that_cannot_be_listed(program, home, monkeypatch):
    def refused(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(landing, "_entries", refused)
    message = told(program("run", "--home", home.root), 2)
    assert f"{home.landing}: deliveries arrive in this folder, and it cannot be listed" in message


def test_landing_that_is_a_file(program, home):
    home.landing.rmdir()
    home.landing.touch()
    assert told(program("run", "--home", home.root), 2) == (
        f"{home.landing}: is a file, not a folder. Nothing was changed. Move it away and run again.\n"
    )


def test_landing_that_leads_nowhere(program, home):
    home.landing.rmdir()
    home.landing.symlink_to("unmounted")
    assert "cannot be listed (No such file or directory)" in told(program("run", "--home", home.root), 2)


@pytest.mark.parametrize("verb", ["run", "generate"])
@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("a file", "a file: is a file, not a folder. Name another home with --home."),
        ("a file/below", "a file/below: cannot be written (Not a directory)"),
        ("x" * 300, "cannot be written (File name too long)"),
        ("c#", "the path of a home may not hold '#'"),
        ("what?", "the path of a home may not hold '?'"),
        ("50%25", "the path of a home may not hold '%25'"),
        ("back\\slash", "the path of a home may not hold '\\\\'"),
        ("new\nline", "the path of a home may not hold '\\n'"),
        (os.fsdecode(b"\xff"), "the path of a home may not hold '\\udcff'"),
    ],
)
def test_no_home(program, tmp_path, verb, place, says):
    (tmp_path / "a file").touch()
    before = sorted(tmp_path.iterdir())
    assert says in told(program(verb, "--home", tmp_path / place), 2)
    assert sorted(tmp_path.iterdir()) == before


def test_somebody_elses_home(program, home, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: not (path == home.root and mode & os.W_OK))
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    owner = pwd.getpwuid(home.root.stat().st_uid).pw_name
    assert told(program("run", "--home", home.root), 2) == (
        f"{home.root}: cannot be written (Permission denied): "
        f"{home.root} belongs to {owner}, this is user 54321.\n"
        f"Nothing was changed. Run as {owner}, or name another home with --home.\n"
    )


def test_ones_own_home_on_a_read_only_disk(program, tmp_path, monkeypatch):
    def refused(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refused)
    assert told(program("run", "--home", tmp_path / "new"), 2) == (
        f"{tmp_path / 'new'}: cannot be written (Read-only file system).\n"
        "Nothing was changed. Make it writable, or name another home with --home.\n"
    )


def test_a_full_disk(program, home, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_MIN_FREE_MIB", "1000000000")
    message = told(program("run", "--home", home.root), 1)
    assert message.startswith(f"{home.root}: ")
    assert message.endswith(
        " MiB are free on its disk, 1,000,000,000 MiB are needed to start (setting min_free_mib).\n"
        "Nothing was changed. Make room and run again.\n"
    )


def test_a_lakehouse_that_is_held(program, home):
    with claim.held(home, "stream", "r1"):
        message = told(program("run", "--home", home.root), 1)
    assert message.startswith(f"{home.root}: held by `lakehouse stream`, process {os.getpid()} on ")
    assert message.endswith(" UTC.\nNothing was changed. Run again when it is done.\n")


def test_a_failure_nobody_foresaw(program, home, monkeypatch):
    def odd(*_):
        raise ZeroDivisionError("odd")

    monkeypatch.setattr(lakehouse, "_advance", odd)
    message = told(program("run", "--home", home.root), 1)
    assert "ZeroDivisionError: odd\n" in message
    [log] = home.logs.glob("*.jsonl")
    assert f"The whole story is in {log}." in message
    assert "Traceback" in log.read_text()


def test_a_failure_in_java_is_told_by_its_innermost_cause(program, home, monkeypatch):
    def failed(*_):
        raise RuntimeError(
            "An error occurred while calling o1.save.\n: org.apache.spark.SparkException: Job aborted\n"
            "\tat org.apache.X\nCaused by: java.io.IOException: No space left on device\n\tat java.Y\n"
        )

    monkeypatch.setattr(lakehouse, "_advance", failed)
    message = told(program("run", "--home", home.root), 1)
    assert "RuntimeError: java.io.IOException: No space left on device\n" in message
    assert message.endswith("The disk is full. Make room and run again.\n")
    assert "org.apache" not in message


def test_a_wrong_java(process, home, deliver, tmp_path):
    deliver("a.jsonl", b"{}\n")
    java = tmp_path / "java 11" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\necho started >> started\n")
    java.chmod(0o755)
    (tmp_path / "java 11" / "release").write_text('JAVA_VERSION="11.0.2"\n')
    said = process("run", "--home", home.root, JAVA_HOME=str(tmp_path / "java 11"))
    assert said.status == 2
    assert (
        f"JAVA_HOME is {tmp_path / 'java 11'}: Spark needs Java 17 or newer there (found: Java 11).\n"
        in said.err
    )
    assert "Traceback" not in said.err
    assert not (home.warehouse).exists()


@pytest.mark.parametrize(
    ("typed", "environment"),
    [(["frobnicate"], {}), (["run"], {"LAKEHOUSE_HOEM": "x"})],
    ids=["verb", "setting"],
)
def test_as_a_process(process, typed, environment):
    said = process(*typed, **environment)
    assert (said.status, said.out) == (2, "")
    assert "Traceback" not in said.err
    assert 1 <= len(said.err.splitlines()) <= 6


def test_nothing_is_made_where_a_mistake_was(process, tmp_path):
    process("run", "--frob")
    assert list((tmp_path / "working directory").iterdir()) == []
