"""What has arrived -> bronze, whichever source the settings name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from pyspark.sql import SparkSession

from bronze import ingest, kafka
from bronze.intake import Intake
from conf.settings import KAFKA, Settings

Timed = Callable[[str], AbstractContextManager[None]]


def take(
    settings: Settings, session: Callable[[], SparkSession], timed: Timed, *, accept_lost: bool = False
) -> Intake | None:
    """Take one batch; None when nothing has arrived.

    `session` is called when there is something to write, and never otherwise; `timed` measures a step.
    `accept_lost` goes on although Kafka has lost records that were never taken.
    """
    if settings.source == KAFKA:
        return _from_kafka(settings, session, timed, accept_lost=accept_lost)
    place = settings.place
    arrived = ingest.arrivals(place)
    if not arrived.found:
        return None
    with timed("reading files"):
        judged = ingest.judge_all(place, arrived)
    if not any(one.staged or one.problem for one in judged):
        return Intake(unreadable=ingest.unreadable(judged))
    spark = session()
    with timed("bronze"):
        return ingest.ingest(spark, place, arrived.batch_id, judged)


def _from_kafka(
    settings: Settings, session: Callable[[], SparkSession], timed: Timed, *, accept_lost: bool
) -> Intake | None:
    offered = kafka.arrivals(settings, accept_lost=accept_lost)
    if not offered.spans:
        return None
    spark = session()
    with timed("bronze"):
        return kafka.ingest(spark, settings, offered)
