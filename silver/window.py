"""One silver batch: which bronze batches it covers, where it is written, and what became of it."""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from conf import cluster, entries, log, sizes, warehouse
from conf.home import Home
from conf.tables import BRONZE_EVENTS, Table

STREAM_GOES_ON = (
    "The stream goes on taking deliveries, and judges again when one came or the suite was changed. To "
    "accept the batch, end the stream first."
)
"""What is to be known beside a refusal while a stream goes on."""


@dataclass(frozen=True)
class Window:
    """The bronze batches later than `after`, up to `upto`, read from the bronze table named `source`."""

    spark: SparkSession
    home: Home
    source: str
    after: int
    upto: int

    @property
    def holds(self) -> Column:
        """Whether a row belongs to these batches."""
        return (F.col("batch_id") > self.after) & (F.col("batch_id") <= self.upto)

    def planned(self, known: int = 0) -> AbstractContextManager[None]:
        """Within it, queries are planned for the size of the batch and so many bytes beside it."""
        return cluster.planned_for(self.spark, self._bytes + known)

    @property
    def is_small(self) -> bool:
        """Whether what the batch says fits on every executor."""
        return self._bytes < cluster.FEW_BYTES

    @cached_property
    def _bytes(self) -> int:
        return sizes.past(self.home, BRONZE_EVENTS, "batch_id", self.after)

    def read(self, table: Table) -> DataFrame:
        """The whole table."""
        return warehouse.read(self.spark, self.home, table)

    def local(self, rows: list[dict[str, Any]], table: Table) -> DataFrame:
        """A few rows made here, with the table's columns."""
        return warehouse.local(self.spark, self.home, table, rows)

    def marker(self, table: Table) -> int:
        """How far the table has taken bronze."""
        return warehouse.marker(self.home, table, self.source)

    def append(self, rows: DataFrame, table: Table) -> None:
        """Append the batch's rows, once."""
        warehouse.append(rows, self.home, table, self.source, self.upto)

    def replace(self, rows: DataFrame, table: Table, size: int) -> None:
        """Write the batch's rows, which take about so many bytes, in place of what an unfinished attempt
        left.
        """
        if self.is_small and size < cluster.PARTITION_BYTES:
            self.enter(rows.toArrow(), table)
        else:
            warehouse.replace_after(rows, self.home, table, self.source, self.after, self.upto)

    def enter(self, rows: entries.Rows, table: Table) -> None:
        """The same of a few rows made here."""
        entries.replace_after(rows, self.home, table, self.source, self.after, self.upto)

    def describe(self, stage: str) -> None:
        """Say what is being done, for whoever watches."""
        log.stage("silver", stage, self.spark, batch=self.upto)


@dataclass
class Outcome:
    """What became of one batch. `refusing` holds the reasons it was kept back; empty when published."""

    batch_id: int
    delivered: int = 0
    accepted: int = 0
    duplicate: int = 0
    quarantined: int = 0
    broken: dict[str, int] = field(default_factory=dict)
    refusing: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0
    validation_seconds: float = 0.0

    @property
    def gates(self) -> frozenset[str]:
        """The rules that keep it back."""
        return frozenset(reason.split(":")[0] for reason in self.refusing)

    def told(self) -> list[str]:
        """What a person has to know of a batch that was published all the same."""
        said = [] if self.refusing else self.warnings
        return [f"batch {self.batch_id}, {warning}." for warning in said]

    def refusal(self) -> str:
        """Why it was kept back, and what to do."""
        reasons = "\n".join(f"  {reason}" for reason in self.refusing)
        return (
            f"Batch {self.batch_id} was not published: a quality gate refused it.\n{reasons}\n"
            "silver and gold stay as they were; bronze keeps the records, and later deliveries wait with "
            "them.\nCorrect the source, or the suite conf/expectations/events.json, and run again; or accept "
            f"it:\nlakehouse run --accept-batch {self.batch_id}"
        )


def rows(outcomes: list[Outcome]) -> list[tuple[str, int]]:
    """What a person is shown of the batches that were published: what became of the records, how many."""
    published = _published(outcomes)
    told = _counts(outcomes)
    broken: Counter[str] = Counter()
    for outcome in published:
        broken.update(outcome.broken)
    return told + [(f"refused by {rule}", count) for rule, count in broken.items()]


def said(outcomes: list[Outcome]) -> str:
    """What became of the records, in a few words; empty when there were none."""
    counts = [f"{count:,} {name}" for name, count in _counts(outcomes)]
    kept_back = [f"a gate refuses batch {outcome.batch_id}" for outcome in outcomes if outcome.refusing]
    return ", ".join([*counts, *kept_back])


def _published(outcomes: list[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if not outcome.refusing]


def _counts(outcomes: list[Outcome]) -> list[tuple[str, int]]:
    published = _published(outcomes)
    names = ("accepted", "duplicate", "quarantined") if published else ()
    return [(name, sum(getattr(outcome, name) for outcome in published)) for name in names]
