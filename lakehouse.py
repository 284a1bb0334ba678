"""The command line: the one module that knows every layer."""

from __future__ import annotations

import dataclasses
import getpass
import json
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import bronze.ingest
import generator
import gold.preview
import gold.progress
import gold.publish
import gold.report.telling
import gold.top
import gold.verify
import silver.decisions
import silver.facts
import silver.publish
import silver.reprocess
import silver.suites
import silver.verify
import silver.window
from bronze.intake import Intake
from conf import claim, console, failure, log, runs, serving, shell, upkeep, warehouse
from conf import findings as findings_
from conf import settings as configuration
from conf.errors import DIFFERENCE_FOUND, GATE_REFUSED, UNEXPECTED, LakehouseError, StoppedError, UsageError
from conf.home import Home
from conf.session import Spark
from conf.settings import Settings
from conf.shown import Shown
from conf.tables import SILVER_EVENTS, TABLES
from gold.publish import Published
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

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="The lakehouse's folder [default: $LAKEHOUSE_HOME, else ./data]."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Share = Annotated[float, typer.Option(help="As a share of the events.")]


@dataclass
class Report:
    """What one run did."""

    run: str
    intake: Intake | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def refused(self) -> Outcome | None:
        """The batch a gate kept back, if any."""
        return next((outcome for outcome in self.outcomes if outcome.refusing), None)

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all happened."""
        return not (self.outcomes or self.published or (self.intake and self.intake.batch_id))


def _utc(text: str) -> datetime:
    """A moment as ISO 8601 writes it, in UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time; write it like 2026-03-01T00:00:00Z") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _hour(text: str) -> datetime:
    """A whole hour as ISO 8601 writes it, in UTC."""
    moment = _utc(text)
    if moment != moment.replace(minute=0, second=0, microsecond=0):
        raise typer.BadParameter(f"{text!r} is no whole hour; write it like 2026-03-01T13:00")
    return moment


@app.command()
def generate(
    events: Annotated[int, typer.Option(help="Distinct valid events.")] = 100_000,
    hours: Annotated[int, typer.Option(help="Hours they spread over, one file an hour.")] = 24,
    start: Annotated[
        datetime, typer.Option(parser=_utc, metavar="TIME", help="First hour; UTC unless it says otherwise.")
    ] = "2026-03-01T00:00:00Z",  # type: ignore[assignment]
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 1,
    format_: Annotated[Literal["json", "csv", "parquet"], typer.Option("--format")] = "json",
    gzip: Annotated[bool, typer.Option("--gzip", help="Compress (json and csv).")] = False,
    duplicates: Share = 0.01,
    late: Share = 0.02,
    malformed: Share = 0.005,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write hourly deliveries into landing, and beside them the exact gold they must give."""
    settings = configuration.load(home=home)
    place = settings.place
    claim.usable(place, settings.min_free_mib)
    order = generator.Order(events, hours, start, seed, format_, gzip, duplicates, late, malformed)
    with console.progress("generate"):
        made = generator.generate(order, place, _progress)
    if as_json:
        print(json.dumps(dataclasses.asdict(made)))
        return
    console.say(
        f"{made.records:,} records (files: {made.files:,}, {made.bytes / 1e6:,.1f} MB) in {place.landing}:\n"
        f"{made.events:,} events ({made.late:,} of them late), {made.duplicates:,} duplicates, "
        f"{made.malformed:,} malformed. The gold they must give is in {place.answers}."
    )


def _progress(stage: str, done: int, of: int) -> None:
    if console.errors.is_terminal or done in (0, of):
        log.stage("generate", f"{stage}, {done} of {of}")


@app.command()
def run(
    only: Annotated[Literal["bronze", "silver", "gold"] | None, typer.Option(help="This step alone.")] = None,
    accept_batch: Annotated[
        int | None, typer.Option(help="Publish this batch although a quality gate refuses it.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take everything that has arrived since the last run, through to gold."""
    with _holding("run", home) as at_work:
        report, telling = Report(at_work.run), gold.report.telling
        heard = telling.heard(at_work.settings.place, silver.facts.fresh_hours())
        _advance(report, at_work.settings, at_work.spark, (only,) if only else LAYERS, accept_batch)
        log.stage("run", "done", **dataclasses.asdict(report))
        for warning in telling.tell(at_work.settings, dataclasses.asdict(report), heard):
            console.warn(warning)
    if as_json:
        print(json.dumps(dataclasses.asdict(report), default=str))
    else:
        _show(report, at_work.settings.place)
    if report.refused:
        raise typer.Exit(GATE_REFUSED)


@dataclass(frozen=True)
class AtWork:
    """A verb that holds the lakehouse."""

    run: str
    settings: Settings
    spark: Spark


@contextmanager
def _holding(verb: str, home: Path | None) -> Iterator[AtWork]:
    """Hold the lakehouse for one verb: the lock, its log, its Spark, and what a person sees of it."""
    settings = configuration.load(home=home)
    place = settings.place
    claim.usable(place, settings.min_free_mib)
    run = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
    with claim.held(place, verb, run):
        log.open_file(place.logs / f"{run}.jsonl")
        shutil.rmtree(place.scratch, ignore_errors=True)
        note = json.dumps({"run": run, "verb": verb, "who": getpass.getuser()})
        spark = Spark(settings, place.scratch, place.logs / f"{run}.spark.log", note)
        try:
            with console.progress(verb, spark.work):
                yield AtWork(run, settings, spark)
        except KeyboardInterrupt:
            told = "Stopped. Nothing is lost: run again and it goes on from the last commit."
            raise StoppedError(told) from None
        finally:
            spark.stop()


def _advance(
    report: Report, settings: Settings, spark: Spark, steps: tuple[str, ...], accept: int | None
) -> None:
    """Run the steps; Spark starts only when one of them has something to do."""
    place = settings.place
    with _timed(report, "total"):
        # A table put back from an older copy is told before anything is added to it.
        silver.publish.waiting(place)
        gold.progress.waiting(place)
        if "bronze" in steps:
            _bronze(report, place, spark)
        interrupted = silver.suites.unfinished(place) is not None
        waits = _is_behind(silver.publish.waiting(place)) or accept is not None
        if "silver" in steps and (waits or interrupted):
            _start(report, place, spark)
            with _timed(report, "silver"):
                if interrupted:
                    silver.reprocess.resume(spark.session, place)
                report.outcomes = silver.publish.publish(spark.session, place, accept)
        if "gold" in steps and _is_behind(gold.progress.waiting(place)):
            _start(report, place, spark)
            with _timed(report, "gold"):
                report.published = gold.publish.publish(spark.session, place)


def _bronze(report: Report, place: Home, spark: Spark) -> None:
    arrived = bronze.ingest.arrivals(place)
    if not arrived.found:
        return
    with _timed(report, "reading files"):
        judged = bronze.ingest.judge_all(place, arrived)
    report.intake = Intake(unreadable=bronze.ingest.unreadable(judged))
    if any(one.staged or one.problem for one in judged):
        _start(report, place, spark)
        with _timed(report, "bronze"):
            report.intake = bronze.ingest.ingest(spark.session, place, arrived.batch_id, judged)


def _start(report: Report, place: Home, spark: Spark) -> None:
    if "Spark start" not in report.seconds:
        log.stage("spark", "starting")
        with _timed(report, "Spark start"):
            warehouse.create_missing(spark.session, place)


def _is_behind(progress: tuple[int, int]) -> bool:
    taken, available = progress
    return taken != available


@contextmanager
def _timed(report: Report, step: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    report.seconds[step] = round(time.monotonic() - started, 2)


def _show(report: Report, place: Home) -> None:
    for warning in report.intake.warnings(place.landing) if report.intake else []:
        console.warn(warning)
    for outcome in report.outcomes:
        for warning in [] if outcome.refusing else outcome.warnings:
            console.warn(f"batch {outcome.batch_id}, {warning}.")
    if report.is_empty:
        _show_nothing_new(place)
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


def _show_nothing_new(place: Home) -> None:
    if not any(place.landing.rglob("*")):
        console.say(
            f"{place.landing} holds no deliveries. Put files there (*.jsonl, *.json, *.csv, *.parquet),\n"
            "or make some: lakehouse generate"
        )
    else:
        console.say("Nothing new has arrived; every table stays as it is.")


@app.command()
def reprocess(
    from_: Annotated[
        datetime | None, typer.Option("--from", parser=_hour, metavar="HOUR", help="First event hour, UTC.")
    ] = None,
    to: Annotated[
        datetime | None, typer.Option(parser=_hour, metavar="HOUR", help="The hour before which it ends.")
    ] = None,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Refused records instead, those alone.")
    ] = False,
    bronze_version: Annotated[
        int | None, typer.Option(help="From what bronze.events held at this version.")
    ] = None,
    bronze_timestamp: Annotated[
        datetime | None, typer.Option(parser=_utc, metavar="TIME", help="From what was delivered by then.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change; write nothing.")] = False,
    accept: Annotated[bool, typer.Option("--accept", help="Rebuild although a gate refuses.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rebuild event hours of silver from bronze under today's suite, then gold."""
    asked = silver.decisions.Asked(from_, to, quarantine, bronze_version, bronze_timestamp)
    silver.decisions.check(asked)
    with _holding("reprocess", home) as at_work:
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
def verify(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Compute silver again from bronze and gold from silver, and compare with the tables."""
    with _holding("verify", home) as at_work:
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
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Runs, newest first: when, what each table gained, and the versions to travel to."""
    place = configuration.load(home=home).place
    if table:
        commits = runs.commits(place, runs.table_named(table))[:limit]
        made: list[Any] = list(commits)
        tables: list[Shown] = [(table, runs.COMMIT_COLUMNS, [runs.commit_row(commit) for commit in commits])]
    else:
        made = list(runs.history(place)[:limit])
        tables = [runs.run_table(run) for run in made]
    if as_json:
        print(json.dumps([dataclasses.asdict(one) for one in made], default=str))
        return
    for shown in tables:
        console.table(*shown)
    if not made:
        console.say(f"{place.root}: no run has made a commit yet.")


@app.command()
def maintain(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Put small files together and take away what no promise needs, within 30 days of time travel."""
    with _holding("maintain", home) as at_work:
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
    home: HomeOption = None,
    as_json: JsonOption = False,
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
    serve: Annotated[
        str | None,
        typer.Option(metavar="[HOST:]PORT", help="Answer JDBC tools there instead, until stopped."),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Query every table with spark-sql, VERSION AS OF and TIMESTAMP AS OF included."""
    settings = configuration.load(home=home)
    listen = serving.address(serve) if serve else None
    if listen and (query or as_json):
        raise UsageError("--serve answers queries that come over JDBC: give neither a query nor --json.")
    if not any(warehouse.exists(settings.place, table) for table in TABLES):
        raise UsageError(f"{settings.place.warehouse} holds no tables yet. Run `lakehouse run` first.")
    if as_json and not query:
        raise UsageError("--json prints the result of a query: give one.")
    declared = shell.declarations(settings.place, runs.versions(settings.place, as_of) if as_of else None)
    with tempfile.TemporaryDirectory(prefix="lakehouse-sql-") as scratch:
        if listen:
            status = serving.serve(settings, listen, declared, Path(scratch))
        elif as_json and query:
            status = shell.query_json(settings, query, declared, Path(scratch))
        else:
            status = shell.run(settings, query, declared, Path(scratch))
    raise typer.Exit(status)


def main() -> None:
    """The program: a person's mistake ends in one message and its status, never in a stack trace."""
    try:
        app()
    except LakehouseError as known:
        console.fail(str(known))
        sys.exit(known.status)
    except Exception as unexpected:  # noqa: BLE001 - the last resort of the program
        console.fail(failure.explain(unexpected))
        sys.exit(UNEXPECTED)


if __name__ == "__main__":
    main()
