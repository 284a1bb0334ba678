"""Every query of the README, run; and where another engine speaks its dialect, the same answer there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from pyspark.sql import SparkSession

import generator
from conf import shell, warehouse
from conf.home import Home
from conf.tables import TABLES

README = Path(__file__).parents[2] / "README.md"
QUERIES = re.findall(r"```sql\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
SPARK_ONLY = ("LATERAL VIEW", "VERSION AS OF", "date_format")


@pytest.fixture(scope="module")
def lake(tmp_path_factory, pipeline, spark: SparkSession) -> Iterator[Home]:
    """Two days a week apart, then an hour with late events: a second version of every gold table."""
    home = Home(Path(tmp_path_factory.mktemp("home")))
    for run in (((2, 24), (9, 24)), ((10, 1),)):
        for day, hours in run:
            start = datetime(2026, 3, day, tzinfo=UTC)
            generator.generate(generator.Order(2_000, hours, start, 5, late=0.05, malformed=0.02), home)
        pipeline(home)
    for statement in shell.declarations(home):
        spark.sql(statement)
    yield home
    for table in TABLES:
        spark.sql(f"DROP TABLE {table.name}")


def test_the_readme_has_ten():
    assert len(QUERIES) == 10


@pytest.mark.parametrize("query", QUERIES, ids=range(1, len(QUERIES) + 1))
@pytest.mark.usefixtures("lake")
def test_query_answers(spark, query):
    assert spark.sql(query).count() > 0


@pytest.mark.parametrize(
    "query", [query for query in QUERIES if not any(word in query for word in SPARK_ONLY)]
)
def test_duckdb_answers_the_same(lake, spark, query):
    with duckdb.connect() as other:
        for table in TABLES:
            other.execute(f"CREATE SCHEMA IF NOT EXISTS {table.layer}")
            other.register("held", warehouse.state(lake, table).to_pyarrow_table())
            other.execute(f"CREATE TABLE {table.name} AS SELECT * FROM held")
        other.execute("SET TimeZone = 'UTC'")
        expected = [[str(cell) for cell in row] for row in other.sql(query).fetchall()]
    answered = [[str(cell) for cell in row] for row in spark.sql(query).collect()]
    assert [_plain(row) for row in answered] == [_plain(row) for row in expected]


def _plain(row: list[str]) -> list[str]:
    """Decimals and doubles print with other trailing zeros."""
    return [re.sub(r"(\.\d*?)0+$", r"\1", cell).rstrip(".") for cell in row]
