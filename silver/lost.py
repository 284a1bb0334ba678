"""Days of silver.events of which a file is lost: rebuilt whole, for what else they held may be gone too."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from delta.tables import DeltaTable
from pyspark.sql import functions as F

from conf import upkeep
from conf.errors import LakehouseError
from conf.home import Home
from conf.tables import SILVER_EVENTS
from silver.suites import HOURS, Decision
from silver.window import Window

PARTITION = re.compile(r"event_date=(\d{4}-\d{2}-\d{2})/")


def days(home: Home, decision: Decision) -> list[date]:
    """The days that have lost a file; raises LakehouseError unless the decision rebuilds all of each."""
    files = [finding.where["file"] for finding in upkeep.lost_files(home, SILVER_EVENTS)]
    lost = sorted({date.fromisoformat(found[1]) for file in files if (found := PARTITION.search(file))})
    for day in lost:
        first = datetime(day.year, day.month, day.day, tzinfo=UTC)
        begins = decision.kind == HOURS and decision.hours[0] <= first
        if not (begins and first + timedelta(days=1) <= decision.hours[1]):
            raise LakehouseError(
                f"silver.events has lost a file of {day}. Nothing was changed.\n"
                "Put the file back (`lakehouse verify` names it), or rebuild that whole day first: "
                f"lakehouse reprocess --from {day} --to {day + timedelta(days=1)}"
            )
    return lost


def take_out(window: Window, lost: list[date]) -> None:
    """Take the days out of silver.events whole, which reads none of their files."""
    if lost:
        table = DeltaTable.forPath(window.spark, window.home.table(SILVER_EVENTS))
        table.delete(F.col("event_date").isin(lost))
