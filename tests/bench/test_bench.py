"""That the benchmark compares like with like: everyone gives the same answers, and a wrong one is found."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from conf import warehouse
from conf.home import Home
from conf.tables import GOLD
from tests.bench import answers, deliveries, history, lakes, plain_duckdb, plain_polars, plain_spark
from tests.bench.feed import lags
from tests.bench.measured import Watch

EVENTS = 3_000


@pytest.fixture(scope="module", params=[False, True], ids=["read-alike", "every-kind-of-dirt"])
def is_strict(request) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def delivered(tmp_path_factory, is_strict) -> Home:
    home = Home(Path(tmp_path_factory.mktemp("home")))
    deliveries.generate(home, EVENTS, strict=is_strict)
    return home


def test_duckdb_gives_the_key(delivered, tmp_path):
    plain_duckdb.main(delivered.landing, tmp_path)
    answers.check(answers.in_parquet(tmp_path), answers.key(delivered))


def test_polars_gives_the_key(delivered, tmp_path, is_strict):
    plain_polars.main(delivered.landing, tmp_path, is_strict=is_strict)
    answers.check(answers.in_parquet(tmp_path), answers.key(delivered))


def test_plain_spark_gives_the_key(spark, delivered, tmp_path, is_strict):
    plain_spark.write(spark, delivered.landing, tmp_path, strict=is_strict)
    answers.check(answers.in_delta(tmp_path), answers.key(delivered))


@pytest.mark.parametrize("table", GOLD, ids=lambda table: table.short_name)
@pytest.mark.parametrize(
    "spoilt",
    [
        pytest.param(lambda rows: rows[1:], id="a-row-missing"),
        pytest.param(lambda rows: pl.concat([rows, rows[:1]]), id="a-row-twice"),
        pytest.param(lambda rows: rows.with_columns(pl.col("clicks") + 1), id="clicks"),
        pytest.param(
            lambda rows: rows.with_columns(distinct_users=pl.col("distinct_users").shift(1, fill_value=0)),
            id="users",
        ),
    ],
)
def test_a_wrong_answer_is_found(delivered, table, spoilt):
    key = answers.key(delivered)
    with pytest.raises(answers.WrongAnswerError, match=table.short_name):
        answers.check(key | {table.short_name: spoilt(key[table.short_name])}, key)


def test_a_history_can_be_gone_on_from(spark, home, monkeypatch):
    monkeypatch.delitem(warehouse.BY_SPARK, "delta.enableInCommitTimestamps")
    # The tests' session forgets most of what it ran: there is nothing to count.
    monkeypatch.setattr(lakes, "cost", lambda _, step: step())
    warehouse.create_missing(spark, home)
    history.write(home, hours=2, events=200)
    lake = lakes.Lake(home, 2)
    lakes.look(spark, lake)
    lakes.take(spark, lake, "hour.jsonl", lakes.hourly(history.END, 200))
    lakes.look(spark, lake)
    lakes.check(lake)


def test_a_file_lags_until_gold_shows_all_of_it():
    appeared = [(10.0, 100), (11.0, 200), (12.0, 300)]
    shown = [(0.0, 0), (13.0, 200), (16.0, 300)]
    assert lags(appeared, shown) == [3.0, 2.0, 4.0]


def test_memory_that_only_one_look_finds_is_not_counted():
    held = iter([100, 400, 200, 200, 100])
    process: Any = SimpleNamespace(
        pid=1,
        children=lambda **_: [],
        oneshot=nullcontext,
        cpu_times=lambda: SimpleNamespace(user=0.0, system=0.0),
        memory_info=lambda: SimpleNamespace(rss=next(held)),
    )
    watch = Watch(process)
    for _ in range(5):
        watch.look()
    assert watch.peak_bytes == 200
