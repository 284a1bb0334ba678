"""The four answers by DuckDB: `python -m tests.bench.plain_duckdb LANDING ANSWERS`.

Read, judged and made distinct in memory, counted, the answers written; nothing else is kept. As strict as
the deliveries ask for, no more: an id is one when it looks as the ids here do, and what an odd record says
is taken where the same event was delivered in the usual way as well. To DuckDB that costs nothing measurable.
A user id is 16 hexadecimal digits: as a number it is counted fastest.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

EVENTS = """
CREATE TEMP TABLE events AS
SELECT timestamp // 3600 AS hour, event_type, placement_id, page_id, user_id
FROM (
    SELECT try_cast(timestamp AS BIGINT) AS timestamp, event_type, banner_id, placement_id, page_id,
        try_cast('0x' || user_id AS UBIGINT) AS user_id
    FROM read_json(
        '{landing}/*.jsonl', format = 'newline_delimited', ignore_errors = true,
        columns = {{
            timestamp: 'VARCHAR', event_type: 'VARCHAR', banner_id: 'VARCHAR',
            placement_id: 'VARCHAR', page_id: 'VARCHAR', user_id: 'VARCHAR'
        }}
    )
    WHERE event_type IN ('0', '1') AND timestamp NOT LIKE '%.%'
        AND banner_id LIKE 'b-%' AND placement_id LIKE '%-%' AND page_id LIKE 'p-%'
)
WHERE timestamp BETWEEN epoch(TIMESTAMP '2000-01-01') AND epoch(now()) + 3600 AND user_id IS NOT NULL
GROUP BY timestamp, event_type, banner_id, placement_id, page_id, user_id
"""

BUCKETS = {
    "hourly": "hour, make_timestamp(hour * 3_600_000_000)",
    "daily": "day, make_timestamp(hour // 24 * 86_400_000_000)::DATE",
}

ANSWER = """
COPY (
    SELECT
        {subject}_id,
        {start} AS {bucket},
        count(*) FILTER (event_type = '0') AS views,
        count(*) FILTER (event_type = '1') AS clicks,
        count(DISTINCT user_id) AS distinct_users
    FROM events GROUP BY ALL
) TO '{answers}/{subject}_{every}.parquet'
"""


def main(landing: Path, answers: Path) -> None:
    """Write `placement_hourly.parquet` and its like."""
    with duckdb.connect(config={"preserve_insertion_order": False}) as database:
        database.execute(EVENTS.format(landing=landing))
        for subject in ("placement", "page"):
            for every, bucket in BUCKETS.items():
                name, start = bucket.split(", ", 1)
                database.execute(
                    ANSWER.format(subject=subject, every=every, bucket=name, start=start, answers=answers)
                )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
