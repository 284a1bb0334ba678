"""What the README gives to copy into a scheduler is no prose: it compiles, and names verbs that exist."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import typer

import lakehouse

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
CRON = "".join(re.findall(r"```cron\n(.*?)```", README, re.DOTALL))
PYTHON = dict(zip(("airflow", "dagster"), re.findall(r"```python\n(.*?)```", README, re.DOTALL), strict=True))


def verbs() -> set[str]:
    return set(typer.main.get_command(lakehouse.app).commands)  # type: ignore[attr-defined]


def test_cron_runs_verbs_that_exist():
    asked = re.findall(r"bin/lakehouse (\w+)", CRON)
    assert len(asked) == 3
    assert set(asked) <= verbs()


@pytest.mark.parametrize("scheduler", PYTHON)
def test_a_snippet_compiles_and_runs_verbs_that_exist(scheduler):
    compile(PYTHON[scheduler], scheduler, "exec")
    asked = re.findall(r"""(?:\)|LAKEHOUSE, )\(?"(\w+)\"""", PYTHON[scheduler])
    assert asked
    assert set(asked) <= verbs()


@pytest.mark.parametrize("scheduler", PYTHON)
def test_a_snippet_is_understood_where_its_scheduler_is_installed(scheduler):
    if importlib.util.find_spec(scheduler) is None:
        pytest.skip(f"{scheduler} is not installed here")
    exec(compile(PYTHON[scheduler], scheduler, "exec"), {"__name__": "snippet"})
