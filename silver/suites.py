"""Which suite judged which records: every decision kept, so that any number can be computed again.

What silver holds is a function of bronze and of these decisions alone. A batch is judged by the suite of
its time; a reprocess decides anew, for event hours or for refused records. Each is a row of silver.suites,
written before anything follows it: a reprocess that was interrupted is finished from there.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from functools import cached_property, reduce
from typing import Any

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from conf import notes, warehouse
from conf.home import Home
from conf.tables import SILVER_SUITES
from silver import rules
from silver.quarantine import event_time
from silver.reading import EARLIEST

RUN, HOURS, QUARANTINE = "run", "hours", "quarantine"
"""What a decision is about: silver.suites.kind."""

LEFT_OUT = "delivered_by_then"
"""The rule that records break which a reprocess leaves out, for they were delivered too late for it."""

FUTURE_ALLOWED = 3600
"""Seconds past its delivery up to which a record's time is plausible."""


@dataclass(frozen=True)
class Decision:
    """One row of silver.suites."""

    number: int
    kind: str
    first_batch: int
    last_batch: int | None
    from_hour: datetime | None
    to_hour: datetime | None
    delivered_by: int | None
    batches: list[int] | None
    definition: str
    run_id: str
    decided_at: datetime
    finished_at: datetime | None

    @cached_property
    def suite(self) -> rules.Suite:
        """The suite it puts in force."""
        return rules.parse(self.definition)

    @property
    def judges(self) -> Column:
        """Whether a record is of its batches."""
        upto = self.last_batch
        later = F.col("batch_id") >= self.first_batch
        return later if upto is None else later & (F.col("batch_id") <= upto)

    @property
    def hours(self) -> tuple[datetime, datetime]:
        """The first event hour it judges, and the one before which it ends."""
        if self.from_hour is None or self.to_hour is None:
            raise ValueError(f"decision {self.number} is of {self.kind}, not of hours")
        return self.from_hour, self.to_hour

    def holds(self, moment: Column) -> Column:
        """Whether a timestamp is in its hours; false for null."""
        first, end = self.hours
        return F.coalesce((moment >= F.lit(first)) & (moment < F.lit(end)), F.lit(False))


def read(home: Home) -> list[Decision]:
    """Every decision, in their order."""
    if not warehouse.exists(home, SILVER_SUITES):
        return []
    held = warehouse.state(home, SILVER_SUITES).to_pyarrow_table().to_pylist()
    names = [column.name for column in fields(Decision)]
    return sorted(
        (Decision(**{name: row[name] for name in names}) for row in held), key=lambda one: one.number
    )


def in_force(home: Home) -> list[Decision]:
    """Every decision; for a silver made before decisions were kept, that today's suite judged all of it."""
    if decided := read(home):
        return decided
    usual: dict[str, Any] = dict.fromkeys(column.name for column in fields(Decision))
    usual |= {"number": 0, "kind": RUN, "first_batch": 1, "definition": rules.load("events").definition}
    return [Decision(**usual)]


def unfinished(home: Home) -> Decision | None:
    """The reprocess that was interrupted, if any."""
    return next((one for one in read(home) if one.finished_at is None), None)


def put_in_force(spark: SparkSession, home: Home, suite: rules.Suite, first_batch: int) -> None:
    """Note that batches from `first_batch` on are judged by `suite`; commits nothing when they are."""
    decided = read(home)
    of_runs = [one for one in decided if one.kind == RUN]
    if of_runs and of_runs[-1].suite.verdicts == suite.verdicts:
        return
    now = datetime.now(UTC)
    # Batches older than the first decision were judged before decisions were kept: by this suite, for all
    # we know.
    first = first_batch if of_runs else 1
    _write(spark, home, decide(home, spark, RUN, suite, first_batch=first, last_batch=None, finished_at=now))


def decide(home: Home, spark: SparkSession, kind: str, suite: rules.Suite, **facts: Any) -> Decision:
    """The next decision; `facts` are what it is about. Nothing is written."""
    decided = read(home)
    given: dict[str, Any] = dict.fromkeys(column.name for column in fields(Decision))
    given |= {
        "number": decided[-1].number + 1 if decided else 1,
        "kind": kind,
        "definition": suite.definition,
        "run_id": notes.run_of(spark),
        "decided_at": datetime.now(UTC),
    }
    return Decision(**given | facts)


def begin(spark: SparkSession, home: Home, decision: Decision) -> None:
    """Commit to a reprocess: from here on it is finished, by this run or by the next."""
    _write(spark, home, decision)


def finish(spark: SparkSession, home: Home, decision: Decision) -> None:
    """Note that every table of silver follows the decision."""
    table = DeltaTable.forPath(spark, home.table(SILVER_SUITES))
    table.update(F.col("number") == decision.number, {"finished_at": F.lit(datetime.now(UTC))})


def _write(spark: SparkSession, home: Home, decision: Decision) -> None:
    row = warehouse.local(spark, home, SILVER_SUITES, [asdict(decision)])
    row.write.format("delta").mode("append").save(home.table(SILVER_SUITES))


def judged(read: DataFrame, decisions: list[Decision]) -> DataFrame:
    """Adds rules array<string>, every rule the record breaks by the decisions in force, and refused boolean.

    `read` has the columns of a reading, batch_id and ingested_at.
    """
    undecided = read.withColumn("rules", F.array().cast("array<string>"))
    return reduce(follow, decisions, undecided).withColumn("refused", F.size("rules") > 0)


def follow(judged: DataFrame, decision: Decision) -> DataFrame:
    """The records of `judged`, with what rules and refused are after one more decision."""
    return judged.withColumn("rules", _followed(decision)).withColumn("refused", F.size("rules") > 0)


def _followed(decision: Decision) -> Column:
    """What the rules broken are after one more decision."""
    before, after = F.col("rules"), rules.broken(decision.suite.row_rules)
    if decision.kind == RUN:
        return F.when(decision.judges, after).otherwise(before)
    was_refused = decision.judges & (F.size(before) > 0)
    if decision.kind == QUARANTINE:
        return F.when(was_refused & ~F.array_contains(before, LEFT_OUT), after).otherwise(before)
    left_out = after
    if decision.delivered_by is not None:
        too_late = F.col("batch_id") > decision.delivered_by
        left_out = F.when(too_late, F.array_append(after, LEFT_OUT)).otherwise(after)
    inside = decision.judges & decision.holds(event_time())
    # A record without a plausible time is in no hour; it stays refused, and is told by today's rules too.
    retold = was_refused & ~_is_plausible() & (F.size(after) > 0)
    return F.when(inside, left_out).when(retold, after).otherwise(before)


def _is_plausible() -> Column:
    seconds = F.col("timestamp_seconds")
    latest = F.unix_seconds("ingested_at") + FUTURE_ALLOWED
    return F.coalesce((seconds >= EARLIEST) & (seconds <= latest), F.lit(False))
