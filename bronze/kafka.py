"""A Kafka topic -> bronze.deliveries, bronze.events.

A batch is a span of offsets of each partition. The plan stands in bronze.deliveries and comes into force
with the commit of the records, so the next batch begins where the last one in force ended: what consumers
usually keep in Kafka itself, and could disagree with the tables, is kept nowhere else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from bronze.ingest import clock, taken_records
from bronze.intake import Intake
from bronze.topic import Topic, ask
from conf import entries, kafka, log, warehouse
from conf.errors import LakehouseError
from conf.home import Home
from conf.settings import KAFKA, Settings
from conf.tables import BRONZE_DELIVERIES, BRONZE_EVENTS, TAKEN

END = "end_offset"


@dataclass(frozen=True)
class Span:
    """Offsets of one partition from `first` up to, and without, `end`."""

    partition: int
    first: int
    end: int


@dataclass(frozen=True)
class Offered:
    """What the topic holds that bronze has not taken: the spans of the next batch, and how many offsets it
    leaves.
    """

    topic_id: str
    spans: list[Span]
    left: int
    batch_id: int

    @property
    def offsets(self) -> int:
        """How many offsets the batch spans; records are as many or fewer."""
        return sum(span.end - span.first for span in self.spans)


def arrivals(settings: Settings, *, accept_lost: bool = False) -> Offered:
    """What is there to take, found without Spark; a partition never seen begins at its beginning.

    Raises PassingError when the brokers or the topic are not there, LakehouseError when records are gone
    that bronze had not taken, unless that is accepted.
    """
    home, topic = settings.place, ask(settings)
    committed = warehouse.marker(home, BRONZE_EVENTS, warehouse.LANDING)
    known = _known(home, settings.kafka_topic, committed)
    lost = {number: said for number in topic.ends if (said := _lost(topic, number, known))}
    if lost and not accept_lost:
        raise LakehouseError(_told(settings, lost))
    begins = {
        number: topic.begins[number] if number in lost else known.ends.get(number, topic.begins[number])
        for number in topic.ends
    }
    waiting = {number: topic.ends[number] - begins[number] for number in topic.ends}
    taken = share(waiting, settings.kafka_max_records)
    spans = [
        Span(number, begins[number], begins[number] + taken[number])
        for number in sorted(topic.ends)
        if taken[number] or number in lost
    ]
    return Offered(topic.id, spans, sum(waiting.values()) - sum(taken.values()), committed + 1)


def share(waiting: dict[int, int], most: int) -> dict[int, int]:
    """Of what waits in each partition, so much that all together is `most` at most: the same of each, and
    what small ones leave goes to the others.
    """
    taken, left = {}, most
    for rank, number in enumerate(sorted(waiting, key=lambda number: (waiting[number], number))):
        taken[number] = min(waiting[number], left // (len(waiting) - rank))
        left -= taken[number]
    return taken


@dataclass(frozen=True)
class _Known:
    """The topic that bronze took from last, and where it ended each partition; nothing when it never did."""

    topic_id: str
    ends: dict[int, int]


def _known(home: Home, topic: str, committed: int) -> _Known:
    """Rows of a batch that bronze.events never committed do not count."""
    if not warehouse.exists(home, BRONZE_DELIVERIES):
        return _Known("", {})
    deliveries = warehouse.state(home, BRONZE_DELIVERIES)
    if END not in {field.name for field in deliveries.schema().fields}:
        return _Known("", {})
    columns = ["batch_id", "source", "fingerprint", END]
    of_kafka = [("format", "=", KAFKA), ("batch_id", "<=", committed)]
    held = deliveries.to_pyarrow_table(columns=columns, filters=of_kafka).sort_by("batch_id").to_pylist()
    prefix = _source(topic, "")
    ours = [row for row in held if row["source"].startswith(prefix)]
    topic_id = ours[-1]["fingerprint"] if ours else ""
    ends = {
        int(row["source"].removeprefix(prefix)): row[END] for row in ours if row["fingerprint"] == topic_id
    }
    return _Known(topic_id, ends)


def _source(topic: str, partition: int | str) -> str:
    return f"{KAFKA}:{topic}/{partition}"


def _lost(topic: Topic, number: int, known: _Known) -> str:
    """What is wrong with a partition since bronze took from the topic last; empty when nothing is."""
    if known.topic_id not in {"", topic.id}:
        return f"the topic was deleted and made anew (id {topic.id}, until then {known.topic_id})"
    if number not in known.ends:
        return ""
    end, first, last = known.ends[number], topic.begins[number], topic.ends[number]
    if first > end:
        return f"offsets {end} to {first - 1} were deleted before they were taken"
    if last < end:
        return f"it ends at offset {last}, but was taken up to {end}"
    return ""


def _told(settings: Settings, lost: dict[int, str]) -> str:
    said = "\n".join(f"  partition {number}: {what}" for number, what in sorted(lost.items()))
    return (
        f"Kafka topic {settings.kafka_topic}: records that had not been taken may be lost.\n{said}\n"
        "Nothing was taken. Deliver them again if the sender still has them, and keep records longer in the "
        "topic (retention.ms).\nTo go on with what the topic holds now, knowing that: "
        "lakehouse run --accept-lost"
    )


def ingest(spark: SparkSession, settings: Settings, offered: Offered) -> Intake:
    """Take the spans as one batch; a run that ended in between leaves a plan that is replaced."""
    home, batch_id = settings.place, offered.batch_id
    ingested_at = clock(home, batch_id)
    plan = [
        {
            "source": _source(settings.kafka_topic, span.partition),
            "fingerprint": offered.topic_id,
            "format": KAFKA,
            "status": TAKEN,
            "ingested_at": ingested_at,
            "batch_id": batch_id,
            "first_offset": span.first,
            END: span.end,
        }
        for span in offered.spans
    ]
    entries.replace_after(plan, home, BRONZE_DELIVERIES, warehouse.LANDING, batch_id - 1, batch_id)
    log.stage("bronze", f"reading {offered.offsets:,} offsets of Kafka", spark, batch=batch_id)
    delivered = records(_values(spark, settings, offered.spans), batch_id, ingested_at)
    warehouse.append(delivered, home, BRONZE_EVENTS, warehouse.LANDING, batch_id)
    return Intake(
        batch_id=batch_id,
        files=len(offered.spans),
        parts="partitions",
        records=taken_records(home),
        offsets=offered.offsets,
        left=offered.left,
    )


def _values(spark: SparkSession, settings: Settings, spans: list[Span]) -> DataFrame:
    """Columns topic string, partition int, offset bigint, value binary: every record of the spans."""
    topic = settings.kafka_topic
    spans = [span for span in spans if span.first < span.end]
    if not spans:
        return spark.createDataFrame([], "topic string, partition int, offset bigint, value binary")
    reader = spark.read.format("kafka").options(**kafka.for_spark(settings))
    reader = reader.option("assign", json.dumps({topic: [span.partition for span in spans]}))
    for option, bound in (("startingOffsets", "first"), ("endingOffsets", "end")):
        offsets = {str(span.partition): getattr(span, bound) for span in spans}
        reader = reader.option(option, json.dumps({topic: offsets}))
    reader = reader.option("failOnDataLoss", "true")
    return reader.option("minPartitions", spark.sparkContext.defaultParallelism).load()


def records(values: DataFrame, batch_id: int, ingested_at: datetime) -> DataFrame:
    """One row per Kafka record, with bronze.events' columns; one without a value has an empty payload, and
    silver refuses it.
    """
    value = F.coalesce(F.col("value").cast("string"), F.lit(""))
    source = F.concat(F.lit(f"{KAFKA}:"), "topic", F.lit("/"), F.col("partition").cast("string"))
    taken_at = F.lit(ingested_at)
    return values.select(
        F.make_valid_utf8(value).alias("payload"),
        F.is_valid_utf8(value).alias("valid_utf8"),
        source.alias("source"),
        F.col("offset").alias("source_offset"),
        taken_at.alias("ingested_at"),
        taken_at.cast("date").alias("ingest_date"),
        F.lit(batch_id).cast("bigint").alias("batch_id"),
    )
