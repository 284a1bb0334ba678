"""bronze.events -> silver again, under today's suite: some event hours, or what was refused.

A reprocess is decided first, by a row of silver.suites; then each table is brought in line with it, with
one commit each and none where nothing differs: events, volume and ledger, quarantine, quality. Each of
these steps starts from bronze and the decisions, so a run that ended in between is finished by the next.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from conf import cluster, log, notes, warehouse
from conf.errors import LakehouseError
from conf.home import Home
from conf.tables import (
    BRONZE_EVENTS,
    SILVER_EVENTS,
    SILVER_QUALITY,
)
from silver import (
    accounts,
    deduplication,
    deliveries,
    differences,
    gate,
    lost,
    publish,
    quarantine,
    rebuilt,
    suites,
)
from silver.deliveries import Deliveries
from silver.quarantine import event_time
from silver.suites import HOURS, LEFT_OUT, QUARANTINE, Decision
from silver.validation import Checked, validate
from silver.window import Window

REPROCESS, RULE_CHANGE = "reprocess", "rule_change"
"""Why events come and go, noted in the commit for whoever counts them."""


@dataclass(frozen=True)
class Scope:
    """What a decision reads: the bronze batches it may move records of, judged before and after it."""

    window: Window
    decision: Decision
    taken: Deliveries
    judged: DataFrame

    @property
    def rejudged(self) -> Column:
        """Whether the decision judges the record anew, by its suite."""
        if self.decision.kind == QUARANTINE:
            return (F.size("rules_before") > 0) & ~F.array_contains("rules_before", LEFT_OUT)
        bound = self.decision.delivered_by
        in_time = F.lit(True) if bound is None else F.col("batch_id") <= bound
        return self.decision.holds(event_time()) & in_time


@dataclass
class Moved:
    """What a reprocess moves: records into and out of quarantine by rule, events; and a gate's reasons to
    refuse it.
    """

    kind: str
    batches: int = 0
    records: int = 0
    into: dict[str, int] = field(default_factory=dict)
    out_of: dict[str, int] = field(default_factory=dict)
    events_added: int = 0
    events_removed: int = 0
    first_delivery_changed: int = 0
    refusing: list[str] = field(default_factory=list)

    def rows(self) -> list[tuple[str, int]]:
        """What a person is shown: what moves, how many."""
        return [
            ("records judged again", self.records),
            *[(f"into quarantine by {rule}", count) for rule, count in self.into.items()],
            *[(f"out of quarantine by {rule}", count) for rule, count in self.out_of.items()],
            ("events added", self.events_added),
            ("events removed", self.events_removed),
            ("events first delivered by another source", self.first_delivery_changed),
        ]

    @property
    def cause(self) -> str:
        """Whether any record moved for a rule, or only for what had been delivered."""
        return RULE_CHANGE if (self.into.keys() | self.out_of.keys()) - {LEFT_OUT} else REPROCESS


def resume(spark: SparkSession, home: Home) -> Moved | None:
    """Finish what an interrupted run left: its batch first, then its reprocess, if it had begun one."""
    publish.finish_begun(spark, home)
    decision = suites.unfinished(home)
    return follow(spark, home, decision, accept=True) if decision else None


def preview(spark: SparkSession, home: Home, decision: Decision) -> tuple[Moved, DataFrame]:
    """What following the decision would move, and the events that differ; nothing is written.

    Raises LakehouseError while a batch or another reprocess is half way through silver.
    """
    if publish.is_half_way(home):
        raise LakehouseError(
            f"{home.root}: a run ended half way through silver, so there is nothing firm to compare with.\n"
            "Nothing was changed. Run `lakehouse run`, which finishes it, then ask again."
        )
    scope = _scope(spark, home, decision)
    try:
        moved, _ = _moved(scope)
        changed = cluster.kept(_events(scope))
        _count_events(moved, changed)
    finally:
        scope.judged.unpersist()
    return moved, changed


def follow(spark: SparkSession, home: Home, decision: Decision, *, accept: bool = False) -> Moved:
    """Bring silver in line with the decision, unless a gate refuses and it is not to `accept`.

    A second call changes nothing.
    """
    lost_days = lost.days(home, decision)
    if not decision.batches:
        return Moved(decision.kind)
    scope = _scope(spark, home, decision)
    try:
        moved, checked = _moved(scope)
        if moved.refusing and not accept:
            return moved
        if suites.unfinished(home) is None:
            suites.begin(spark, home, decision)
        with notes.noting(spark, cause=moved.cause, reprocess=decision.number, lost=True):
            lost.take_out(scope.window, lost_days)
        scope.window.describe("comparing events")
        changed = cluster.kept(_events(scope))
        _count_events(moved, changed)
        with notes.noting(spark, cause=moved.cause, reprocess=decision.number):
            _write_events(scope.window, changed)
            scope.window.describe("balancing the ledger")
            rebuilt.accounts(scope.window, scope.taken, accounts.count(scope.judged, decision.suite))
            scope.window.describe("comparing quarantine")
            rebuilt.quarantine(scope.window, decision, scope.judged, scope.taken)
            _write_quality(scope.window, checked, decision.number)
        suites.finish(spark, home, decision)
    finally:
        scope.judged.unpersist()
    return moved


def _scope(spark: SparkSession, home: Home, decision: Decision) -> Scope:
    upto = decision.last_batch or 0
    window = Window(spark, home, warehouse.identity(home, BRONZE_EVENTS), 0, upto)
    window.describe(f"reading {len(decision.batches or [])} batches of bronze again")
    before = [one for one in suites.in_force(home) if one.number < decision.number]
    batches = decision.batches or []
    taken = deliveries.listed(window, batches)
    records = deliveries.read(window, taken, of=F.col("batch_id").isin(batches))
    judged = records.transform(suites.judged, before)
    judged = judged.withColumn("rules_before", F.col("rules")).transform(suites.follow, decision)
    judged = judged.transform(quarantine.payloads)
    return Scope(window, decision, taken, judged.persist(StorageLevel.MEMORY_AND_DISK))


def _moved(scope: Scope) -> tuple[Moved, list[Checked]]:
    """What moves into and out of quarantine, and what Great Expectations says of the records judged anew."""
    decision = scope.decision
    moved = Moved(decision.kind, len(decision.batches or []))
    was_refused = F.size("rules_before") > 0
    moved.into = _by_rule(scope.judged.where(F.col("refused") & ~was_refused), "rules")
    moved.out_of = _by_rule(scope.judged.where(~F.col("refused") & was_refused), "rules_before")
    rejudged = scope.judged.where(scope.rejudged)
    counted = accounts.count(rejudged, decision.suite)
    moved.records = counted.delivered
    if not counted.delivered:
        return moved, []
    scope.window.describe(f"validating {counted.delivered:,} records with Great Expectations")
    checked = validate(rejudged, decision.suite)
    gate.agree(checked, {**counted.broken, gate.REFUSED_SHARE: counted.quarantined})
    if decision.kind == HOURS:
        moved.refusing, _ = gate.breaches(checked, decision.suite, counted.delivered)
    return moved, checked


def _by_rule(records: DataFrame, rules_broken: str) -> dict[str, int]:
    counted = records.select(F.explode(rules_broken).alias("rule")).groupBy("rule").count()
    return {row.rule: row["count"] for row in counted.orderBy("rule").collect()}


def _events(scope: Scope) -> DataFrame:
    """The events that differ from what silver holds, in the shape of `differences.events`."""
    decision, valid = scope.decision, scope.judged.where(~F.col("refused"))
    live = scope.window.read(SILVER_EVENTS).where(scope.window.holds)
    if decision.kind == HOURS:
        first, end = decision.hours
        days = [F.lit(first.date()), F.lit((end - timedelta(microseconds=1)).date())]
        live = live.where(F.col("event_date").between(*days))
        fresh = deduplication.distinct(valid.where(decision.holds(event_time())), scope.taken.numbered)
        return differences.events(fresh, live.where(decision.holds(F.col("event_time"))))
    fresh = deduplication.distinct(valid.where(F.size("rules_before") > 0), scope.taken.numbered)
    days_held = fresh.select("event_date").distinct()
    return differences.earlier(fresh, live.join(F.broadcast(days_held), on="event_date", how="left_semi"))


def _count_events(moved: Moved, changed: DataFrame) -> None:
    gone, unknown = F.count_if(warehouse.GONE), F.count_if("unknown")
    [row] = changed.agg(gone.alias("gone"), unknown.alias("new"), F.count(F.lit(1)).alias("all")).collect()
    moved.events_removed, moved.events_added = row.gone, row.new
    moved.first_delivery_changed = row.all - row.gone - row.new


def _write_events(window: Window, changed: DataFrame) -> None:
    [(first, last)] = changed.agg(F.min("event_date"), F.max("event_date")).collect()
    if first is None:
        return
    within = F.col("published.event_date").between(F.lit(first), F.lit(last))
    warehouse.merge(window.spark, window.home, SILVER_EVENTS, changed.drop("unknown"), within)


def _write_quality(window: Window, checked: list[Checked], number: int) -> None:
    """Keep what was checked, in place of what an interrupted attempt kept."""
    rows = accounts.quality_rows(window, checked, published=True, reprocess=number)
    writer = window.local(rows, SILVER_QUALITY).write.format("delta").mode("overwrite")
    log.stage("silver", "noting what was checked", window.spark)
    writer.option("replaceWhere", f"reprocess = {number}").save(window.home.table(SILVER_QUALITY))
