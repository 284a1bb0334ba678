"""The installer's own decisions; what pip and Ivy do is shown by a fresh clone."""

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from conf import install
from conf.errors import LakehouseError


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(install, "ROOT", tmp_path)
    monkeypatch.setattr(install, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(install, "PYTHON", tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setattr(install, "SCRATCH", tmp_path / ".venv" / "tmp")
    return tmp_path


def free(mib, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=mib << 20))


def test_too_little_room_is_told_before_anything_is_written(checkout, monkeypatch):
    free(install.NEEDED_MIB - 1, monkeypatch)
    with pytest.raises(LakehouseError) as refused:
        install._check_space()
    assert str(refused.value) == (
        f"{checkout}: 4499 MiB are free there, installing needs 4500 MiB and keeps 2,400.\n"
        "Nothing was installed. Make room and run `make install` again."
    )
    assert not (checkout / ".venv").exists()


def test_what_is_installed_needs_no_more_room(checkout, monkeypatch):
    free(100, monkeypatch)
    (checkout / ".venv/lib/python3.11/site-packages/pyspark-4.2.0.dist-info").mkdir(parents=True)
    install._check_space()


def test_a_python_without_ensurepip_is_told_which_package_has_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    with pytest.raises(LakehouseError, match=f"install the package {package},"):
        install._check_machine()


def test_a_package_pip_was_cut_short_in_is_installed_again(tmp_path):
    for name, files in {"whole": ["METADATA", "RECORD", "INSTALLER"], "half": ["METADATA", "RECORD"]}.items():
        (tmp_path / f"{name}-1.dist-info").mkdir()
        for file in files:
            (tmp_path / f"{name}-1.dist-info" / file).touch()
    install.forget_unfinished(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["whole-1.dist-info"]


@pytest.mark.parametrize(
    ("made_for", "usable"),
    [
        pytest.param("{checkout}/.venv", True, id="this-folder"),
        pytest.param("/elsewhere{checkout}/.venv", False, id="a-folder-of-the-same-name"),
        pytest.param("{checkout}/.venv2", False, id="a-longer-name"),
    ],
)
def test_an_environment_made_for_another_folder_is_not_used(checkout, made_for, usable):
    (checkout / ".venv" / "bin").mkdir(parents=True)
    install.PYTHON.write_text("#!/bin/sh\n")
    install.PYTHON.chmod(0o755)
    command = f"command = /usr/bin/python3 -m venv {made_for.format(checkout=checkout)}\n"
    (checkout / ".venv" / "pyvenv.cfg").write_text(command)
    assert install._is_usable() is usable


def test_an_environment_whose_python_is_gone_is_not_used(checkout):
    (checkout / ".venv" / "bin").mkdir(parents=True)
    install.PYTHON.symlink_to(checkout / "gone")
    (checkout / ".venv" / "pyvenv.cfg").write_text(f"command = python3 -m venv {checkout}/.venv\n")
    assert not install._is_usable()


def test_the_lock_outlives_a_killed_installer_while_its_pip_works(checkout):
    lock = install._alone()
    pip = subprocess.Popen(["sleep", "60"], pass_fds=(lock,))
    os.close(lock)
    other = os.open(checkout, os.O_RDONLY)
    try:
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        pip.kill()
        pip.wait()
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        pip.kill()
        pip.wait()
        os.close(other)


def test_the_block_of_a_package_is_its_pin_and_hashes():
    lock = "a==1 \\\n    --hash=sha256:aa\nsetuptools==2 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
    lock += "    # via b\nsetuptools-x==3 \\\n    --hash=sha256:dd\n"
    assert install._block(lock, "setuptools") == (
        "setuptools==2 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n    # via b\n"
    )
