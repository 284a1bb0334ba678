"""The command line: the one module that knows every layer."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Literal

import typer
from pyspark.sql import SparkSession

import bronze.intake
import bronze.take
import generator
import generator.kafka
import gold.preview
import gold.progress
import gold.publish
import gold.top
import gold.verify
import silver.decisions
import silver.facts
import silver.lag
import silver.publish
import silver.reprocess
import silver.suites
import silver.verify
import silver.window
from bronze.intake import Intake
from conf import claim, console, failure, log, objects, options, rounds, runs, shell, upkeep, warehouse, work
from conf import findings as findings_
from conf import settings as configuration
from conf.errors import DIFFERENCE_FOUND, GATE_REFUSED, UsageError
from conf.home import Home
from conf.session import Spark
from conf.settings import KAFKA, Settings
from conf.tables import SILVER_EVENTS, TABLES
from conf.work import AtWork
from gold.publish import Published
from gold.report import telling
from gold.report.telling import Heard
from silver.window import Outcome

LAYERS = ("bronze", "silver", "gold")
SHOWN = 20
"""Rows of a long list that a person is shown; --json has them all."""

app = typer.Typer(
    name="lakehouse",
    help="Counts of ad views, clicks and users: right, explainable, the same when computed again.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@dataclasses.dataclass
class Report:
    """What one run did."""

    run: str
    intake: Intake | None = None
    outcomes: list[Outcome] = dataclasses.field(default_factory=list)
    published: list[Published] = dataclasses.field(default_factory=list)
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)

    @property
    def refused(self) -> Outcome | None:
        """The batch a gate kept back, if any."""
        return next((outcome for outcome in self.outcomes if outcome.refusing), None)

    @property
    def took(self) -> int:
        """Records that bronze took."""
        return self.intake.records if self.intake else 0

    @property
    def offsets(self) -> int:
        """Kafka offsets that bronze took."""
        return self.intake.offsets if self.intake else 0

    @property
    def left(self) -> int:
        """Records that bronze saw and left to the next batch."""
        return self.intake.left if self.intake else 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all happened."""
        return not (self.outcomes or self.published or (self.intake and self.intake.batch_id))


@app.command()
def generate(
    events: Annotated[int, typer.Option(help="Distinct valid events.")] = 100_000,
    hours: Annotated[int, typer.Option(help="Hours they spread over, one file an hour.")] = 24,
    start: options.Start = "2026-03-01T00:00:00Z",  # type: ignore[assignment]
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 1,
    format_: Annotated[Literal["json", "csv", "parquet"], typer.Option("--format")] = "json",
    gzip: Annotated[bool, typer.Option("--gzip", help="Compress (json and csv).")] = False,
    duplicates: options.Share = 0.01,
    late: options.Share = 0.02,
    malformed: options.Share = 0.005,
    to: options.To = "files",
    rate: options.Rate = None,
    home: options.HomeOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Write hourly deliveries into landing, and beside them the exact gold they must give."""
    settings = configuration.load(home=home)
    place = settings.place
    claim.usable(place, settings.min_free_mib)
    order = generator.Order(events, hours, start, seed, format_, gzip, duplicates, late, malformed)
    if to == KAFKA:
        generator.kafka.check(order, rate)
    elif rate:
        raise UsageError("--rate is about Kafka: add --to kafka.")
    kept = [(place.shared(here), here) for here in (place.answers, place.world)]
    with console.progress("generate"), objects.at_hand(kept):
        send = generator.kafka.sender(settings, rate) if to == KAFKA else None
        made = generator.generate(order, Home(place.here), _progress, send)
        objects.send(place.outgoing, place.landing)
    if as_json:
        print(json.dumps(dataclasses.asdict(made)))
    else:
        to_topic = f"Kafka topic {settings.kafka_topic}" if to == KAFKA else ""
        where, key = [objects.address(one) for one in (place.landing, place.shared(place.answers))]
        console.say(made.said(to_topic or where, key))


def _progress(stage: str, done: int, of: int) -> None:
    if console.errors.is_terminal or done in (0, of):
        log.stage("generate", f"{stage}, {done} of {of}")


@app.command()
def run(
    only: Annotated[Literal["bronze", "silver", "gold"] | None, typer.Option(help="This step alone.")] = None,
    accept_batch: Annotated[
        int | None, typer.Option(help="Publish this batch although a quality gate refuses it.")
    ] = None,
    accept_lost: Annotated[
        bool, typer.Option("--accept-lost", help="Go on although Kafka lost records that were never taken.")
    ] = False,
    home: options.HomeOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Take everything that has arrived since the last run, through to gold."""
    with work.holding("run", home) as at_work:
        report, heard = Report(at_work.run), _heard(at_work.settings.place)
        settings, spark, steps = at_work.settings, at_work.spark, (only,) if only else LAYERS
        _advance(report, settings, spark, steps, accept_batch, accept_lost)
        # Kafka is taken batch by batch, up to where it ended when the run began.
        upto = report.offsets + report.left
        while report.left and report.offsets < upto and not report.refused:
            _advance(report, settings, spark, steps)
        log.stage("run", "done", **dataclasses.asdict(report))
        _tell(report, at_work.settings, heard)
    if as_json:
        print(json.dumps(dataclasses.asdict(report), default=str))
    else:
        _show(report, settings)
    if report.refused:
        raise typer.Exit(GATE_REFUSED)


def _heard(place: Home) -> Heard:
    return telling.heard(place, silver.facts.fresh_hours())


def _tell(report: Report, settings: Settings, heard: Heard) -> None:
    for warning in telling.tell(settings, dataclasses.asdict(report), heard):
        console.warn(warning)


@app.command()
def stream(
    interval: options.Interval = "30s",  # type: ignore[assignment]
    home: options.HomeOption = None,
) -> None:
    """Take everything that arrives, through to gold, again and again until stopped."""
    latest = Streamed(Report(""))
    with rounds.ended_by_signal() as stop, work.holding("stream", home, stages=False) as at_work:

        def once() -> bool:
            nonlocal latest
            latest = _stream_once(at_work, latest, stop)
            return latest.report.left > 0

        at_work.spark.begin()
        console.say(f"Looking every {interval:g} s for what arrives. Ctrl-C or SIGTERM ends it.")
        rounds.repeat(once, interval, stop, at_work.spark.is_lost)
        console.say("Stopped. What was committed is whole; the next stream or run goes on from there.")
    if latest.report.refused:
        raise typer.Exit(GATE_REFUSED)


@dataclasses.dataclass(frozen=True)
class Streamed:
    """What one interval leaves to the next: what it did, what a refusal rests on, what a person was told."""

    report: Report
    grounds: tuple[int, int, str] | None = None
    warnings: Sequence[str] = ()
    is_idle: bool = False


def _stream_once(at_work: AtWork, before: Streamed, stop: rounds.Stop) -> Streamed:
    """One interval; a batch that a gate refused is judged again only when that can end otherwise."""
    place, refused = at_work.settings.place, before.report.refused
    report, heard = Report(work.new_run()), _heard(place)
    _advance(report, at_work.settings, at_work.spark, ("bronze",))
    grounds = silver.publish.grounds(place)
    if refused and (stop.asked() or grounds == before.grounds):
        report.outcomes = [refused]
    elif not stop.asked():
        _advance(report, at_work.settings, at_work.spark, ("silver",))
    if not stop.asked():
        _advance(report, at_work.settings, at_work.spark, ("gold",))
    is_told = refused and report.refused and refused.gates == report.refused.gates
    _tell(report, at_work.settings, _heard(place) if is_told else heard)
    at_work.left()
    warnings = _warnings(report, place)
    for warning in warnings:
        if warning not in before.warnings:
            console.warn(warning)
    new = dataclasses.replace(report, outcomes=[one for one in report.outcomes if one is not refused])
    if not (new.is_empty and before.is_idle):
        console.say(_line(new, place))
    if report.refused and not is_told:
        console.fail(f"{report.refused.refusal()}\n{silver.window.STREAM_GOES_ON}")
    return Streamed(report, grounds, warnings, new.is_empty)


def _line(report: Report, place: Home) -> str:
    """One interval in one line."""
    lag, seconds = silver.lag.lag(place), report.seconds["total"]
    said = [
        "nothing new" if report.is_empty else "",
        report.intake.said() if report.intake else "",
        silver.window.said(report.outcomes),
        gold.publish.said(report.published),
        f"{seconds:.1f} s, {report.took / seconds:,.0f} records/s" if report.took else "",
        f"behind {lag.records + report.left:,} records, {lag.seconds:.0f} s",
    ]
    what = "; ".join(words for words in said if words)
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}  {what}"


def _advance(
    report: Report,
    settings: Settings,
    spark: Spark,
    steps: tuple[str, ...] = LAYERS,
    accept: int | None = None,
    accept_lost: bool = False,
) -> None:
    """Run the steps; Spark starts only when one of them has something to do."""
    place = settings.place
    with _timed(report, "total"):
        # A table put back from an older copy is told before anything is added to it.
        silver.publish.waiting(place)
        gold.progress.waiting(place)
        if "bronze" in steps:
            session, timed = partial(_start, report, place, spark), partial(_timed, report)
            took = bronze.take.take(settings, session, timed, accept_lost=accept_lost)
            report.intake = report.intake + took if report.intake and took else took or report.intake
        interrupted = silver.suites.unfinished(place) is not None
        waits = _is_behind(silver.publish.waiting(place)) or accept is not None
        if "silver" in steps and (waits or interrupted):
            _start(report, place, spark)
            with _timed(report, "silver"):
                if interrupted:
                    silver.reprocess.resume(spark.session, place)
                report.outcomes += silver.publish.publish(spark.session, place, accept)
        if "gold" in steps and _is_behind(gold.progress.waiting(place)):
            _start(report, place, spark)
            with _timed(report, "gold"):
                step = gold.publish.publish(spark.session, place)
                report.published = gold.publish.joined(report.published, step)
            upkeep.fold(spark.session, place)


def _start(report: Report, place: Home, spark: Spark) -> SparkSession:
    if not spark.ready:
        log.stage("spark", "starting")
        with _timed(report, "Spark start"):
            warehouse.create_missing(spark.session, place)
        spark.ready = True
    spark.works_for(report.run)
    return spark.session


def _is_behind(progress: tuple[int, int]) -> bool:
    taken, available = progress
    return taken != available


@contextmanager
def _timed(report: Report, step: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    report.seconds[step] = round(report.seconds.get(step, 0) + time.monotonic() - started, 2)


def _warnings(report: Report, place: Home) -> list[str]:
    of_intake = report.intake.warnings(place.landing) if report.intake else []
    return of_intake + [warning for outcome in report.outcomes for warning in outcome.told()]


def _show(report: Report, settings: Settings) -> None:
    place = settings.place
    for warning in _warnings(report, place):
        console.warn(warning)
    if report.is_empty:
        console.say(bronze.intake.nothing_new(settings))
        return
    rows = [("bronze", *row) for row in (report.intake.rows() if report.intake else [])]
    rows += [("silver", *row) for row in silver.window.rows(report.outcomes)]
    rows += [("gold", *step.row) for step in report.published]
    console.table(f"Run {report.run}", ("layer", "what", "count"), rows)
    for shown in gold.top.placements(place):
        console.table(*shown)
    console.table("Seconds", list(report.seconds), [list(report.seconds.values())])
    if report.refused:
        console.fail(report.refused.refusal())
    else:
        console.say('Next: lakehouse sql "SELECT * FROM gold.placement_daily ORDER BY views DESC LIMIT 10"')


@app.command()
def reprocess(
    from_: options.FromHour = None,
    to: options.ToHour = None,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Refused records instead, those alone.")
    ] = False,
    bronze_version: Annotated[
        int | None, typer.Option(help="From what bronze.events held at this version.")
    ] = None,
    bronze_timestamp: options.ByTime = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change; write nothing.")] = False,
    accept: Annotated[bool, typer.Option("--accept", help="Rebuild although a gate refuses.")] = False,
    home: options.HomeOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Rebuild event hours of silver from bronze under today's suite, then gold."""
    asked = silver.decisions.Asked(from_, to, quarantine, bronze_version, bronze_timestamp)
    silver.decisions.check(asked)
    with work.holding("reprocess", home) as at_work:
        place, session = _filled(at_work), at_work.spark.session
        published: list[Published] = []
        if dry_run:
            decision = silver.decisions.decide(session, place, asked)
            moved, changed = silver.reprocess.preview(session, place, decision)
            buckets = gold.preview.preview(session, place, changed)
        else:
            silver.reprocess.resume(session, place)
            decision = silver.decisions.decide(session, place, asked)
            moved = silver.reprocess.follow(session, place, decision, accept=accept)
            published = gold.publish.publish(session, place)
            if decision.kind == silver.suites.HOURS and not moved.refusing:
                published += gold.publish.recount(session, place, *decision.hours)
            buckets = gold.preview.of_run(session, place)
    if as_json:
        print(json.dumps({**dataclasses.asdict(moved), **dataclasses.asdict(buckets)}, default=str))
    else:
        _show_moved(moved, published, buckets, dry_run=dry_run)
    if moved.refusing and not (accept or dry_run):
        raise typer.Exit(GATE_REFUSED)


def _filled(at_work: AtWork) -> Home:
    """The place, with every table there; raises UsageError when nothing was ever run, LakehouseError when a
    table was put back from an older copy.
    """
    place = at_work.settings.place
    if not warehouse.exists(place, SILVER_EVENTS):
        raise UsageError(f"{place.warehouse} holds no events yet. Run `lakehouse run` first.")
    silver.publish.waiting(place)
    gold.progress.waiting(place)
    log.stage("spark", "starting")
    warehouse.create_missing(at_work.spark.session, place)
    return place


def _show_moved(
    moved: silver.reprocess.Moved,
    published: list[Published],
    changes: gold.preview.Changes,
    *,
    dry_run: bool,
) -> None:
    console.table(
        "Would change" if dry_run else "Changed",
        ("what", "count"),
        [*moved.rows(), *[step.row for step in published]],
    )
    what = "Buckets that would change" if dry_run else "Published numbers restated"
    for shown in changes.tables(what, SHOWN):
        console.table(*shown)
    for reason in moved.refusing:
        console.warn(f"a quality gate refuses this: {reason}.")
    if moved.refusing and not dry_run:
        console.fail("Nothing was changed. Correct the suite and try again, or add --accept.")
    elif dry_run:
        console.say("Nothing was written. The same command without --dry-run does it.")


@app.command()
def verify(home: options.HomeOption = None, as_json: options.JsonOption = False) -> None:
    """Compute silver again from bronze and gold from silver, and compare with the tables."""
    with work.holding("verify", home) as at_work:
        place = _filled(at_work)
        findings = [finding for table in TABLES for finding in upkeep.lost_files(place, table)]
        with warehouse.passing_over_lost_files(at_work.spark.session):
            findings += silver.verify.verify(at_work.spark.session, place)
            findings += gold.verify.verify(at_work.spark.session, place)
    if as_json:
        print(json.dumps([dataclasses.asdict(finding) for finding in findings], default=str))
    for shown in [] if as_json else findings_.tables(findings, SHOWN):
        console.table(*shown)
    if findings:
        console.fail(
            "The tables are not what bronze and the decisions of silver.suites give. Nothing was changed.\n"
            "`lakehouse reprocess --from … --to …` rebuilds event hours; `lakehouse history` tells which run "
            "wrote what."
        )
        raise typer.Exit(DIFFERENCE_FOUND)
    if not as_json:
        console.say("Equal: silver is what bronze gives, gold is what silver gives, in every row.")


@app.command()
def history(
    table: Annotated[str | None, typer.Argument(help="One table's versions instead.")] = None,
    limit: Annotated[int, typer.Option(help="How many, the newest.", min=1)] = 10,
    home: options.HomeOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Runs, newest first: when, what each table gained, and the versions to travel to."""
    place = configuration.load(home=home).place
    made, tables = runs.told(place, table, limit)
    if as_json:
        print(json.dumps([dataclasses.asdict(one) for one in made], default=str))
        return
    for shown in tables:
        console.table(*shown)
    if not made:
        console.say(f"{place.root}: no run has made a commit yet.")


@app.command()
def maintain(home: options.HomeOption = None, as_json: options.JsonOption = False) -> None:
    """Put small files together and take away what no promise needs, within 30 days of time travel."""
    with work.holding("maintain", home) as at_work:
        place = _filled(at_work)
        behind = _is_behind(gold.progress.waiting(place))
        waiting = {SILVER_EVENTS: "gold has still to read its changes: run first"} if behind else {}
        kept = upkeep.maintain(at_work.spark.session, place, waiting)
    if as_json:
        print(json.dumps([dataclasses.asdict(one) for one in kept]))
    else:
        console.table("Files and bytes, before and after", upkeep.COLUMNS, [one.row for one in kept])
        for one in kept:
            if one.waits:
                console.warn(f"{one.table}: no old file was taken away, {one.waits}.")


@app.command(name="report")
def report_(
    as_of: Annotated[
        str | None, typer.Option(help="As the tables were after this run (see `history`).")
    ] = None,
    home: options.HomeOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Write the pages on statistics and data quality; they stay as they are when nothing changed."""
    from gold.report import site

    settings = configuration.load(home=home)
    versions = runs.versions(settings.place, as_of) if as_of else None
    with console.progress("report"):
        built = site.build(settings, versions, as_of)
    if as_json:
        print(json.dumps(dataclasses.asdict(built), default=str))
    else:
        console.say(built.said)


@app.command()
def sql(
    query: Annotated[str | None, typer.Argument(help="One or more statements; without it, a prompt.")] = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="RUN", help="Every table as it was after this run.")
    ] = None,
    serve: options.Serve = None,
    home: options.HomeOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Query every table with spark-sql, VERSION AS OF and TIMESTAMP AS OF included."""
    settings = configuration.load(home=home)
    if not any(warehouse.exists(settings.place, table) for table in TABLES):
        raise UsageError(f"{settings.place.warehouse} holds no tables yet. Run `lakehouse run` first.")
    declared = shell.declarations(settings.place, runs.versions(settings.place, as_of) if as_of else None)
    raise typer.Exit(shell.answer(settings, query, declared, serve, as_json=as_json))


def main() -> None:
    """The program: a person's mistake ends in one message and its status, never in a stack trace."""
    failure.told(app)


if __name__ == "__main__":
    main()
