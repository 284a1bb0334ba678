"""What one bronze step took, and what it says of the files it could not take."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from conf import objects
from conf.settings import KAFKA, Settings


@dataclass(frozen=True)
class Intake:
    """What one bronze step did. `set_aside` holds (source, where it lies now, reason), `unreadable`
    (source, reason). Of Kafka, `files` counts partitions, `offsets` those the batch spans, and `left` those
    that were seen and left to the next batch.
    """

    batch_id: int | None = None
    files: int = 0
    records: int = 0
    bytes: int = 0
    parts: str = "files"
    offsets: int = 0
    left: int = 0
    set_aside: list[tuple[str, Path, str]] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)

    def __add__(self, later: Intake) -> Intake:
        """Both, where a run takes several batches."""
        return replace(
            later,
            files=max(self.files, later.files),
            records=self.records + later.records,
            bytes=self.bytes + later.bytes,
            offsets=self.offsets + later.offsets,
            set_aside=self.set_aside + later.set_aside,
        )

    def rows(self) -> list[tuple[str, int]]:
        """What a person is shown: what came, how much."""
        return [(f"records delivered ({self.parts}: {self.files:,})", self.records)] if self.batch_id else []

    def said(self) -> str:
        """What came, in a few words; empty when nothing did."""
        return f"batch {self.batch_id}: {self.records:,} records" if self.batch_id else ""

    def warnings(self, landing: Path) -> list[str]:
        """What a person has to know of files that did not go through."""
        said = []
        for source, path, reason in self.set_aside:
            lies = (
                "stays in landing"
                if objects.address(path).startswith(objects.address(landing))
                else f"was set aside as {objects.address(path)}"
            )
            said.append(
                f"{source}: {reason}.\nThe file {lies}; the others went through.\n"
                "Correct it, put it back under landing, and run `lakehouse run` again."
            )
        for source, reason in self.unreadable:
            said.append(
                f"{source}: could not be read ({reason}). It stays in landing; the others went through.\n"
                "Make it readable for this user, or take it away, and run `lakehouse run` again."
            )
        return said


def nothing_new(settings: Settings) -> str:
    """What a person is told when nothing has arrived."""
    landing = settings.place.landing
    if settings.source == KAFKA or any(landing.rglob("*")):
        return "Nothing new has arrived; every table stays as it is."
    return (
        f"{landing} holds no deliveries. Put files there (*.jsonl, *.json, *.csv, *.parquet),\n"
        "or make some: lakehouse generate"
    )
