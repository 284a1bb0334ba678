"""Every table, declared once: name, grain, key, columns with their meaning.

All timestamps are UTC. DDL stays text because parsing it needs a live session.
"""

from __future__ import annotations

from dataclasses import dataclass

EVENT_FIELDS = ("timestamp", "event_type", "banner_id", "placement_id", "page_id", "user_id")
"""The six fields of a delivered event; together they are its identity."""

IDS = ("banner_id", "placement_id", "page_id", "user_id")
TAKEN = "taken"
SET_ASIDE = "set_aside"
"""What becomes of a delivery: bronze.deliveries.status."""

IMPRESSION = 0
CLICK = 1

EVENT_IDENTITY = ("event_time", "event_type", *IDS)
"""The six fields as silver stores them."""

STATISTICS = ("views", "clicks", "distinct_users")


@dataclass(frozen=True)
class Table:
    """One Delta table: what one row is, what identifies a row, what the columns mean."""

    name: str
    grain: str
    key: tuple[str, ...]
    ddl: str
    partition: tuple[str, ...] = ()
    change_feed: bool = False

    @property
    def layer(self) -> str:
        """The schema the table lies in: bronze, silver or gold."""
        return self.name.split(".")[0]

    @property
    def short_name(self) -> str:
        """The name within its layer."""
        return self.name.split(".")[1]


BRONZE_EVENTS = Table(
    name="bronze.events",
    grain="one delivered record, as it arrived; append-only, never rewritten",
    key=(),
    partition=("ingest_date",),
    ddl="""
        payload       STRING    COMMENT 'The record as delivered: a JSON Lines line or Kafka value verbatim; a CSV or Parquet row as one JSON object of its columns',
        valid_utf8    BOOLEAN   COMMENT 'False when the delivered bytes were not UTF-8: payload then shows U+FFFD in their place',
        source        STRING    COMMENT 'File path relative to landing, or kafka:topic/partition',
        source_offset BIGINT    COMMENT 'Kafka offset; null for files',
        ingested_at   TIMESTAMP COMMENT 'When the delivery was taken, UTC; one value a batch, never earlier than the batch before',
        ingest_date   DATE      COMMENT 'UTC day of ingested_at',
        batch_id      BIGINT    COMMENT 'The bronze batch that took the delivery, counted from 1'
    """,
)

BRONZE_DELIVERIES = Table(
    name="bronze.deliveries",
    grain="one delivery judged: a file taken, or set aside whole; or a span of offsets of a Kafka partition",
    key=("batch_id", "source"),
    ddl="""
        source      STRING    COMMENT 'File path relative to landing, or kafka:topic/partition',
        fingerprint STRING    COMMENT 'SHA-256 of the delivered bytes: the same name with other bytes is another delivery; of Kafka, the id of the topic',
        bytes       BIGINT    COMMENT 'Size as delivered; null for Kafka',
        format      STRING    COMMENT 'jsonl, csv or parquet, with .gz when compressed; or kafka',
        status      STRING    COMMENT 'taken or set_aside',
        reason      STRING    COMMENT 'Why the file was set aside; null when taken',
        ingested_at TIMESTAMP COMMENT 'When the delivery was judged, UTC',
        batch_id    BIGINT    COMMENT 'The bronze batch; the row is in force once bronze.events has committed that batch',
        first_offset BIGINT   COMMENT 'The first Kafka offset taken; null for files',
        end_offset  BIGINT    COMMENT 'The Kafka offset before which the delivery ends, and the next one begins; null for files'
    """,
)

SILVER_EVENTS = Table(
    name="silver.events",
    grain="one distinct valid event",
    key=EVENT_IDENTITY,
    partition=("event_date",),
    change_feed=True,
    ddl="""
        event_time   TIMESTAMP COMMENT 'When the event happened, UTC, whole seconds',
        event_type   INT       COMMENT '0 impression, 1 click',
        banner_id    STRING    COMMENT 'The banner shown',
        placement_id STRING    COMMENT 'The place on the page it was shown in',
        page_id      STRING    COMMENT 'The page it was shown on',
        user_id      STRING    COMMENT 'Cookie id of who saw or clicked it',
        event_date   DATE      COMMENT 'UTC day of event_time',
        source       STRING    COMMENT 'Source of its first accepted delivery',
        ingested_at  TIMESTAMP COMMENT 'ingested_at of its first accepted delivery, UTC',
        batch_id     BIGINT    COMMENT 'Bronze batch of its first accepted delivery'
    """,
)

SILVER_QUARANTINE = Table(
    name="silver.quarantine",
    grain="one refused record",
    key=(),
    ddl="""
        payload     STRING        COMMENT 'The record as bronze holds it',
        source      STRING        COMMENT 'Where it came from',
        ingested_at TIMESTAMP     COMMENT 'When it was taken, UTC',
        batch_id    BIGINT        COMMENT 'The bronze batch that took it',
        rules       ARRAY<STRING> COMMENT 'Every rule it breaks',
        event_time  TIMESTAMP     COMMENT 'When it says it happened, UTC; null when it says no whole second of the years 1 to 9999',
        valid_utf8  BOOLEAN       COMMENT 'False when the delivered bytes were not UTF-8'
    """,
)

SILVER_QUALITY = Table(
    name="silver.quality",
    grain="one expectation checked on one batch, or on what a reprocess rebuilt",
    key=("batch_id", "rule", "reprocess"),
    ddl="""
        batch_id         BIGINT    COMMENT 'The last bronze batch in the silver batch that was checked',
        validated_at     TIMESTAMP COMMENT 'When the check ran, UTC',
        suite            STRING    COMMENT 'Expectation suite',
        rule             STRING    COMMENT 'Name of the rule',
        expectation_type STRING    COMMENT 'Great Expectations expectation that checked it',
        column_name      STRING    COMMENT 'Column it was checked on; null for a table-level expectation',
        severity         STRING    COMMENT 'row: one verdict a record; batch: one verdict a batch',
        evaluated        BIGINT    COMMENT 'Values evaluated',
        unexpected       BIGINT    COMMENT 'Values that broke the rule',
        threshold        DOUBLE    COMMENT 'Share of the evaluated values that must pass',
        success          BOOLEAN   COMMENT 'Whether the threshold was met',
        blocking         BOOLEAN   COMMENT 'Whether a breach keeps the batch from being published; otherwise it warns',
        published        BOOLEAN   COMMENT 'Whether the batch was published with this result',
        reprocess        BIGINT    COMMENT 'The reprocess that checked it (silver.suites.number); null for the run that took the batch'
    """,
)

SILVER_SUITES = Table(
    name="silver.suites",
    grain="one suite put in force: for which bronze batches and which event hours",
    key=("number",),
    ddl="""
        number       BIGINT    COMMENT 'Order of the decisions, from 1; where two apply to a record the later one holds',
        kind         STRING    COMMENT 'run: batches as they come; hours: a reprocess of event hours; quarantine: a reprocess of refused records',
        first_batch  BIGINT    COMMENT 'First bronze batch it judges',
        last_batch   BIGINT    COMMENT 'Last bronze batch it judges; null: every later one',
        from_hour    TIMESTAMP COMMENT 'First event hour it judges, UTC; null: all',
        to_hour      TIMESTAMP COMMENT 'The event hour before which it ends, UTC; null: all',
        delivered_by BIGINT    COMMENT 'Records of these hours that later bronze batches delivered are left out, into quarantine; null: none',
        batches      ARRAY<BIGINT> COMMENT 'The bronze batches a reprocess reads: they hold every record it may move',
        definition   STRING    COMMENT 'The suite, as JSON',
        run_id       STRING    COMMENT 'The run that put it in force',
        decided_at   TIMESTAMP COMMENT 'When it was put in force, UTC',
        finished_at  TIMESTAMP COMMENT 'When every table of silver followed it, UTC; null while a reprocess is under way or was interrupted'
    """,
)

SILVER_LEDGER = Table(
    name="silver.ledger",
    grain="one source in one bronze batch; delivered = accepted + duplicate + quarantined",
    key=("batch_id", "source"),
    ddl="""
        batch_id       BIGINT    COMMENT 'The bronze batch',
        source         STRING    COMMENT 'The source',
        delivered      BIGINT    COMMENT 'Records in bronze',
        accepted       BIGINT    COMMENT 'Records that became an event: the first delivery of each',
        duplicate      BIGINT    COMMENT 'Valid records of an event delivered before, in this batch or an earlier one',
        quarantined    BIGINT    COMMENT 'Refused records',
        min_event_time TIMESTAMP COMMENT 'Earliest event among the valid records, UTC',
        max_event_time TIMESTAMP COMMENT 'Latest event among the valid records, UTC',
        ingested_at    TIMESTAMP COMMENT 'When the delivery was taken, UTC'
    """,
)

SILVER_DRIFT = Table(
    name="silver.drift",
    grain="one unknown field in one source in one bronze batch",
    key=("batch_id", "source", "field"),
    ddl="""
        batch_id BIGINT COMMENT 'The bronze batch',
        source   STRING COMMENT 'The source that sent it',
        field    STRING COMMENT 'A field that is none of the six; it stays in the bronze payload',
        records  BIGINT COMMENT 'Well-formed records that carry it'
    """,
)

SILVER_VOLUME = Table(
    name="silver.volume",
    grain="one UTC event hour in one bronze batch",
    key=("batch_id", "hour"),
    ddl="""
        batch_id BIGINT    COMMENT 'The bronze batch',
        hour     TIMESTAMP COMMENT 'UTC hour the events happened in',
        accepted BIGINT    COMMENT 'Events the batch added to the hour'
    """,
)


def _statistics(subject: str, bucket: str, bucket_type: str, meaning: str) -> Table:
    return Table(
        name=f"gold.{subject}_{'hourly' if bucket == 'hour' else 'daily'}",
        grain=f"{subject} and UTC {bucket}",
        key=(f"{subject}_id", bucket),
        change_feed=True,
        ddl=f"""
            {subject}_id   STRING        COMMENT 'The {subject}',
            {bucket}       {bucket_type} COMMENT '{meaning}',
            views          BIGINT        COMMENT 'Impressions: events of type 0',
            clicks         BIGINT        COMMENT 'Clicks: events of type 1',
            distinct_users BIGINT        COMMENT 'Exact count of user_id with a view or a click in the {bucket}'
        """,
    )


_HOUR = ("hour", "TIMESTAMP", "Start of the UTC hour the events happened in")
_DAY = ("day", "DATE", "UTC day the events happened in")
PLACEMENT_HOURLY = _statistics("placement", *_HOUR)
PLACEMENT_DAILY = _statistics("placement", *_DAY)
PAGE_HOURLY = _statistics("page", *_HOUR)
PAGE_DAILY = _statistics("page", *_DAY)

GOLD = (PLACEMENT_HOURLY, PLACEMENT_DAILY, PAGE_HOURLY, PAGE_DAILY)

GOLD_RESTATEMENTS = Table(
    name="gold.restatements",
    grain="one change of a number that was published before",
    key=("table_name", "key", "bucket", "silver_version"),
    ddl="""
        table_name         STRING        COMMENT 'The table whose bucket changed: gold.placement_hourly, …',
        key                STRING        COMMENT 'Its placement_id or page_id',
        bucket             TIMESTAMP     COMMENT 'Start of its hour or day, UTC',
        old_views          BIGINT        COMMENT 'What was published until then; null: the bucket had been taken back before',
        old_clicks         BIGINT        COMMENT 'See old_views',
        old_distinct_users BIGINT        COMMENT 'See old_views',
        new_views          BIGINT        COMMENT 'What is published from then on; null: the bucket is taken back, no event is left in it',
        new_clicks         BIGINT        COMMENT 'See new_views',
        new_distinct_users BIGINT        COMMENT 'See new_views',
        cause              STRING        COMMENT 'late: a delivery added events; reprocess: rebuilt under the same rules; rule_change: rebuilt under other rules',
        sources            ARRAY<STRING> COMMENT 'The deliveries whose events came or went',
        run_id             STRING        COMMENT 'The run that restated it',
        restated_at        TIMESTAMP     COMMENT 'When, UTC; until an hour after its bucket ends a number is still filling',
        silver_version     BIGINT        COMMENT 'The version of silver.events that brought the change; null when it was in gold itself'
    """,
)

BRONZE = (BRONZE_EVENTS, BRONZE_DELIVERIES)
SILVER_ACCOUNTS = (SILVER_QUALITY, SILVER_LEDGER, SILVER_DRIFT, SILVER_VOLUME, SILVER_SUITES)
TABLES = (*BRONZE, SILVER_EVENTS, SILVER_QUARANTINE, *SILVER_ACCOUNTS, *GOLD, GOLD_RESTATEMENTS)
