"""The JARs: only what is pinned gets to where Spark looks."""

import hashlib
import xml.etree.ElementTree as ET

import pytest

from conf import jars
from conf.errors import LakehouseError, UsageError
from conf.jars import Jar

BYTES = {"alpha": b"the first", "beta": b"the second"}


def jar(module="alpha", version="1.0"):
    return Jar("org.example", module, version, hashlib.sha256(BYTES[module]).hexdigest())


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pyspark").mkdir()
    return tmp_path / "pyspark"


@pytest.fixture
def staging(tmp_path):
    (tmp_path / "staging").mkdir()
    for module, content in BYTES.items():
        (tmp_path / "staging" / f"{module}-1.0.jar").write_bytes(content)
    return tmp_path / "staging"


def refuse(*_):
    raise AssertionError("nothing is to be fetched")


def names(folder):
    return sorted(path.name for path in folder.glob("*.jar"))


def test_the_shipped_list_pins_each_jar_once():
    listed = jars.pinned()
    assert len({one.module for one in listed}) == len(listed) > 0


@pytest.mark.parametrize(
    "line",
    ["org.example:alpha:1.0", "org.example:alpha --hash=sha256:" + 64 * "0", "a:b:1 --hash=sha256:0", "../x"],
)
def test_a_line_that_pins_nothing_is_refused(tmp_path, line):
    file = tmp_path / "jars.txt"
    file.write_text(f"# a comment\n\n{line}\n")
    with pytest.raises(UsageError) as refused:
        jars.pinned(file)
    assert str(refused.value) == (
        f"{file}:3: expected organisation:module:version --hash=sha256:HEX (found: {line}).\n"
        "No JAR was touched. Correct the line and run `make install` again."
    )


def test_fetched_jars_are_put_in_place(folder, staging):
    jars.place([jar("alpha"), jar("beta")], staging, folder)
    assert names(folder) == ["alpha-1.0.jar", "beta-1.0.jar"]


def test_an_altered_jar_is_refused_and_none_is_put_in_place(folder, staging):
    (staging / "beta-1.0.jar").write_bytes(b"something else")
    with pytest.raises(LakehouseError, match=r"beta-1\.0\.jar: what was fetched is not what is pinned"):
        jars.place([jar("alpha"), jar("beta")], staging, folder)
    assert names(folder) == []
    assert not staging.exists(), "the next install must fetch afresh"


def test_what_is_there_is_not_fetched_again(folder, staging, monkeypatch):
    monkeypatch.setattr(jars, "_fetch", refuse)
    jars.place([jar()], staging, folder)
    assert jars.install([jar()], folder, staging) == []


def test_only_what_is_missing_or_altered_is_fetched(folder, staging, monkeypatch):
    asked = []
    monkeypatch.setattr(jars, "_fetch", lambda wanted, _: asked.extend(wanted))
    (folder / "alpha-1.0.jar").write_bytes(BYTES["alpha"])
    (folder / "beta-1.0.jar").write_bytes(b"the sec")
    assert jars.install([jar("alpha"), jar("beta")], folder, staging) == asked == [jar("beta")]
    assert (folder / "beta-1.0.jar").read_bytes() == BYTES["beta"]


def test_a_jar_no_longer_listed_is_taken_away_and_pyspark_s_own_stay(folder, staging, monkeypatch):
    monkeypatch.setattr(jars, "_fetch", refuse)
    (folder / "spark-core-4.2.0.jar").write_bytes(b"pyspark's own")
    jars.place([jar("alpha"), jar("beta")], staging, folder)
    jars.install([jar("alpha"), jar("beta")], folder, staging)
    jars.install([jar("alpha")], folder, staging)
    assert names(folder) == ["alpha-1.0.jar", "spark-core-4.2.0.jar"]


def test_ivy_is_asked_for_exactly_these():
    dependencies = ET.fromstring(jars.ivy_module([jar("alpha"), jar("beta")])).findall(".//dependency")
    assert [one.attrib for one in dependencies] == [
        {"org": "org.example", "name": "alpha", "rev": "1.0", "transitive": "false"},
        {"org": "org.example", "name": "beta", "rev": "1.0", "transitive": "false"},
    ]
