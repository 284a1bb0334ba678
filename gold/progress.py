"""How far gold has taken silver, and that said where nothing changed either."""

from __future__ import annotations

from conf import entries, feed, warehouse
from conf.errors import LakehouseError
from conf.home import Home
from conf.tables import GOLD, GOLD_RESTATEMENTS, SILVER_EVENTS, Table


def taken(home: Home) -> dict[Table, int]:
    """By statistics table, the version of silver.events that its numbers are counted from; 0 when none is."""
    source = warehouse.identity(home, SILVER_EVENTS)
    counted = {table: warehouse.marker(home, table, source) for table in GOLD}
    if not warehouse.exists(home, GOLD_RESTATEMENTS):
        return counted
    noted = warehouse.state(home, GOLD_RESTATEMENTS)
    return {
        table: max(version, noted.transaction_version(_unchanged(source, table, version)) or 0)
        for table, version in counted.items()
    }


def waiting(home: Home) -> tuple[int, int]:
    """(the silver version every gold table has taken, the silver version with something for one of them).

    Equal when nothing waits. Raises LakehouseError when gold has taken versions that silver does not hold.
    """
    if not warehouse.exists(home, SILVER_EVENTS):
        return 0, 0
    version = warehouse.state(home, SILVER_EVENTS).version()
    versions = taken(home).values()
    if max(versions) > version:
        raise LakehouseError(
            f"{home.table(SILVER_EVENTS)} ends at version {version}, but gold was counted from version "
            f"{max(versions)}: silver is an older copy.\nNothing was changed. Put the newer silver back; or "
            f"remove {home.warehouse / 'gold'} and run again: it is recounted from silver."
        )
    if not feed.has_changes(home, SILVER_EVENTS, min(versions), version):
        return version, version
    return min(versions), version


def note_unchanged(home: Home, upto: int) -> None:
    """Note that gold has taken silver up to this version, for tables that it gave nothing to change; commits
    nothing when each has noted it with its own changes.
    """
    source = warehouse.identity(home, SILVER_EVENTS)
    for table, version in taken(home).items():
        if version < upto:
            counted = warehouse.marker(home, table, source)
            entries.append([], home, GOLD_RESTATEMENTS, _unchanged(source, table, counted), upto)


def _unchanged(source: str, table: Table, version: int) -> str:
    """Under which name it is noted that silver gave this table nothing since that version: said of the
    table alone, it would stand for one that was lost, or put back from an older copy, as well.
    """
    return f"{source}/unchanged/{table.name}/{version}"
