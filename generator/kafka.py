"""The records of an order to a Kafka topic, at a chosen rate."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from conf import kafka
from conf.errors import LakehouseError, UsageError
from conf.settings import Settings
from generator.order import Order

FLUSH_S = 120.0
"""How long brokers may take to acknowledge the records of an hour."""


def check(order: Order, rate: int | None) -> None:
    """Raise UsageError for what a topic cannot be sent."""
    if order.format != "json" or order.gzip:
        raise UsageError("--to kafka sends one JSON record a message: leave --format and --gzip out.")
    if rate is not None and rate < 1:
        raise UsageError(f"--rate {rate}: must be 1 record a second or more.")


def sender(settings: Settings, rate: int | None = None) -> Callable[[bytes | memoryview], int]:
    """Sends lines, one message each, `rate` a second or as fast as it goes; returns their bytes.

    Messages have no key, so they spread over the partitions. All of a call are acknowledged by every
    replica when it returns; raises LakehouseError otherwise.
    """
    trouble: list[KafkaError] = []
    failed: list[KafkaError] = []
    told: dict[str, Any] = {
        **kafka.for_python(settings),
        "enable.idempotence": True,
        "linger.ms": 20,
        "error_cb": trouble.append,
    }
    producer = Producer(told, logger=kafka.SILENT)
    begun, sent = time.monotonic(), 0

    def answered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    def send(lines: bytes | memoryview) -> int:
        nonlocal sent
        # The last line end ends the last record, and begins no other.
        values = bytes(lines).removesuffix(b"\n").split(b"\n")
        for value in values:
            due = begun + sent / rate if rate else 0.0
            while (early := due - time.monotonic()) > 0:
                producer.poll(early)
            _produce(producer, settings.kafka_topic, value, answered)
            sent += 1
        left = producer.flush(FLUSH_S)
        if left or failed:
            why = [*failed, *trouble][-1].str() if failed or trouble else "no answer"
            raise LakehouseError(
                f"Kafka at {settings.kafka_brokers}, topic {settings.kafka_topic}: {left + len(failed):,} of "
                f"{len(values):,} records were not acknowledged ({why}).\nWhat was acknowledged stays there. "
                "Mend that and give the same order again: it sends all of it once more, and what comes "
                "twice counts once."
            )
        return sum(map(len, values))

    return send


def _produce(
    producer: Producer, topic: str, value: bytes, answered: Callable[[KafkaError | None, Message], None]
) -> None:
    while True:
        try:
            producer.produce(topic, value=value, on_delivery=answered)
        except BufferError:
            producer.poll(0.5)
        else:
            producer.poll(0)
            return
