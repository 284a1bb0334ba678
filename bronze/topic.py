"""What a Kafka topic holds, asked of its brokers without Spark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from conf import kafka
from conf.errors import LakehouseError, PassingError
from conf.settings import Settings

PATIENCE_S = 20
"""How long brokers may take to answer."""


@dataclass(frozen=True)
class Topic:
    """By partition, the first offset it still holds and the one before which it ends. `id` is another when
    a topic of the same name is made anew.
    """

    id: str
    begins: Mapping[int, int]
    ends: Mapping[int, int]


def ask(settings: Settings) -> Topic:
    """What the topic holds now; of transactions under way nothing, for it may be taken back.

    Raises PassingError when brokers or topic are not there, LakehouseError when they refuse.
    """
    trouble: list[KafkaError] = []
    told: dict[str, Any] = {**kafka.for_python(settings), "error_cb": trouble.append}
    client = AdminClient(told, logger=kafka.SILENT)
    name = settings.kafka_topic
    try:
        asked = client.describe_topics(TopicCollection([name]), request_timeout=PATIENCE_S)
        described = asked[name].result()
        numbers = [partition.id for partition in described.partitions]
        begins, ends = (
            _offsets(client, name, numbers, spec) for spec in (OffsetSpec.earliest(), OffsetSpec.latest())
        )
    except KafkaException as failed:
        client.poll(0)  # it says only when asked what went wrong
        raise _explained(settings, failed.args[0], trouble) from None
    return Topic(str(described.topic_id), begins, ends)


def _offsets(client: AdminClient, name: str, numbers: list[int], spec: OffsetSpec) -> dict[int, int]:
    asked: dict[TopicPartition, OffsetSpec] = {TopicPartition(name, number): spec for number in numbers}
    committed: Any = IsolationLevel.READ_COMMITTED
    found = client.list_offsets(asked, isolation_level=committed, request_timeout=PATIENCE_S)
    return {partition.partition: answer.result().offset for partition, answer in found.items()}


def _explained(settings: Settings, error: KafkaError, trouble: list[KafkaError]) -> LakehouseError:
    name, brokers = settings.kafka_topic, settings.kafka_brokers
    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return PassingError(
            f"Kafka at {brokers} has no topic {name} (setting kafka_topic).\n"
            "Nothing was taken. Make the topic, or name another, and run again."
        )
    if error.retriable() or error.code() in {KafkaError._TIMED_OUT, KafkaError._TRANSPORT}:  # noqa: SLF001
        why = trouble[-1].str() if trouble else error.str()
        return PassingError(
            f"Kafka at {brokers} cannot be reached ({why}).\nNothing was taken; what was sent waits there. "
            "Check kafka_brokers and kafka_security, or wait until the brokers are up, and run again."
        )
    return LakehouseError(
        f"Kafka at {brokers}, topic {name}: {error.str()}.\n"
        "Nothing was taken. Let the user kafka_username describe and read the topic, and run again."
    )
