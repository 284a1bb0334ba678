"""The command line: the one module that knows every layer."""

from __future__ import annotations

import dataclasses
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
from typing import Annotated, Literal

import polars as pl
import typer

import bronze.ingest
import generator
import gold.publish
import silver.publish
from bronze.ingest import Intake
from conf import claim, console, failure, log, shell, warehouse
from conf import settings as configuration
from conf.errors import GATE_REFUSED, UNEXPECTED, LakehouseError, StoppedError, UsageError
from conf.home import Home
from conf.session import Spark
from conf.settings import Settings
from conf.tables import PLACEMENT_DAILY, TABLES
from gold.publish import Published
from silver.window import Outcome

LAYERS = ("bronze", "silver", "gold")
TOP = 5

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
    settings = configuration.load(home=home)
    place = settings.place
    claim.usable(place, settings.min_free_mib)
    report = Report(_run_id())
    with claim.held(place, "run", report.run):
        log.open_file(place.logs / f"{report.run}.jsonl")
        shutil.rmtree(place.scratch, ignore_errors=True)
        commit = json.dumps({"run": report.run, "verb": "run"})
        spark = Spark(settings, place.scratch, place.logs / f"{report.run}.spark.log", commit)
        try:
            with console.progress("run", spark.work):
                _advance(report, settings, spark, (only,) if only else LAYERS, accept_batch)
        except KeyboardInterrupt:
            raise StoppedError(
                "Stopped. Nothing is lost: run again and it goes on from the last commit."
            ) from None
        finally:
            spark.stop()
        log.stage("run", "done", **dataclasses.asdict(report))
    if as_json:
        print(json.dumps(dataclasses.asdict(report), default=str))
    else:
        _show(report, place)
    if report.refused:
        raise typer.Exit(GATE_REFUSED)


def _run_id() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def _advance(
    report: Report, settings: Settings, spark: Spark, steps: tuple[str, ...], accept: int | None
) -> None:
    """Run the steps; Spark starts only when one of them has something to do."""
    place = settings.place
    with _timed(report, "total"):
        # A table put back from an older copy is told before anything is added to it.
        silver.publish.waiting(place)
        gold.publish.waiting(place)
        if "bronze" in steps:
            _bronze(report, place, spark)
        if "silver" in steps and (_is_behind(silver.publish.waiting(place)) or accept is not None):
            _start(report, place, spark)
            with _timed(report, "silver"):
                report.outcomes = silver.publish.publish(spark.session, place, accept)
        if "gold" in steps and _is_behind(gold.publish.waiting(place)):
            _start(report, place, spark)
            with _timed(report, "gold"):
                report.published = gold.publish.publish(spark.session, place)


def _bronze(report: Report, place: Home, spark: Spark) -> None:
    arrived = bronze.ingest.arrivals(place)
    if not arrived.found:
        return
    with _timed(report, "reading files"):
        judged = bronze.ingest.judge_all(place, arrived)
    report.intake = bronze.ingest.Intake(unreadable=bronze.ingest.unreadable(judged))
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
    for source, path, reason in report.intake.set_aside if report.intake else []:
        lies = "stays in landing" if path.is_relative_to(place.landing) else f"was set aside as {path}"
        console.warn(
            f"{source}: {reason}.\nThe file {lies}; the others went through.\n"
            "Correct it, put it back under landing, and run `lakehouse run` again."
        )
    for source, reason in report.intake.unreadable if report.intake else []:
        console.warn(
            f"{source}: could not be read ({reason}). It stays in landing; the others went through.\n"
            "Make it readable for this user, or take it away, and run `lakehouse run` again."
        )
    for outcome in report.outcomes:
        for warning in [] if outcome.refusing else outcome.warnings:
            console.warn(f"batch {outcome.batch_id}, {warning}.")
    if report.is_empty:
        _show_nothing_new(place)
        return
    _show_layers(report)
    _show_top(place)
    console.table("Seconds", list(report.seconds), [list(report.seconds.values())])
    if report.refused:
        _show_refusal(report.refused)
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


def _show_layers(report: Report) -> None:
    rows: list[tuple[str, str, int]] = []
    if report.intake and report.intake.batch_id:
        rows.append(("bronze", f"records delivered (files: {report.intake.files:,})", report.intake.records))
    published = [outcome for outcome in report.outcomes if not outcome.refusing]
    if published:
        rows += [
            ("silver", what, sum(getattr(outcome, what) for outcome in published))
            for what in ("accepted", "duplicate", "quarantined")
        ]
    broken: dict[str, int] = {}
    for outcome in published:
        for rule, count in outcome.broken.items():
            broken[rule] = broken.get(rule, 0) + count
    rows += [("silver", f"refused by {rule}", count) for rule, count in broken.items()]
    rows += [("gold", f"buckets changed in {step.table}", step.buckets) for step in report.published]
    console.table(f"Run {report.run}", ("layer", "what", "count"), rows)


def _show_top(place: Home) -> None:
    table = PLACEMENT_DAILY
    if not warehouse.exists(place, table):
        return
    rows = pl.DataFrame(warehouse.state(place, table).to_pyarrow_table())
    if rows.is_empty():
        return
    newest = rows.filter(pl.col("day") == pl.col("day").max()).sort(
        "views", "placement_id", descending=[True, False]
    )
    console.table(
        f"Top placements on {newest['day'].first()!s} (UTC)",
        ("placement", "views", "clicks", "click-through %", "distinct users"),
        [
            (
                row["placement_id"],
                row["views"],
                row["clicks"],
                100 * row["clicks"] / row["views"] if row["views"] else 0.0,
                row["distinct_users"],
            )
            for row in newest.head(TOP).to_dicts()
        ],
    )


def _show_refusal(outcome: Outcome) -> None:
    reasons = "\n".join(f"  {reason}" for reason in outcome.refusing)
    console.fail(
        f"Batch {outcome.batch_id} was not published: a quality gate refused it.\n{reasons}\n"
        "silver and gold stay as they were; bronze keeps the records, and later deliveries wait with them.\n"
        "Correct the source, or the suite conf/expectations/events.json, and run again; or accept it:\n"
        f"lakehouse run --accept-batch {outcome.batch_id}"
    )


@app.command()
def sql(
    query: Annotated[str | None, typer.Argument(help="One or more statements; without it, a prompt.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Query every table with spark-sql, VERSION AS OF and TIMESTAMP AS OF included."""
    settings = configuration.load(home=home)
    if not any(warehouse.exists(settings.place, table) for table in TABLES):
        raise UsageError(f"{settings.place.warehouse} holds no tables yet. Run `lakehouse run` first.")
    if as_json and not query:
        raise UsageError("--json prints the result of a query: give one.")
    with tempfile.TemporaryDirectory(prefix="lakehouse-sql-") as scratch:
        status = (
            shell.query_json(settings, query, Path(scratch))
            if as_json and query
            else shell.run(settings, query, Path(scratch))
        )
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
