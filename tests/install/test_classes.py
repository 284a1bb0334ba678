"""The archive of Spark's classes: found for this Java and these JARs, made by a real run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conf import classes, java, session, settings


@pytest.fixture
def jars(tmp_path):
    folder = tmp_path / "jars"
    folder.mkdir()
    (folder / "a.jar").write_bytes(b"a")
    return folder


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "jdk"
    folder.mkdir()
    (folder / "release").write_text('JAVA_VERSION="21"\n')
    return folder


def test_another_java_has_another_archive(home, jars, tmp_path):
    held = classes.archive(home, tmp_path, jars)
    assert classes.archive(home, tmp_path, jars) == held
    (home / "release").write_text('JAVA_VERSION="25"\n')
    assert classes.archive(home, tmp_path, jars) != held


def test_other_jars_have_another_archive(home, jars, tmp_path):
    """A JVM that is given the archive of other JARs loads every class the slow way, without a word."""
    held = classes.archive(home, tmp_path, jars)
    (jars / "a.jar").write_bytes(b"another")
    assert classes.archive(home, tmp_path, jars) != held


def test_a_java_that_says_nothing_of_itself_has_one_too(jars, tmp_path):
    assert classes.archive(tmp_path / "one", tmp_path, jars) != classes.archive(
        tmp_path / "two", tmp_path, jars
    )


def test_spark_is_told_of_the_archive_that_is_there(monkeypatch, tmp_path):
    held = tmp_path / "with a space.jsa"
    monkeypatch.setattr(classes, "archive", lambda _java: held)
    assert "SharedArchiveFile" not in _java_options(tmp_path)
    held.touch()
    assert f'"-XX:SharedArchiveFile={held}"' in _java_options(tmp_path)


def _java_options(scratch: Path) -> str:
    return session.spark_settings(settings.load(), scratch, {})["spark.driver.extraJavaOptions"]


def test_the_installed_archive_is_taken():
    """Loaded from it, for the very JVM, class path and flags that Spark is started with."""
    held = classes.archive(java.home())
    assert held.is_file()
    path = [classes.JARS.parent / "conf", classes.JARS / "slf4j-api-2.0.17.jar", classes.JARS / "*"]
    given = [f"-XX:SharedArchiveFile={held}", "-Xshare:on", "-XX:+UseParallelGC", "-Xlog:class+load"]
    starting = ["-cp", ":".join(map(str, path)), "org.apache.spark.deploy.SparkSubmit", "--version"]
    said = subprocess.run(
        [java.home() / "bin" / "java", *given, *starting],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "org.apache.spark.deploy.SparkSubmit source: shared objects file (top)" in said.stdout


def test_an_archive_that_cannot_be_made_is_no_failure(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(classes, "archive", lambda _java: tmp_path / "java" / "classes-1.jsa")
    monkeypatch.setattr(classes, "LAKEHOUSE", tmp_path / "no such program")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(classes, "LOG", tmp_path / "classes.log")
    assert classes.main() == 0
    assert "no such program" in capsys.readouterr().out
    assert list((tmp_path / "java").iterdir()) == []
