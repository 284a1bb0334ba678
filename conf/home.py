"""Where one lakehouse keeps its things: every path below `<home>` is spelled here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from conf.objects import address
from conf.tables import Table


@dataclass(frozen=True)
class Home:
    """The folder that holds one lakehouse.

    One in object storage keeps there what it is made of and what people ask for, and those paths are of
    another kind that speaks as `Path` does (`objects.far` tells which); logs and scratch are this machine's,
    below `on_this_machine`.
    """

    root: Path
    on_this_machine: Path | None = None

    @property
    def here(self) -> Path:
        """Where this machine keeps what is its own."""
        return self.on_this_machine or self.root

    def shared(self, path: Path) -> Path:
        """Where everyone finds what lies at a path of this machine: there too, but in object storage."""
        return self.root / path.relative_to(self.here).as_posix()

    @property
    def landing(self) -> Path:
        """Deliveries arrive here."""
        return self.root / "landing"

    @property
    def outgoing(self) -> Path:
        """Where the generator delivers: landing itself, or what is sent there."""
        return self.here / "landing"

    @property
    def answers(self) -> Path:
        """The generator's answer key: what gold must be."""
        return self.here / "answers"

    @property
    def world(self) -> Path:
        """The generator's site: pages, placements, banners."""
        return self.here / "world"

    @property
    def warehouse(self) -> Path:
        """The Delta tables, one folder a layer."""
        return self.root / "warehouse"

    @property
    def versions(self) -> Path:
        """The version each table had when a verb last left them."""
        return self.warehouse / "versions.json"

    @property
    def set_aside(self) -> Path:
        """Files that could not be read as what their name says, at their path below landing."""
        return self.root / "quarantine" / "files"

    @property
    def staging(self) -> Path:
        """Scratch of the batch being read; emptied at each start."""
        return self.here / "state" / "staging"

    @property
    def scratch(self) -> Path:
        """Spark's own scratch space, on the same disk as the tables where those are on one."""
        return self.here / "state" / "spark"

    @property
    def stamps(self) -> Path:
        """Which bytes each landing file held when it was last read; only spares reading them again."""
        return self.root / "state" / "stamps.json"

    @property
    def lock(self) -> Path:
        """Held while a verb writes, by a process of this machine."""
        return self.here / "lakehouse.lock"

    @property
    def lease(self) -> Path:
        """The same for every machine that writes to a lakehouse in object storage."""
        return self.root / "lakehouse.lock"

    @property
    def logs(self) -> Path:
        """One structured log file a run."""
        return self.here / "logs"

    @property
    def reports(self) -> Path:
        """The site people look at."""
        return self.here / "reports"

    @property
    def reports_scratch(self) -> Path:
        """Where a new site is made before it takes the place of the old one, on the same disk."""
        return self.here / "state" / "reports"

    @property
    def metrics(self) -> Path:
        """What the last run did, for Prometheus' textfile collector."""
        return self.here / "metrics" / "lakehouse.prom"

    @property
    def holder(self) -> Path:
        """Who holds the lock."""
        return self.here / "state" / "holder.json"

    def table(self, table: Table) -> str:
        """The path or address of a Delta table."""
        return address(self.folder(table))

    def folder(self, table: Table) -> Path:
        """The folder of a Delta table."""
        return self.warehouse / table.layer / table.short_name
