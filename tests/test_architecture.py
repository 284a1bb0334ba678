"""The tree is the architecture: who may import whom, what may lie where, how long a file may get."""

from __future__ import annotations

import ast
import gc
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("bronze", "silver", "gold", "generator")
OURS = {*LAYERS, "conf", "lakehouse"}
ENTRIES = {
    ".ci",
    ".gitignore",
    "LICENSE",
    "Makefile",
    "README.md",
    "bronze",
    "conf",
    "docker",
    "generator",
    "gold",
    "lakehouse.py",
    "pyproject.toml",
    "requirements.txt",
    "silver",
    "tests",
}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def parsed(module: Path) -> ast.Module:
    # CPython up to 3.11.7 counts the depth of all parsers in one place (gh-106905); a collection in the midst
    # of one may let another thread parse, and the count is off: a SystemError.
    gc.disable()
    try:
        return ast.parse(module.read_text("utf-8"))
    finally:
        gc.enable()


def imports(module: Path) -> set[str]:
    """Top-level names of ours that the module imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            names.add((node.module or "").split(".")[0])
    return names & OURS


def prints(module: Path) -> list[int]:
    calls = (node for node in ast.walk(parsed(module)) if isinstance(node, ast.Call))
    return [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_conf_and_itself_alone(layer):
    assert modules(layer)
    assert {module.name: imports(module) - {"conf", layer} for module in modules(layer)} == {
        module.name: set() for module in modules(layer)
    }


def test_conf_imports_no_layer():
    assert set().union(*map(imports, modules("conf"))) == {"conf"}


def test_the_command_line_alone_knows_every_layer():
    assert imports(ROOT / "lakehouse.py") == {*LAYERS, "conf"}


@pytest.mark.parametrize("package", [*LAYERS, "conf"])
def test_a_file_fits_in_the_head(package):
    lengths = {
        str(file.relative_to(ROOT)): len(file.read_text("utf-8").splitlines()) for file in modules(package)
    }
    assert {file: lines for file, lines in lengths.items() if lines > 250} == {}


def test_the_command_line_fits_in_the_head():
    assert len((ROOT / "lakehouse.py").read_text("utf-8").splitlines()) <= 520


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_never_prints(layer):
    assert {module.name: prints(module) for module in modules(layer) if prints(module)} == {}


@pytest.mark.parametrize("package", [*LAYERS, "conf"])
def test_a_package_says_what_it_promises_and_does_nothing_at_import(package):
    module = parsed(ROOT / package / "__init__.py")
    assert "promise" in (ast.get_docstring(module) or "").lower()
    if package != "generator":  # its one function is its interface
        assert len(module.body) == 1


def test_nothing_else_lies_at_the_top():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {path.split("/")[0] for path in listed.stdout.splitlines()} - ENTRIES == set()
