"""A real topic through to gold: every record once, whatever it holds and whatever becomes of the broker."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import NewPartitions

import bronze.topic
import generator
import generator.kafka
import gold.progress
from conf import kafka, rounds, settings, warehouse
from conf.home import Home
from conf.tables import (
    BRONZE_DELIVERIES,
    BRONZE_EVENTS,
    GOLD,
    SILVER_LEDGER,
    SILVER_QUARANTINE,
    TABLES,
    Table,
)
from tests.kafka.conftest import PASSWORD, USER, Broker

EVENTS = int(os.environ.get("KAFKA_EVENTS", "20000"))
"""A million is a matter of minutes: KAFKA_EVENTS=1000000 .venv/bin/pytest tests/kafka -k killed"""

START = datetime(2026, 3, 2, tzinfo=UTC)
NOON = 1772452800
RECORD = {"timestamp": NOON, "event_type": 0, "banner_id": "b", "placement_id": "p", "page_id": "g"}

pytestmark = pytest.mark.usefixtures("shared_spark")


def event(user: str, **changed: object) -> bytes:
    return json.dumps(RECORD | {"user_id": user} | changed).encode()


def held(home: Home, table: Table) -> pl.DataFrame:
    return pl.DataFrame(warehouse.state(home, table).to_pyarrow_table())


def ledger(home: Home) -> tuple[int, ...]:
    """delivered, accepted, duplicate, quarantined"""
    if not warehouse.exists(home, SILVER_LEDGER):
        return (0, 0, 0, 0)
    sums = held(home, SILVER_LEDGER).select("delivered", "accepted", "duplicate", "quarantined").sum()
    return tuple(sums.row(0))


def versions(home: Home) -> dict[str, int]:
    return {table.name: warehouse.state(home, table).version() for table in TABLES}


def eventually(what: str, is_so: Callable[[], bool], seconds: float = 300 + EVENTS / 500) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, f"never: {what}"
        time.sleep(0.2)


@pytest.mark.timeout(900 + EVENTS / 250)
def test_a_broker_killed_and_a_partition_added(program, home, broker: Broker, topic, monkeypatch):
    """While the stream runs: half is sent, the broker killed and started again, a partition added, the rest
    sent. Gold is the generator's key, the ledger its totals.
    """
    monkeypatch.setenv("LAKEHOUSE_KAFKA_MAX_RECORDS", str(EVENTS * 2 // 5))
    monkeypatch.setattr(bronze.topic, "PATIENCE_S", 2)
    monkeypatch.setattr(rounds, "BACK_OFF_S", 0.5)
    told = settings.load(home=home.root)
    away = threading.Event()

    def order(hours: int, start: datetime) -> None:
        half = generator.Order(EVENTS // 2, hours, start, 4, duplicates=0.05, late=0.1, malformed=0.02)
        generator.generate(half, home, None, generator.kafka.sender(told))

    def person() -> None:
        try:
            order(4, START)
            eventually("the first records in silver", lambda: ledger(home)[0] > 0)
            broker.kill()
            eventually("the stream has met it", away.is_set)
            broker.start()
            grown = broker.admin.create_partitions([NewPartitions(topic, 3)])
            grown[topic].result(60)
            order(4, START.replace(hour=4))
            eventually("all in silver", lambda: ledger(home)[0] == totals(home)[0])
            eventually("gold follows", lambda: len(set(gold.progress.waiting(home))) == 1)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    ask = bronze.topic.ask

    def watched(asked: Any) -> Any:
        try:
            return ask(asked)
        except Exception:
            away.set()
            raise

    monkeypatch.setattr("bronze.kafka.ask", watched)
    thread = threading.Thread(target=person)
    thread.start()
    said = program("stream", "--interval", "500ms", "--home", home.root)
    thread.join()
    assert said.status == 0, said.err
    assert "cannot be reached (" in said.err
    assert "Trying again in " in said.err
    assert ledger(home) == totals(home)
    for table in GOLD:
        expected = pl.read_parquet(home.answers / f"{table.short_name}.parquet").sort(list(table.key))
        assert held(home, table).sort(list(table.key)).select(expected.columns).rows() == expected.rows()
    delivered = held(home, BRONZE_EVENTS).select("source", "source_offset")
    assert delivered.is_duplicated().sum() == 0
    assert set(delivered["source"]) == {f"kafka:{topic}/{number}" for number in range(3)}
    assert delivered.group_by("source").agg(
        gaps=pl.col("source_offset").max() + 1 - pl.col("source_offset").len()
    )["gaps"].to_list() == [0, 0, 0]
    assert delivered.height == totals(home)[0]
    sizes = held(home, BRONZE_EVENTS).group_by("batch_id").len()["len"]
    assert max(sizes.to_list()) <= EVENTS * 2 // 5


def totals(home: Home) -> tuple[int, ...]:
    """What the generator says it delivered."""
    said = json.loads((home.answers / "totals.json").read_text())
    return tuple(said[name] for name in ("delivered", "distinct_events", "duplicates", "malformed"))


ODD: list[tuple[bytes | None, str, str]] = [
    (event("plain"), event("plain").decode(), "accepted"),
    (event("plain"), event("plain").decode(), "duplicate"),
    (None, "", "quarantined"),
    (b"", "", "quarantined"),
    (b" \t\r\n ", " \t\r\n ", "quarantined"),
    (b"\xff\xc3(", "\ufffd\ufffd(", "quarantined"),
    (b'{"user_id":"\xff"}', '{"user_id":"\ufffd"}', "quarantined"),
    (event("between").replace(b", ", b",\n"), event("between").decode().replace(", ", ",\n"), "accepted"),
    (event("a") + b"\n" + event("b"), (event("a") + b"\n" + event("b")).decode(), "quarantined"),
    (event("end") + b"\n", event("end").decode() + "\n", "accepted"),
    (b"\xef\xbb\xbf" + event("bom"), "\ufeff" + event("bom").decode(), "quarantined"),
    (b"\x00", "\x00", "quarantined"),
    (b"x" * 500_000, "x" * 500_000, "quarantined"),
]


@pytest.fixture
def odd(program, home: Home, broker, topic) -> Home:
    """A topic of odd values, and of transactions: one taken back, one committed; taken by a run."""
    broker.send(topic, *[value for value, _, _ in ODD])
    producer = Producer({"bootstrap.servers": broker.brokers, "transactional.id": topic})
    producer.init_transactions(60)
    for user, committed in (("taken-back", False), ("committed", True)):
        producer.begin_transaction()
        producer.produce(topic, value=event(user), partition=0)
        producer.flush(60)
        (producer.commit_transaction if committed else producer.abort_transaction)(60)
    said = program("run", "--home", home.root)
    assert said.status == 0, said.err
    return home


def test_every_odd_value_is_accounted_for(program, odd, topic):
    """And the same again gives nothing new, with no Spark to be asked."""
    expected = [(payload, offset) for offset, (_, payload, _) in enumerate(ODD)]
    expected.append((event("committed").decode(), len(ODD) + 2))  # the other one, and the mark that ends it
    rows = held(odd, BRONZE_EVENTS).sort("source_offset")
    assert rows.select("payload", "source_offset").rows() == expected
    assert set(rows["source"]) == {f"kafka:{topic}/0"}
    assert [row[0] for row in rows.filter(~pl.col("valid_utf8")).select("source_offset").rows()] == [5, 6]
    outcomes = [outcome for _, _, outcome in ODD] + ["accepted"]
    counts = [outcomes.count(name) for name in ("accepted", "duplicate", "quarantined")]
    assert ledger(odd) == (len(outcomes), *counts)
    assert set(held(odd, SILVER_QUARANTINE).explode("rules")["rules"]) == {"well_formed"}
    [(source, first, end, reason)] = (
        held(odd, BRONZE_DELIVERIES).select("source", "first_offset", "end_offset", "reason").rows()
    )
    assert (source, first, end, reason) == (f"kafka:{topic}/0", 0, len(ODD) + 4, None)

    before = versions(odd)
    again = program("run", "--home", odd.root)
    assert (again.status, again.out) == (0, "Nothing new has arrived; every table stays as it is.\n")
    assert versions(odd) == before


def test_a_plan_without_its_records_is_made_anew(program, home, broker, topic, monkeypatch):
    """A run that ended between its two commits took nothing: the next one plans the batch again, with what
    came since.
    """
    broker.send(topic, event("u1"))
    append = warehouse.append

    def ended(rows, place, table, *marker):
        if table is BRONZE_EVENTS:
            raise OSError("ended here")
        append(rows, place, table, *marker)

    with monkeypatch.context() as patch:
        patch.setattr(warehouse, "append", ended)
        assert program("run", "--home", home.root).status == 1
    columns = ("batch_id", "first_offset", "end_offset")
    assert held(home, BRONZE_DELIVERIES).select(columns).rows() == [(1, 0, 1)]
    broker.send(topic, event("u2"))
    assert program("run", "--home", home.root).status == 0
    assert held(home, BRONZE_DELIVERIES).select(columns).rows() == [(1, 0, 2)]
    assert ledger(home) == (2, 2, 0, 0)


def test_what_kafka_lost_is_told_and_gone_on_from_only_when_asked(program, home, broker, topic):
    """First records deleted before they were taken, then the whole topic made anew."""
    broker.send(topic, event("first"))
    assert program("run", "--home", home.root).status == 0
    broker.send(topic, event("lost-1"), event("lost-2"), event("kept"))
    broker.admin.delete_records([TopicPartition(topic, 0, 3)])
    eventually("deleted", lambda: bronze.topic.ask(settings.load()).begins[0] == 3)
    before = versions(home)
    said = program("run", "--home", home.root)
    assert said.status == 1
    assert said.err.endswith(
        f"Kafka topic {topic}: records that had not been taken may be lost.\n"
        "  partition 0: offsets 1 to 2 were deleted before they were taken\n"
        "Nothing was taken. Deliver them again if the sender still has them, and keep records longer in the "
        "topic (retention.ms).\nTo go on with what the topic holds now, knowing that: "
        "lakehouse run --accept-lost\n"
    )
    assert versions(home) == before
    assert program("run", "--accept-lost", "--home", home.root).status == 0
    assert ledger(home) == (2, 2, 0, 0)

    broker.admin.delete_topics([topic])[topic].result(60)
    eventually("gone", lambda: topic not in broker.admin.list_topics(timeout=10).topics)
    said = program("run", "--home", home.root)
    assert said.status == 1
    assert f"Kafka at {broker.brokers} has no topic {topic} (setting kafka_topic).\n" in said.err
    broker.make(topic, 1)
    broker.send(topic, *[event(f"anew-{number}") for number in range(9)])
    said = program("run", "--home", home.root)
    assert said.status == 1
    assert "  partition 0: the topic was deleted and made anew (id " in said.err
    assert program("run", "--accept-lost", "--home", home.root).status == 0
    assert ledger(home) == (11, 11, 0, 0)
    assert "Nothing new" in program("run", "--home", home.root).out


def test_a_password_reaches_the_broker_and_nothing_else(program, home, broker, topic, monkeypatch):
    broker.send(topic, event("u1"))
    monkeypatch.setenv("LAKEHOUSE_KAFKA_BROKERS", f"127.0.0.1:{broker.ports['sasl']}")
    monkeypatch.setenv("LAKEHOUSE_KAFKA_SECURITY", "SASL_PLAINTEXT")
    monkeypatch.setenv("LAKEHOUSE_KAFKA_USERNAME", USER)
    monkeypatch.setenv("LAKEHOUSE_KAFKA_PASSWORD", "wrong")
    monkeypatch.setattr(bronze.topic, "PATIENCE_S", 3)
    wrong = program("run", "--home", home.root)
    assert wrong.status == 1
    assert "cannot be reached (" in wrong.err
    assert "uthentication" in wrong.err
    monkeypatch.setenv("LAKEHOUSE_KAFKA_PASSWORD", PASSWORD)
    monkeypatch.setattr(bronze.topic, "PATIENCE_S", 20)
    said = program("run", "--home", home.root)
    assert said.status == 0, said.err
    assert ledger(home) == (1, 1, 0, 0)
    written = b"".join(file.read_bytes() for file in home.root.rglob("*") if file.is_file())
    for secret in ("canary", kafka.for_spark(settings.load())["kafka.sasl.jaas.config"]):
        assert secret.encode() not in written
        assert secret not in said.out + said.err + wrong.out + wrong.err


def test_nobody_there(program, home, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_SOURCE", "kafka")
    monkeypatch.setenv("LAKEHOUSE_KAFKA_BROKERS", "127.0.0.1:1")
    monkeypatch.setenv("LAKEHOUSE_KAFKA_TOPIC", "events")
    monkeypatch.setattr(bronze.topic, "PATIENCE_S", 1)
    said = program("run", "--home", home.root)
    assert said.status == 1
    assert "Kafka at 127.0.0.1:1 cannot be reached (" in said.err
    assert "Connection refused" in said.err
    assert "Nothing was taken; what was sent waits there." in said.err
    assert not Path(home.warehouse).exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--to", "kafka", "--format", "csv"], "--to kafka sends one JSON record a message"),
        (["--to", "kafka", "--rate", "0"], "--rate 0: must be 1 record a second or more."),
        (["--rate", "5"], "--rate is about Kafka: add --to kafka."),
        (["--to", "kafka"], "Setting kafka_brokers: is needed to reach the topic"),
    ],
)
def test_what_cannot_be_sent(program, home, words, told):
    said = program("generate", *words, "--home", home.root)
    assert said.status == 2
    assert told in said.err
    assert not home.answers.exists()


def test_a_sample_at_a_rate(program, home, topic, broker):
    """Line by line what files would hold, in their order."""
    monthly = ["--events", 400, "--hours", 2, "--start", "2026-03-02T00:00:00Z", "--malformed", 0.1]
    files = Home(home.root.with_name("files"))
    assert program("generate", *monthly, "--home", files.root).status == 0
    began = time.monotonic()
    said = program("generate", *monthly, "--to", "kafka", "--rate", 200, "--home", home.root)
    assert said.status == 0, said.err
    lines = b"".join(file.read_bytes() for file in sorted(files.landing.iterdir())).split(b"\n")[:-1]
    assert time.monotonic() - began >= (len(lines) - 1) / 200
    assert f"{len(lines):,} records (files: 2, " in said.out
    assert f"in Kafka topic {topic}:\n" in said.out
    assert sorted(broker.read(topic)) == sorted(lines)
    assert (home.answers / "totals.json").read_text() == (files.answers / "totals.json").read_text()
