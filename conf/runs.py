"""What each run did, told by the commits it made: every commit notes its run."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from conf import notes, warehouse
from conf.errors import UsageError
from conf.home import Home
from conf.shown import Shown
from conf.tables import TABLES, Table

ADDED = ("numTargetRowsInserted", "numOutputRows", "num_added_rows")
CHANGED = ("numTargetRowsUpdated", "numUpdatedRows")
REMOVED = ("numTargetRowsDeleted", "numDeletedRows")
"""What Delta calls rows that a commit added, changed, removed: of a MERGE, of a write, of one by delta-rs."""

REWRITES = ("OPTIMIZE", "VACUUM START", "VACUUM END")
"""Commits that change no row, however many they write."""


@dataclass(frozen=True)
class Commit:
    """One version of one table; `batch` is the bronze batch it brought, where it brought one."""

    table: str
    version: int
    at: datetime
    run: str
    verb: str
    who: str
    operation: str
    batch: int | None
    added: int
    changed: int
    removed: int


@dataclass(frozen=True)
class Run:
    """One run: the commits it made, and the version of every table after it."""

    run: str
    verb: str
    who: str
    began: datetime
    ended: datetime
    batches: list[int]
    commits: list[Commit]
    versions: dict[str, int]


def commits(home: Home, table: Table) -> list[Commit]:
    """The table's versions, newest first."""
    if not warehouse.exists(home, table):
        return []
    return [_commit(table, entry) for entry in warehouse.state(home, table).history()]


def _commit(table: Table, entry: dict[str, Any]) -> Commit:
    note, metrics = notes.noted(entry), entry.get("operationMetrics", {})
    operation = entry.get("operation", "")

    of_rows = {} if operation in REWRITES else metrics
    parameters = entry.get("operationParameters", {})
    # A table written anew says how many rows it has now, not which of them are new.
    is_anew = parameters.get("mode") == "Overwrite" and "predicate" not in parameters
    added, changed = ((), ADDED) if is_anew else (ADDED, CHANGED)

    def rows(names: tuple[str, ...]) -> int:
        return int(next((of_rows[name] for name in names if name in of_rows), 0))

    return Commit(
        table=table.name,
        version=entry["version"],
        at=datetime.fromtimestamp(entry["timestamp"] / 1000, UTC),
        run=str(note.get("run", "")),
        verb=str(note.get("verb", "")),
        who=str(note.get("who", "")),
        operation=operation,
        batch=None if table.layer == "gold" else note.get("upto"),
        added=rows(added),
        changed=rows(changed),
        removed=rows(REMOVED),
    )


def noted_since(home: Home, table: Table, after: int) -> dict[int, dict[str, Any]]:
    """By version later than `after`, what its commit noted: run, verb, who and facts of its own."""
    held = warehouse.state(home, table)
    if after >= held.version():
        return {}
    return {commit["version"]: notes.noted(commit) for commit in held.history(limit=held.version() - after)}


def history(home: Home) -> list[Run]:
    """Every run of which a commit is still in the log, newest first."""
    by_table = {table: commits(home, table) for table in TABLES}
    by_run: dict[str, list[Commit]] = {}
    for commit in (commit for made in by_table.values() for commit in made if commit.run):
        by_run.setdefault(commit.run, []).append(commit)
    runs = [_run(made, by_table) for made in by_run.values()]
    return sorted(runs, key=lambda run: run.ended, reverse=True)


def _run(made: list[Commit], by_table: dict[Table, list[Commit]]) -> Run:
    ended = max(commit.at for commit in made)
    versions = {
        table.name: max((commit.version for commit in held if commit.at <= ended), default=-1)
        for table, held in by_table.items()
    }
    return Run(
        run=made[0].run,
        verb=made[0].verb,
        who=made[0].who,
        began=min(commit.at for commit in made),
        ended=ended,
        batches=sorted({commit.batch for commit in made if commit.batch is not None}),
        commits=made,
        versions={name: version for name, version in versions.items() if version >= 0},
    )


def versions(home: Home, run: str) -> dict[str, int]:
    """The version of every table that existed after that run.

    Raises UsageError when no commit of such a run is in the log.
    """
    runs = history(home)
    for one in runs:
        if one.run == run:
            return one.versions
    close = difflib.get_close_matches(run, [one.run for one in runs], n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise UsageError(
        f"{home.root}: no commit of a run {run!r} is known.{hint} `lakehouse history` lists the runs."
    )


def table_named(name: str) -> Table:
    """The table of that name; raises UsageError when there is none."""
    for table in TABLES:
        if table.name == name:
            return table
    raise UsageError(f"No table {name!r}. There are: {', '.join(table.name for table in TABLES)}.")


COMMIT_COLUMNS = ("version", "when (UTC)", "run", "operation", "added", "changed", "removed")


def commit_row(commit: Commit) -> tuple[object, ...]:
    """As COMMIT_COLUMNS names it."""
    return (
        commit.version,
        f"{commit.at:%Y-%m-%d %H:%M:%S}",
        f"{commit.run} {commit.verb}".strip(),
        commit.operation,
        commit.added,
        commit.changed,
        commit.removed,
    )


def run_table(run: Run) -> Shown:
    """Title, columns and rows: what each table gained by the run, and its version after it."""
    batches = f", batches {', '.join(map(str, run.batches))}" if run.batches else ""
    when = f"{run.began:%Y-%m-%d %H:%M:%S} to {run.ended:%H:%M:%S} UTC"
    title = f"{run.run}: {run.verb} by {run.who}, {when}{batches}"
    gained = {name: [0, 0, 0] for name in run.versions}
    for commit in run.commits:
        for place, count in enumerate((commit.added, commit.changed, commit.removed)):
            gained[commit.table][place] += count
    rows = [(name, *gained[name], version) for name, version in run.versions.items()]
    return title, ("table", "added", "changed", "removed", "version after"), rows


def told(home: Home, table: str | None, limit: int) -> tuple[list[Any], list[Shown]]:
    """The newest runs, or the newest versions of that one table, and how a person is shown them.

    Raises UsageError when there is no such table.
    """
    if table is None:
        made = history(home)[:limit]
        return list(made), [run_table(run) for run in made]
    versions = commits(home, table_named(table))[:limit]
    return list(versions), [(table, COMMIT_COLUMNS, [commit_row(commit) for commit in versions])]
