"""Whether the tables are whole, and no older than this lakehouse last left them.

What a table has taken stands in the table itself, so one that was lost, or put back from an older copy, says
that less was done than the tables beside it were told. Some of that shows in their markers; what does not is
told by the versions that the last verb left, kept with the tables. They only ever keep a verb from starting:
without that file nothing is lost but this witness.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from conf import objects
from conf.errors import LakehouseError
from conf.home import Home
from conf.tables import GOLD, TABLES, Table

LOST = -1
"""The version of a table that is not there."""

POINTER = "_last_checkpoint"
_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\.(?:\d+\.\d+\.)?parquet")


def check(home: Home) -> None:
    """Raise LakehouseError for a table whose log is damaged, or that is older than it was left."""
    for table in TABLES:
        if told := damaged(home, table):
            raise LakehouseError(told)
    left = _left(home)
    for table in TABLES:
        version = newest(home, table)
        if version < left.get(table.name, LOST) and not _is_made_again(home, table):
            raise LakehouseError(_older(home, table, version, left[table.name]))


def note(home: Home) -> None:
    """Keep the version every table has now."""
    now = {table.name: newest(home, table) for table in TABLES}
    if now != _left(home) and set(now.values()) != {LOST}:
        objects.write_whole(home.versions, json.dumps(now))


def newest(home: Home, table: Table) -> int:
    """The table's version, told by the names in its log."""
    names = [file.name for file in _log(home, table).glob("*.*")]
    found = [_COMMIT.fullmatch(name) or _CHECKPOINT.fullmatch(name) for name in names]
    return max((int(named[1]) for named in found if named), default=LOST)


def _log(home: Home, table: Table) -> Path:
    return home.folder(table) / "_delta_log"


def _numbered(log: Path, pattern: re.Pattern[str]) -> dict[int, list[Path]]:
    """By version, the files of its log so named."""
    found = defaultdict(list)
    for file in log.glob("*.*"):
        if named := pattern.fullmatch(file.name):
            found[int(named[1])].append(file)
    return found


def _left(home: Home) -> dict[str, int]:
    try:
        held = json.loads(home.versions.read_text("utf-8"))
        return {name: int(version) for name, version in held.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _is_made_again(home: Home, table: Table) -> bool:
    """Whether the next run makes it again from what is left: statistics by their own markers, and silver or
    gold when the whole layer was taken away.
    """
    of_layer = {newest(home, other) for other in TABLES if other.layer == table.layer}
    return table in GOLD or (table.layer != "bronze" and of_layer == {LOST})


def _older(home: Home, table: Table, version: int, left: int) -> str:
    is_at = "is not there" if version == LOST else f"ends at version {version}"
    return (
        f"{home.table(table)} {is_at}, but {table.name} was at version {left} when this lakehouse was last "
        "written: it was lost, or put back from an older copy.\n"
        f"Nothing was changed. Put the newer copy back; or {_otherwise(home, table)}"
    )


def _otherwise(home: Home, table: Table) -> str:
    """What to do where no newer or whole copy is left."""
    if table.layer == "bronze":
        return (
            f"while {home.landing} holds every delivery, remove {home.warehouse} and run again: all of it is "
            "taken anew."
        )
    gold = home.warehouse / "gold"
    if table.layer == "silver":
        silver = home.warehouse / "silver"
        return f"remove {silver} and {gold} and run again: both are rebuilt from bronze, under today's suite."
    return f"remove {gold} and run again: it is recounted from silver, and its log begins anew."


def damaged(home: Home, table: Table) -> str:
    """What is wrong with the table's log, and what to do; empty when it is whole, or lies in object storage,
    which keeps what it took. Not to be asked while it is written.
    """
    log = _log(home, table)
    if objects.far(log) or not log.is_dir():
        return ""
    commits, checkpoints = _numbered(log, _COMMIT), _numbered(log, _CHECKPOINT)
    if not (commits or checkpoints):
        return ""
    broken = [file for file in checkpoints.get(max(checkpoints, default=LOST), []) if not _is_parquet(file)]
    pointer, pointed = log / POINTER, _pointed(log)
    if broken:
        base = max((version for version in checkpoints if version < max(checkpoints)), default=LOST)
        what, files = f"{broken[0]} is damaged: it is no whole checkpoint", [*broken, pointer]
    elif pointed is not None and pointed not in checkpoints:
        base = max(checkpoints, default=LOST)
        what, files = f"{pointer} names no checkpoint that is there", [pointer]
    else:
        return _broken_commit(home, table, commits, max(checkpoints, default=LOST))
    spared = " and ".join(str(file) for file in files)
    if _broken_commit(home, table, commits, base):
        advice = f"Put {spared} back from a copy; or {_otherwise(home, table)}"
    else:
        advice = f"Remove {spared} and run again: all of it stands in the commits beside it as well."
    return f"{table.name}: {what}.\nNothing was changed. {advice}"


def _broken_commit(home: Home, table: Table, commits: dict[int, list[Path]], base: int) -> str:
    """What is wrong with the commits past the checkpoint of version `base`, and with the newest, whose time
    stands in it alone; empty when nothing is.
    """
    last = max([*commits, base])
    for version in range(min(base + 1, last), last + 1):
        file = _log(home, table) / f"{version:020}.json"
        if version in commits and _is_commit(file):
            continue
        what = "is damaged: it is no whole commit" if version in commits else "is not there"
        return (
            f"{table.name}: {file} {what}.\n"
            f"Nothing was changed. Put it back from a copy; or {_otherwise(home, table)}"
        )
    return ""


def _pointed(log: Path) -> int | None:
    """The version of the checkpoint that readers are pointed to; None when they look for it themselves: so
    they do where the pointer is no whole one, as a process leaves it that is killed while it writes it.
    """
    try:
        return int(json.loads((log / POINTER).read_text("utf-8"))["version"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _is_parquet(file: Path) -> bool:
    try:
        pq.read_metadata(file)
    except pa.ArrowInvalid:
        return False
    return True


def _is_commit(file: Path) -> bool:
    try:
        actions = [json.loads(line) for line in file.read_bytes().splitlines() if line.strip()]
    except ValueError:
        return False
    return bool(actions)
