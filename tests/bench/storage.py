"""Bytes an event takes in each layer, against the gzip JSON it came from; of what the backlog left."""

from __future__ import annotations

import gzip
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.compute as pc

from conf import sizes, warehouse
from conf.home import Home
from conf.tables import BRONZE_EVENTS, GOLD, SILVER_EVENTS, Table
from tests.bench.backlog import home_of_ours
from tests.bench.part import Row, command, keep, options, say

LEVEL = 6
LAYERS: dict[str, tuple[tuple[Table, ...], str]] = {
    "bronze.events": ((BRONZE_EVENTS,), "≤ 1.0 ×"),
    "silver.events": ((SILVER_EVENTS,), "≤ 0.7 ×"),
    "gold, four tables": (GOLD, ""),
}


def compressed(file: Path) -> int:
    """Bytes of a delivery as gzip would send it."""
    return len(gzip.compress(file.read_bytes(), LEVEL))


def of_deliveries(home: Home) -> int:
    """The same of everything in landing; counted once, for it takes longer than everything else."""
    kept = home.root / "gzip.json"
    if not kept.exists():
        say(f"compressing {home.landing}")
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            kept.write_text(json.dumps(sum(pool.map(compressed, sorted(home.landing.iterdir())))), "utf-8")
    return int(json.loads(kept.read_text("utf-8")))


def main() -> None:
    """Weigh, and print."""
    given = options("storage", "Bytes an event takes in each layer; run the backlog first.").parse_args()
    folder: Path = given.folder.absolute()
    home = home_of_ours(folder)
    if not home.warehouse.exists():
        raise SystemExit(f"{home.root}: no lakehouse there. {command('backlog', only='ours')} makes it.")
    events = int(pc.sum(warehouse.files(home, SILVER_EVENTS)["num_records"]).as_py())
    sent = of_deliveries(home)
    rows = [
        Row(
            f"gzip -{LEVEL} JSON, {events:,} events",
            "",
            f"{sent / events:.1f} bytes an event",
            command("storage"),
        )
    ]
    for what, (tables, target) in LAYERS.items():
        total = sum(sizes.of_table(home, table) for table in tables)
        measured = f"{total / sent:.2f} ×, {total / events:.1f} bytes an event"
        rows.append(Row(what, target, measured, command("storage")))
    keep(folder, "storage", rows)


if __name__ == "__main__":
    main()
