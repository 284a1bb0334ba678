"""Deliveries -> bronze.deliveries, bronze.events."""

from __future__ import annotations

import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from bronze.intake import Intake
from bronze.judge import Judged, judge
from bronze.known import known_deliveries, last_ingested
from bronze.landing import Found, is_as_found, read_stamps, reason, stamp, survey, write_stamps
from conf import entries, log, objects, warehouse
from conf.home import Home
from conf.tables import BRONZE_DELIVERIES, BRONZE_EVENTS, SET_ASIDE, TAKEN

WHITE_SPACE = " \t\r\x0b\x0c"


@dataclass(frozen=True)
class Arrivals:
    """What landing holds that bronze has not taken: files to read, and how far bronze had come."""

    found: list[Found]
    taken: dict[str, frozenset[str]]
    batch_id: int


def arrivals(home: Home) -> Arrivals:
    """What is there to take, found without Spark: files never read before, or written to since."""
    committed = warehouse.marker(home, BRONZE_EVENTS, warehouse.LANDING)
    known = known_deliveries(home, committed)
    stamps = read_stamps(home)
    found = [
        file
        for file in survey(home)
        if file.stamp != (held := stamps.get(file.source, ("", "")))[0]
        or held[1] not in known.get(file.source, {})
    ]
    taken = {
        source: frozenset(fingerprint for fingerprint, status in held.items() if status == TAKEN)
        for source, held in known.items()
    }
    return Arrivals(found, taken, committed + 1)


def judge_all(home: Home, arrived: Arrivals) -> list[Judged]:
    """Read every arrival once, without Spark: new deliveries are staged, known bytes only remembered."""
    log.stage("bronze", f"reading {len(arrived.found)} files")
    shutil.rmtree(home.staging, ignore_errors=True)
    home.staging.mkdir(parents=True)
    judged = _judged(home, arrived)
    remember(home, [one for one in judged if not one.staged and not one.problem])
    return judged


def ingest(spark: SparkSession, home: Home, batch_id: int, judged: list[Judged]) -> Intake:
    """Take every staged delivery as one batch; set aside what is not what its name says.

    The plan (which bytes of which file) is committed to bronze.deliveries first and comes into force
    with the commit of the records; a run that ended in between leaves a plan that is replaced.
    """
    new = [one for one in judged if one.staged]
    refused = [one for one in judged if one.problem]
    if not new and not refused:
        return Intake(unreadable=unreadable(judged))
    ingested_at = clock(home, batch_id)
    _write_plan(home, batch_id, ingested_at, new, refused)
    _write_records(spark, home, batch_id, ingested_at, new)
    set_aside = [(one.found.source, *_set_aside(home, one)) for one in refused]
    for staging in {home.staging, home.shared(home.staging)}:
        objects.remove(staging)
    # A refused file that could not be moved is told of once, not in each run.
    left = [one for one, (_, place, _) in zip(refused, set_aside, strict=True) if place == one.found.path]
    remember(home, [*new, *left])
    return Intake(
        batch_id=batch_id,
        files=len(new),
        records=taken_records(home),
        bytes=sum(one.found.bytes for one in new),
        set_aside=set_aside,
        unreadable=unreadable(judged),
    )


def taken_records(home: Home) -> int:
    """How many records the newest batch brought."""
    [commit] = warehouse.state(home, BRONZE_EVENTS).history(limit=1)
    return int(commit.get("operationMetrics", {}).get("numOutputRows", 0))


def unreadable(judged: list[Judged]) -> list[tuple[str, str]]:
    """(source, reason) of the files that could not be opened; they stay in landing."""
    return [(one.found.source, one.unreadable) for one in judged if one.unreadable]


def _judged(home: Home, arrived: Arrivals) -> list[Judged]:
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        jobs = [
            pool.submit(judge, found, arrived.taken.get(found.source, frozenset()), home.staging, number)
            for number, found in enumerate(arrived.found)
        ]
        return [job.result() for job in jobs]


def clock(home: Home, batch_id: int) -> datetime:
    """Now, and later than every batch before: the order of deliveries survives a clock set back."""
    now = datetime.now(UTC)
    if batch_id == 1:
        return now
    last = last_ingested(home)
    return max(now, last + timedelta(microseconds=1)) if last else now


def _write_plan(
    home: Home,
    batch_id: int,
    ingested_at: datetime,
    new: list[Judged],
    refused: list[Judged],
) -> None:
    plan = [
        {
            "source": one.found.source,
            "fingerprint": one.fingerprint,
            "bytes": one.found.bytes,
            "format": one.found.format + (".gz" if one.found.gzipped else ""),
            "status": SET_ASIDE if one.problem else TAKEN,
            "reason": one.problem,
            "ingested_at": ingested_at,
            "batch_id": batch_id,
        }
        for one in [*new, *refused]
    ]
    entries.replace_after(plan, home, BRONZE_DELIVERIES, warehouse.LANDING, batch_id - 1, batch_id)


def _write_records(
    spark: SparkSession, home: Home, batch_id: int, ingested_at: datetime, new: list[Judged]
) -> None:
    log.stage("bronze", f"writing the records of {len(new)} files", spark, batch=batch_id)
    names = {"staged": [_staged_name(one) for one in new], "source": [one.found.source for one in new]}
    sources = spark.createDataFrame(pa.table(names, pa.schema(dict.fromkeys(names, pa.string()))))
    delivered = records(_staged_lines(spark, home, new), sources, batch_id, ingested_at)
    warehouse.append(delivered, home, BRONZE_EVENTS, warehouse.LANDING, batch_id)


def _staged_name(one: Judged) -> str:
    return one.staged.name if one.staged else ""


def _staged_lines(spark: SparkSession, home: Home, new: list[Judged]) -> DataFrame:
    """Columns value string (bytes as they are) and staged string (file name)."""
    if not new:
        return spark.createDataFrame([], "value string, staged string")
    # Spark would take [, * and their like in the home's own path for a pattern.
    shared = _shared(home)
    paths = [re.sub(r"([][{}*?\\])", r"\\\1", f"{shared}/{_staged_name(one)}") for one in new]
    lines = spark.read.option("lineSep", "\n").text(paths)
    return lines.select("value", F.col("_metadata.file_name").alias("staged"))


def _shared(home: Home) -> str:
    """The folder of staged lines where every executor reads it."""
    there = home.shared(home.staging)
    if there != home.staging:
        objects.remove(there)
        objects.send(home.staging, there)
    return objects.address(there)


def records(lines: DataFrame, sources: DataFrame, batch_id: int, ingested_at: datetime) -> DataFrame:
    """One row per delivered record, with bronze.events' columns.

    `lines` has value string and staged string; `sources` says which source each staged file is.
    A carriage return before the newline, and lines of only white space, are no part of any record.
    """
    # Made valid before it is cut: a broken character would take the carriage return after it for its own.
    text = F.when(F.col("valid_utf8"), F.col("value")).otherwise(F.make_valid_utf8("value"))
    without_return = F.substr(text, F.lit(1), F.length(text) - 1)
    payload = F.when(F.endswith("value", F.lit("\r")), without_return).otherwise(text)
    # Looked at before the join, each line is looked at once: Spark would put it in the place of each use.
    return (
        lines.select("staged", "value", F.is_valid_utf8("value").alias("valid_utf8"))
        .where(F.ltrim("value", F.lit(WHITE_SPACE)) != "")
        .join(F.broadcast(sources), on="staged", how="inner")
        .select(
            payload.alias("payload"),
            "valid_utf8",
            "source",
            F.lit(None).cast("bigint").alias("source_offset"),
            F.lit(ingested_at).alias("ingested_at"),
            F.lit(ingested_at).cast("date").alias("ingest_date"),
            F.lit(batch_id).cast("bigint").alias("batch_id"),
        )
    )


def _set_aside(home: Home, one: Judged) -> tuple[Path, str]:
    """Move a refused file out of landing, keeping its path, never over another one: (where it is, reason).

    What was written to since it was judged is another delivery, and stays for the next run.
    """
    lies, place = one.found.path, home.set_aside / one.found.source
    if not is_as_found(one.found):
        return lies, f"{one.problem}; it was replaced since, what is there now is left for the next run"
    if place.exists():
        place = place.with_name(f"{one.fingerprint[:8]}-{place.name}")
    try:
        objects.move(lies, place)
    except OSError as failed:
        return lies, f"{one.problem}; it could not be moved out of landing ({reason(failed)})"
    return place, one.problem or ""


def remember(home: Home, judged: list[Judged]) -> None:
    """Note which bytes each file held, so that an untouched file is not read again."""
    stamps = read_stamps(home)
    for one in judged:
        if one.fingerprint:
            stamps[one.found.source] = (stamp(one.found), one.fingerprint)
    write_stamps(home, stamps)
