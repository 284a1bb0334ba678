"""Settings: the command line wins over the environment, that over the file; a wrong one is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from conf import settings
from conf.errors import UsageError

FILE = """
home = "from-file"
local = "from-file"
master = "local[1]"
driver_memory = "1g"
min_free_mib = 7
[spark]
"spark.sql.shuffle.partitions" = "3"
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch) -> Path:
    """A settings file of the test's own, in force."""
    place = tmp_path / "lakehouse.toml"
    place.write_text(FILE, "utf-8")
    monkeypatch.setattr(settings, "FILE", place)
    monkeypatch.setitem(settings.Settings.model_config, "toml_file", place)
    return place


in_force = pytest.mark.usefixtures("file")


def test_the_shipped_file_holds_every_setting():
    held = settings.load()
    assert (held.home, held.master, held.driver_memory, held.min_free_mib, held.spark) == (
        "data",
        "local[*]",
        "4g",
        512,
        {},
    )


@in_force
def test_the_file():
    held = settings.load()
    assert (held.home, held.min_free_mib) == ("from-file", 7)
    assert held.spark == {"spark.sql.shuffle.partitions": "3"}


@in_force
def test_the_environment_wins_over_the_file(monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_HOME", "from-environment")
    monkeypatch.setenv("LAKEHOUSE_MIN_FREE_MIB", "9")
    held = settings.load()
    assert (held.home, held.min_free_mib, held.driver_memory) == ("from-environment", 9, "1g")


@in_force
def test_the_command_line_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_HOME", "from-environment")
    assert settings.load(home=Path("given")).home == "given"


@in_force
def test_an_option_not_given_changes_nothing():
    assert settings.load(home=None).home == "from-file"


@in_force
def test_the_place_is_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert settings.load(home=Path("here")).place.root == tmp_path / "here"


@in_force
def test_the_place_knows_the_users_home(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    assert settings.load(home=Path("~/lake")).place.root == Path("/somewhere/lake")


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        pytest.param("DRIVER_MEMORY", "much", ["driver_memory", "'much'"], id="memory-without-unit"),
        pytest.param("DRIVER_MEMORY", "0g", ["driver_memory", "'0g'"], id="no-memory"),
        pytest.param("MIN_FREE_MIB", "-1", ["min_free_mib", "'-1'"], id="negative"),
        pytest.param("MIN_FREE_MIB", "lots", ["min_free_mib", "'lots'"], id="no-number"),
        pytest.param("HOEM", "x", ["LAKEHOUSE_HOEM", "Did you mean LAKEHOUSE_HOME?"], id="misspelt"),
        pytest.param("SPARK", "no json", ["spark"], id="no-map"),
    ],
)
@in_force
def test_a_wrong_variable_is_named(monkeypatch, variable, value, told):
    monkeypatch.setenv(f"LAKEHOUSE_{variable}", value)
    with pytest.raises(UsageError) as refused:
        settings.load()
    assert [words for words in told if words not in str(refused.value)] == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param('hoem = "x"', ["hoem", "Did you mean home?", "lakehouse.toml"], id="misspelt"),
        pytest.param('home = "x"', ["lakehouse.toml", "not valid TOML"], id="twice"),
        pytest.param("home", ["lakehouse.toml", "not valid TOML"], id="no-toml"),
    ],
)
def test_a_wrong_line_is_named(file, line, told):
    file.write_text(line + FILE, "utf-8")
    with pytest.raises(UsageError) as refused:
        settings.load()
    assert [words for words in told if words not in str(refused.value)] == []


def test_a_wrong_file_is_a_usage_error():
    assert UsageError.status == 2


@in_force
def test_the_webhook_is_a_secret(monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_WEBHOOK_URL", "https://hooks.test/very-secret")
    held = settings.load()
    assert held.webhook_url.get_secret_value() == "https://hooks.test/very-secret"
    assert "very-secret" not in f"{held} {held!r} {held.model_dump_json()}"


@in_force
@pytest.mark.parametrize(
    "url", ["very-secret", "ftp://very-secret", "https://very secret", "https://very-secret\n"]
)
def test_a_wrong_webhook_is_refused_without_showing_it(monkeypatch, url):
    monkeypatch.setenv("LAKEHOUSE_WEBHOOK_URL", url)
    with pytest.raises(UsageError, match="must be an http:// or https:// address") as refused:
        settings.load()
    assert "very" not in str(refused.value)
