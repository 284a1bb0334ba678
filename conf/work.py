"""One verb at work: it holds the lakehouse, its log and its Spark, and a person sees what it does."""

from __future__ import annotations

import getpass
import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from conf import claim, console, intact, log
from conf import settings as configuration
from conf.errors import DIFFERENCE_FOUND, LakehouseError, StoppedError
from conf.home import Home
from conf.session import Spark
from conf.settings import Settings


@dataclass(frozen=True)
class AtWork:
    """A verb that holds the lakehouse."""

    run: str
    settings: Settings
    spark: Spark

    def left(self) -> None:
        """Keep which version every table has now: whoever begins next must not find an older one."""
        intact.note(self.settings.place)


def new_run() -> str:
    """A name for a run: when, and something of its own."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def _check_intact(place: Home, verb: str) -> None:
    """Raise LakehouseError for a table that is not as it was left: to `verify` that is a difference found."""
    try:
        intact.check(place)
    except LakehouseError as told:
        told.status = DIFFERENCE_FOUND if verb == "verify" else told.status
        raise


@contextmanager
def holding(verb: str, home: str | None, *, stages: bool = True) -> Iterator[AtWork]:
    """Hold the lakehouse for one verb: the lock, its log, its Spark, and what a person sees of it."""
    settings = configuration.load(home=home)
    place = settings.place
    claim.usable(place, settings.min_free_mib)
    run = new_run()
    with claim.held(place, verb, run):
        _check_intact(place, verb)
        log.open_file(place.logs / f"{run}.jsonl")
        shutil.rmtree(place.scratch, ignore_errors=True)
        note = json.dumps({"run": run, "verb": verb, "who": getpass.getuser()})
        spark = Spark(settings, place.scratch, place.logs / f"{run}.spark.log", note)
        try:
            with console.progress(verb, spark.work, stages=stages):
                at_work = AtWork(run, settings, spark)
                yield at_work
                at_work.left()
        except KeyboardInterrupt:
            told = "Stopped. Nothing is lost: run again and it goes on from the last commit."
            raise StoppedError(told) from None
        finally:
            spark.stop()
