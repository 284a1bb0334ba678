"""Where one lakehouse keeps its things: every path below `<home>` is spelled here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from conf.tables import Table


@dataclass(frozen=True)
class Home:
    """The folder that holds one lakehouse."""

    root: Path

    @property
    def landing(self) -> Path:
        """Deliveries arrive here."""
        return self.root / "landing"

    @property
    def answers(self) -> Path:
        """The generator's answer key: what gold must be."""
        return self.root / "answers"

    @property
    def world(self) -> Path:
        """The generator's site: pages, placements, banners."""
        return self.root / "world"

    @property
    def warehouse(self) -> Path:
        """The Delta tables, one folder a layer."""
        return self.root / "warehouse"

    @property
    def set_aside(self) -> Path:
        """Files that could not be read as what their name says, at their path below landing."""
        return self.root / "quarantine" / "files"

    @property
    def staging(self) -> Path:
        """Scratch of the batch being read; emptied at each start."""
        return self.root / "state" / "staging"

    @property
    def scratch(self) -> Path:
        """Spark's own scratch space, on the same disk as the tables."""
        return self.root / "state" / "spark"

    @property
    def stamps(self) -> Path:
        """Which bytes each landing file held when it was last read; only spares reading them again."""
        return self.root / "state" / "stamps.json"

    @property
    def lock(self) -> Path:
        """Held while a verb writes."""
        return self.root / "lakehouse.lock"

    @property
    def logs(self) -> Path:
        """One structured log file a run."""
        return self.root / "logs"

    @property
    def reports(self) -> Path:
        """The site people look at."""
        return self.root / "reports"

    @property
    def reports_scratch(self) -> Path:
        """Where a new site is made before it takes the place of the old one, on the same disk."""
        return self.root / "state" / "reports"

    @property
    def metrics(self) -> Path:
        """What the last run did, for Prometheus' textfile collector."""
        return self.root / "metrics" / "lakehouse.prom"

    @property
    def holder(self) -> Path:
        """Who holds the lock."""
        return self.root / "state" / "holder.json"

    def table(self, table: Table) -> str:
        """The path of a Delta table."""
        return str(self.warehouse / table.layer / table.short_name)
