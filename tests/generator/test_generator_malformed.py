"""Every kind of malformed record is delivered, and breaks the rules it is said to break."""

import json

import numpy as np
import polars as pl
import pytest

from generator import csv_rows, jsonl, parquet_rows
from generator.draw import draw
from generator.malformed import RULES
from generator.world import Purpose, build, random

FORMATS = {"json": jsonl, "csv": csv_rows, "parquet": parquet_rows}
CARRIED = {"json": set(RULES), "csv": set(RULES), "parquet": set(RULES) - {"well_formed"}}


def counts(home):
    return json.loads((home.answers / "malformed.json").read_text())


@pytest.mark.parametrize("form", FORMATS)
def test_a_handful_breaks_every_rule(give, home, read, form):
    give(format=form, malformed=len(CARRIED[form]) / 3000)
    assert {rule for rule, broken in counts(home)["rules"].items() if broken} == CARRIED[form]
    assert set(read(home.landing).rules) == CARRIED[form]


@pytest.mark.parametrize("form", FORMATS)
def test_every_kind_takes_its_turn(give, home, form):
    kinds = [malformation.name for malformation in FORMATS[form].MALFORMATIONS]
    give(format=form, malformed=2 * len(kinds) / 3000)
    assert counts(home)["kinds"] == dict.fromkeys(sorted(kinds), 2)


@pytest.mark.parametrize("form", FORMATS)
def test_each_kind_breaks_its_rules_and_no_other(tmp_path, read, form):
    site = build(7)
    event = draw(random(7, Purpose.EVENTS), site, np.full(1, 1_772_400_000))
    write = FORMATS[form].writer(site)
    broken = {}
    for turn, kind in enumerate(FORMATS[form].MALFORMATIONS):
        record = event.with_columns(turn=pl.lit(turn))
        folder = tmp_path / kind.name
        folder.mkdir()
        (folder / f"one.{form}").write_bytes(write(random(7, Purpose.WRITING, turn), record).body)
        broken[kind.name] = dict(read(folder).rules)
    assert broken == {kind.name: dict.fromkeys(kind.rules, 1) for kind in FORMATS[form].MALFORMATIONS}


def test_counts_add_up_over_orders(give, home):
    give(malformed=0.01)
    one = counts(home)
    give(malformed=0.01, format="csv")
    both = counts(home)
    assert sum(both["kinds"].values()) == 2 * sum(one["kinds"].values()) == 60
    assert all(both["rules"][rule] > one["rules"][rule] for rule in RULES)


def test_none_when_none_are_asked_for(give, home, read):
    give(malformed=0)
    assert read(home.landing).refused == 0
    assert set(counts(home)["rules"].values()) == {0}
