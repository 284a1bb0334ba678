"""The image and the compose file, as far as they can be judged without a container engine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from conf import settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text("utf-8")
COMPOSE = ROOT / "docker" / "compose.yaml"
STEPS = re.findall(r"^([A-Z]+) ((?:.*\\\n)*.*)$", DOCKERFILE, re.MULTILINE)
SECRETS = {"STORAGE_KEY", "STORAGE_SECRET", "SPARK_SECRET"}
TOOLS = Path(sys.executable).parent


def said(instruction: str) -> list[str]:
    return [text for name, text in STEPS if name == instruction]


def interpolated(text: str) -> str:
    """As compose fills in variables that nobody has set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", re.sub(r"\$\{(\w+):\?[^}]*\}", r"the-\1", text))


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    read = yaml.safe_load(interpolated(COMPOSE.read_text("utf-8")))
    assert isinstance(read, dict)
    return read


def test_the_image_is_linted():
    subprocess.run([TOOLS / "hadolint", ROOT / "docker" / "Dockerfile"], check=True)


def test_the_base_is_pinned():
    [base] = said("ARG")
    assert re.fullmatch(r"BASE=python:3\.11\.\d+-slim-bookworm", base)
    assert [words.split()[0] for words in said("FROM")] == ["${BASE}", "${BASE}"]


def test_the_image_runs_as_nobody_in_particular():
    assert said("USER") == ["10001"]
    assert len(said("HEALTHCHECK")) == 1


def test_what_is_copied_is_there_and_not_kept_out():
    sources = [word for text in said("COPY") if "--from" not in text for word in text.split()[:-1]]
    kept = (ROOT / "docker" / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    assert {source.removeprefix("./") for source in sources} == {
        line.removeprefix("!") for line in kept if line.startswith("!")
    }
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_compose_keeps_to_its_schema():
    checker = [str(TOOLS / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    subprocess.run(checker, check=True)


def test_ports_are_published_on_loopback_alone(compose):
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert len(published) == 4
    assert [port for port in published if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)] == []


def test_a_secret_has_no_default():
    text = COMPOSE.read_text("utf-8")
    assert set(re.findall(r"\$\{(\w+):\?", text)) == SECRETS
    assert not SECRETS & set(re.findall(r"\$\{(\w+)(?!:\?|\w)", text))


def test_images_are_pinned(compose):
    images = {service["image"] for service in compose["services"].values()}
    assert [image for image in images if not re.search(r":\d+(\.\d+)+$", image)] == []


def test_every_service_lives_on(compose):
    once = {"bucket": "on-failure", "topic": "on-failure"}
    assert {name: one["restart"] for name, one in compose["services"].items()} == {
        name: once.get(name, "unless-stopped") for name in compose["services"]
    }
    # The image has a check of its own, which fits the stream.
    lacking = {name for name, one in compose["services"].items() if "healthcheck" not in one}
    assert lacking == {"stream", "topic"}
    ours = [one for one in compose["services"].values() if "build" in one]
    assert len(ours) == 5
    assert all(one["read_only"] and one["cap_drop"] == ["ALL"] for one in ours)


@pytest.mark.parametrize("service", ["stream", "thrift"])
def test_settings_are_understood(compose, monkeypatch, service):
    given = {**compose["services"][service]["environment"]}
    for name, value in given.items():
        monkeypatch.setenv(name, str(value))
    held = settings.load()
    assert held.spark == json.loads(given.get("LAKEHOUSE_SPARK", "{}"))
