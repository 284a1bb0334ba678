"""The same order gives the same bytes, whenever it is given and however often."""

import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from datetime import timedelta

import pytest

from conf.errors import UsageError
from conf.home import Home
from generator import generate

FORMATS = [
    pytest.param({"format": "json"}, id="json"),
    pytest.param({"format": "csv"}, id="csv"),
    pytest.param({"format": "parquet"}, id="parquet"),
    pytest.param({"format": "json", "gzip": True}, id="json-gzip"),
    pytest.param({"format": "csv", "gzip": True}, id="csv-gzip"),
]


@pytest.mark.parametrize("form", FORMATS)
def test_same_seed_same_bytes(give, home, tmp_path, bytes_below, form):
    other = Home(tmp_path / "other")
    give(**form)
    give(into=other, **form)
    assert bytes_below(home.root) == bytes_below(other.root)
    assert len(bytes_below(home.landing)) == 10


@pytest.mark.parametrize("form", FORMATS[:3])
def test_another_seed_other_bytes(give, home, tmp_path, bytes_below, form):
    other = Home(tmp_path / "other")
    give(**form)
    give(into=other, **form, seed=8)
    assert not set(bytes_below(home.landing).values()) & set(bytes_below(other.landing).values())


def test_same_bytes_in_another_process(give, home, tmp_path, bytes_below, order):
    """Nothing hangs on the process: its hash seed, its threads, the worlds it built before."""
    give(format="csv", gzip=True)
    elsewhere = tmp_path / "elsewhere"
    program = f"""
        import datetime, pathlib, conf.home, generator
        order = generator.{order(format="csv", gzip=True)!r}
        generator.world.build(8)
        generator.generate(order, conf.home.Home(pathlib.Path({str(elsewhere)!r})))
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={"PYTHONHASHSEED": "1", "POLARS_MAX_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )
    assert bytes_below(home.root) == bytes_below(elsewhere)


def test_gzip_holds_no_clock(give, home, bytes_below):
    give(gzip=True, hours=2)
    assert [body[4:8] for body in bytes_below(home.landing).values()] == [bytes(4), bytes(4)]


def test_given_again_nothing_changes(give, home, order, bytes_below):
    give()
    give(start=order().start + timedelta(hours=10))
    before = bytes_below(home.root)
    again, later = give(), give(start=order().start + timedelta(hours=10))
    assert bytes_below(home.root) == before
    assert again.records + later.records == sum(
        body.count(b"\n") for body in bytes_below(home.landing).values()
    )


@pytest.mark.parametrize("stage", ["deliveries", "key"])
def test_cut_short_then_given_again(home, tmp_path, order, bytes_below, stage):
    def stop(at, *_):
        if at == stage:
            raise KeyboardInterrupt

    whole = Home(tmp_path / "whole")
    generate(order(), whole)
    with pytest.raises(KeyboardInterrupt):
        generate(order(), home, stop)
    assert bytes_below(home.root) != bytes_below(whole.root)
    generate(order(), home)
    assert bytes_below(home.root) == bytes_below(whole.root)


def test_cut_short_blocks_other_orders(home, order):
    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(order(), home, stop)
    with pytest.raises(UsageError, match="Complete it first: lakehouse generate --events 3000 --hours 10 "):
        generate(replace(order(), seed=9), home)


def test_progress_is_told(home, order):
    told = []
    generate(order(hours=4), home, lambda *step: told.append(step))
    assert told == [("deliveries", n, 4) for n in range(5)] + [("key", 1, 1)]
