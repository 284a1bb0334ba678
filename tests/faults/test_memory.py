"""Ten million events in one hour, half of them of one placement, in a heap of two gigabytes; and thirty
batches one after the other, of which nothing stays in memory.
"""

from __future__ import annotations

import gc
import random
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession

from conf import warehouse
from conf.home import Home
from conf.tables import EVENT_IDENTITY, GOLD, SILVER_EVENTS, STATISTICS
from tests.faults.arrival import deliver
from tests.faults.drawn import delivery, seconds_of
from tests.faults.in_process import take
from tests.faults.processes import ended
from tests.faults.small import AS_SHIPPED

HOUR = int(datetime(2026, 3, 2, 10, tzinfo=UTC).timestamp())
SEED = 83
HOT = "half-of-all"


def write_hour(file: Path, events: int) -> None:
    """One hour's JSON Lines, drawn by SEED: half of it of one placement, one line in fifty sent again."""
    # A hash of the line's number is a number drawn, the same whichever thread draws it.
    with duckdb.connect() as drawing:
        drawing.execute(
            f"""
            COPY (
                SELECT
                    {HOUR} + hash(event, {SEED}, 1) % 3600 AS timestamp,
                    (hash(event, {SEED}, 2) % 50 = 0)::INT AS event_type,
                    'banner-' || hash(event, {SEED}, 3) % 200 AS banner_id,
                    CASE hash(event, {SEED}, 4) % 2
                        WHEN 0 THEN '{HOT}' ELSE 'placement-' || hash(event, {SEED}, 5) % 500
                    END AS placement_id,
                    'page-' || hash(event, {SEED}, 6) % 5000 AS page_id,
                    'cookie-0000-' || hash(event, {SEED}, 7) % 3000000 AS user_id
                FROM (SELECT line - (line % 50 = 49)::INT AS event FROM range({events}) lines(line))
            ) TO '{file}' (FORMAT json)
            """
        )


def differing(home: Home, file: Path) -> dict[str, int]:
    """By table, how many rows differ from what DuckDB makes of the delivered lines; empty when none does."""
    found = {}
    with duckdb.connect() as asked:
        asked.execute("SET TimeZone = 'UTC'")
        asked.execute(
            f"""
            CREATE TABLE events AS
            SELECT DISTINCT to_timestamp(timestamp) AS event_time, event_type::INT AS event_type,
                banner_id, placement_id, page_id, user_id
            FROM read_json('{file}', format = 'newline_delimited', columns = {{
                timestamp: 'BIGINT', event_type: 'INT', banner_id: 'VARCHAR', placement_id: 'VARCHAR',
                page_id: 'VARCHAR', user_id: 'VARCHAR'
            }})
            """
        )
        wanted = {SILVER_EVENTS: f"SELECT {', '.join(EVENT_IDENTITY)} FROM events"}
        for table in GOLD:
            subject, unit = table.key
            bucket = "date_trunc('hour', event_time)" if unit == "hour" else "event_time::DATE"
            wanted[table] = (
                f"SELECT {subject}, {bucket} AS {unit}, count(*) FILTER (event_type = 0) AS views, "
                "count(*) FILTER (event_type = 1) AS clicks, count(DISTINCT user_id) AS distinct_users "
                f"FROM events GROUP BY ALL"
            )
        for table, query in wanted.items():
            columns = list(EVENT_IDENTITY) if table is SILVER_EVENTS else [*table.key, *STATISTICS]
            held = warehouse.state(home, table).to_pyarrow_table(columns=columns)
            asked.register("held", held)
            names = ", ".join(columns)
            here, there = f"(SELECT {names} FROM held)", f"({query})"
            [(count,)] = asked.sql(
                f"SELECT count(*) FROM (({here} EXCEPT ALL {there}) UNION ALL ({there} EXCEPT ALL {here}))"
            ).fetchall()
            if count or not held.num_rows:
                found[table.name] = count
            asked.unregister("held")
    return found


@pytest.mark.faults
@pytest.mark.timeout(7200)
def test_one_big_hour_in_a_small_heap(home):
    print(f"seed {SEED}")
    file = home.landing / "hour.jsonl"
    write_hour(file, 10_000_000)
    said = ended(home, "run", patience_s=7000, **(AS_SHIPPED | {"LAKEHOUSE_DRIVER_MEMORY": "2g"}))
    assert (said.status, said.is_plain) == (0, True), said.err
    assert differing(home, file) == {}


def heap_mib(spark: SparkSession) -> float:
    """What Java holds on to once Python has let go of all it can."""
    gc.collect()
    assert spark.sparkContext._jvm
    java = spark.sparkContext._jvm.java.lang
    for _ in range(3):
        java.System.gc()
        time.sleep(1)
    held = java.Runtime.getRuntime()
    return float(held.totalMemory() - held.freeMemory()) / (1 << 20)


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_nothing_of_a_batch_stays_in_memory(spark, lake):
    """A stream goes on for months. What was kept of each batch once was 14 MiB."""
    print(f"seed {SEED}")
    drawn, held = random.Random(SEED), []
    for number in range(30):
        deliver(lake, {f"{number}.jsonl": delivery(drawn, seconds_of(drawn, 200))})
        take(spark, lake)
        if number % 10 == 9:
            held.append(heap_mib(spark))
    print(f"MiB after 10, 20 and 30 batches: {held}")
    assert held[2] - held[0] < 60


def test_what_differs_is_found(home, tmp_path):
    """This check can fail: it does for a lakehouse that holds one event and one bucket of each kind."""
    file = tmp_path / "hour.jsonl"
    write_hour(file, 1000)
    lines = file.read_text("utf-8").splitlines()
    assert (len(lines), len(set(lines))) == (1000, 980)
    assert 400 < sum(HOT in line for line in lines) < 600
    now = datetime.fromtimestamp(HOUR, UTC)
    kinds = {
        "event_time": now,
        "hour": now,
        "day": now.date(),
        "event_type": 0,
        **dict.fromkeys(STATISTICS, 1),
    }
    for table in (SILVER_EVENTS, *GOLD):
        columns = EVENT_IDENTITY if table is SILVER_EVENTS else (*table.key, *STATISTICS)
        one = pa.Table.from_pylist([{name: kinds.get(name, "x") for name in columns}])
        write_deltalake(home.table(table), one)
    found = differing(home, file)
    assert found[SILVER_EVENTS.name] == 980 + 1
    assert set(found) == {SILVER_EVENTS.name, *[table.name for table in GOLD]}
