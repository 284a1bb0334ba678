"""How far silver is behind bronze, told from the tables' files without Spark."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow.compute as pc

from conf import warehouse
from conf.home import Home
from conf.tables import BRONZE_DELIVERIES, BRONZE_EVENTS, TAKEN
from silver.publish import waiting


@dataclass(frozen=True)
class Lag:
    """Records that bronze has taken and silver has not published, and for how many seconds the oldest of
    them has lain there.
    """

    records: int = 0
    seconds: float = 0.0


def lag(home: Home) -> Lag:
    """How far silver is behind."""
    done, latest = waiting(home)
    if done == latest:
        return Lag()
    later = pc.field("batch_id") > done
    held = warehouse.state(home, BRONZE_EVENTS).to_pyarrow_dataset().count_rows(filter=later)
    of_later = [("batch_id", ">", done), ("batch_id", "<=", latest), ("status", "=", TAKEN)]
    deliveries = warehouse.state(home, BRONZE_DELIVERIES)
    oldest = pc.min(
        deliveries.to_pyarrow_table(columns=["ingested_at"], filters=of_later)["ingested_at"]
    ).as_py()
    return Lag(held, (datetime.now(UTC) - oldest).total_seconds() if oldest else 0.0)
