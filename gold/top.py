"""The busiest placements of the newest day, for whoever has just run the pipeline."""

from __future__ import annotations

import polars as pl

from conf import warehouse
from conf.home import Home
from conf.shown import Shown
from conf.tables import PLACEMENT_DAILY

MOST = 5
COLUMNS = ("placement", "views", "clicks", "click-through %", "distinct users")


def placements(home: Home) -> list[Shown]:
    """Title, columns and rows; none when gold holds nothing."""
    if not warehouse.exists(home, PLACEMENT_DAILY):
        return []
    rows = pl.DataFrame(warehouse.state(home, PLACEMENT_DAILY).to_pyarrow_table())
    if rows.is_empty():
        return []
    newest = rows.filter(pl.col("day") == pl.col("day").max())
    busiest = newest.sort("views", "placement_id", descending=[True, False]).head(MOST)
    shown = [
        (
            row["placement_id"],
            row["views"],
            row["clicks"],
            100 * row["clicks"] / row["views"] if row["views"] else 0.0,
            row["distinct_users"],
        )
        for row in busiest.to_dicts()
    ]
    return [(f"Top placements on {newest['day'].first()!s} (UTC)", COLUMNS, shown)]
