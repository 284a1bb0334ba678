"""Which Java Spark gets. The Javas here are folders with a `release` file and a small script."""

import stat
import subprocess
from pathlib import Path

import pytest

from conf import java
from conf.errors import LakehouseError, UsageError

FULL = "java.base jdk.incubator.vector"
TRIMMED = "java.base"
ECHO = '#!/bin/sh\nprintf "%s\\n" "$@"\n'
FAILS = "#!/bin/sh\necho 'Unable to locate a Java Runtime.' >&2\nexit 1\n"


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def java_home(home, version, modules=FULL):
    program(home / "bin" / "java", ECHO)
    (home / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\nMODULES="{modules}"\n')
    return home


def talking_java(home, version):
    """A Java without a `release` file: only running it tells what it is."""
    said = f"Property settings:\n    java.home = {home}\n    java.version = {version}\n"
    program(home / "bin" / "java", f"#!/bin/sh\ncat >&2 <<'END'\n{said}END\n")
    return home


def home(tmp_path, *, java_home=None, path=None):
    environment = {"PATH": str(path or tmp_path / "nothing")}
    if java_home is not None:
        environment["JAVA_HOME"] = str(java_home)
    return java.home(environment, tmp_path / "shims")


@pytest.mark.parametrize("version", ["17", "17.0.15", "21.0.8", "25-ea"])
def test_java_home_is_used_when_new_enough(tmp_path, version):
    given = java_home(tmp_path / "a java", version)
    assert home(tmp_path, java_home=given) == given


def test_java_home_without_release_file_is_run(tmp_path):
    given = talking_java(tmp_path / "java", "17.0.1")
    assert home(tmp_path, java_home=given) == given


@pytest.mark.parametrize(
    ("version", "found"), [("1.8.0_402", "Java 8"), ("11.0.2", "Java 11"), ("16.0.2", "Java 16")]
)
def test_java_home_too_old_is_refused(tmp_path, version, found):
    given = java_home(tmp_path / "java", version)
    with pytest.raises(UsageError) as refused:
        home(tmp_path, java_home=given)
    assert str(refused.value) == (
        f"JAVA_HOME is {given}: Spark needs Java 17 or newer there (found: {found}).\n"
        "Nothing was started. Unset JAVA_HOME to use the Java installed in the checkout, "
        "or point it at a Java 17 or newer."
    )


def test_java_home_that_is_missing_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"gone: Spark needs .* \(found: no Java that runs\)"):
        home(tmp_path, java_home=tmp_path / "gone")


def test_java_home_that_does_not_run_is_refused(tmp_path):
    program(tmp_path / "java" / "bin" / "java", FAILS)
    with pytest.raises(UsageError, match="no Java that runs"):
        home(tmp_path, java_home=tmp_path / "java")


def test_empty_java_home_counts_as_unset(tmp_path):
    assert home(tmp_path, java_home="").parent == tmp_path / "shims"


def test_java_on_the_path_is_used_at_its_real_home(tmp_path):
    there = java_home(tmp_path / "opt" / "java-21", "21.0.8")
    (tmp_path / "usr").mkdir()
    (tmp_path / "usr" / "java").symlink_to(there / "bin" / "java")
    assert home(tmp_path, path=tmp_path / "usr") == there


def test_script_on_the_path_tells_the_home(tmp_path):
    there = java_home(tmp_path / "opt" / "java-21", "21.0.8")
    program(tmp_path / "usr" / "java", f"#!/bin/sh\necho '    java.home = {there}' >&2\n")
    assert home(tmp_path, path=tmp_path / "usr") == there


@pytest.mark.parametrize(
    "text", [FAILS, "#!/bin/sh\nexit 0\n", "not a program"], ids=["stub", "mute", "junk"]
)
def test_program_on_the_path_that_is_no_java_is_passed_over(tmp_path, text):
    program(tmp_path / "usr" / "bin" / "java", text)
    assert home(tmp_path, path=tmp_path / "usr" / "bin").parent == tmp_path / "shims"


def test_java_on_the_path_too_old_is_passed_over(tmp_path):
    old = java_home(tmp_path / "java-11", "11.0.2")
    assert home(tmp_path, path=old / "bin").parent == tmp_path / "shims"


def test_without_any_java_the_bundled_one_runs(tmp_path):
    found = home(tmp_path)
    ran = subprocess.run(
        [found / "bin" / "java", "--add-modules=jdk.incubator.vector", "-version"],
        capture_output=True,
        text=True,
        env={},
        check=True,
    )
    assert "21." in ran.stderr


def test_shim_drops_that_one_argument_and_keeps_the_others(tmp_path):
    given = java_home(tmp_path / "it's a java", "17.0.1", TRIMMED)
    found = home(tmp_path, java_home=given)
    kept = ["-Da=b c", "", "*", "--add-modules=java.sql", "$HOME", "-cp", "x:y z", "Main", "two  spaces"]
    ran = subprocess.run(
        [found / "bin" / "java", *kept[:2], "--add-modules=jdk.incubator.vector", *kept[2:]],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split("\n")[:-1] == kept


def test_shim_is_made_once_for_each_java(tmp_path):
    one = java_home(tmp_path / "one", "17.0.1", TRIMMED)
    two = java_home(tmp_path / "two", "21.0.8", TRIMMED)
    first = home(tmp_path, java_home=one)
    made = (first / "bin" / "java").stat().st_mtime_ns
    assert home(tmp_path, java_home=one) == first
    assert (first / "bin" / "java").stat().st_mtime_ns == made
    assert home(tmp_path, java_home=two) != first
    assert (first / "release").read_text() == (one / "release").read_text()


def test_shim_leaves_no_half_written_program_behind(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(LakehouseError, match="No space left on device") as failed:
        home(tmp_path)
    assert "Nothing was started." in str(failed.value)
    assert not [path for path in (tmp_path / "shims").rglob("*") if stat.S_ISREG(path.lstat().st_mode)]


def test_a_shim_given_as_java_home_is_used_as_it_is(tmp_path):
    """The container image does so; there the folder of shims cannot be written."""
    shim = home(tmp_path, java_home=java_home(tmp_path / "java", "21.0.8", TRIMMED))
    link = tmp_path / "link"
    link.symlink_to(shim)
    assert home(tmp_path, java_home=link) == link
    assert list((tmp_path / "shims").iterdir()) == [shim]
