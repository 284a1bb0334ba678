"""A real Kafka broker on this machine, one node, made and started by the tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import filelock
import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    NewTopic,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from conf import jars, java, kafka
from tests.command_line.conftest import program, shared_spark

__all__ = ["program", "shared_spark"]

PINNED = Path(__file__).with_name("broker.txt")
PLACE = Path(sys.prefix) / "broker"
USER = "alice"
PASSWORD = "canary \"\\ quoted' ;="
"""A password with everything in it that login settings could take for their own."""

PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{plain},SASL_PLAINTEXT://127.0.0.1:{sasl},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SASL_PLAINTEXT://127.0.0.1:{sasl}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
log.dirs={data}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
"""


def free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@dataclass
class Broker:
    """One broker, which may be killed and started again on what it wrote."""

    folder: Path
    ports: dict[str, int]
    running: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def brokers(self) -> str:
        return f"127.0.0.1:{self.ports['plain']}"

    @cached_property
    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.brokers}, logger=kafka.SILENT)

    def java(self, *command: str) -> subprocess.Popen[bytes]:
        program = [str(java.home() / "bin" / "java"), "-Xmx384m", "-cp", f"{PLACE}/*", *command]
        with (self.folder / "broker.log").open("ab") as said:
            return subprocess.Popen(program, cwd=self.folder, stdout=said, stderr=said)

    def format(self) -> None:
        settings = PROPERTIES.format(data=self.folder / "data", **self.ports)
        (self.folder / "server.properties").write_text(settings)
        command = ["kafka.tools.StorageTool", "format", "--standalone", "-t", "A" * 22]
        formatted = self.java(*command, "-c", "server.properties")
        assert formatted.wait(120) == 0, (self.folder / "broker.log").read_text()

    def start(self) -> None:
        self.running = self.java("kafka.Kafka", "server.properties")
        until = time.monotonic() + 120
        while True:
            try:
                self.admin.list_topics(timeout=5)
            except KafkaException:
                assert time.monotonic() < until, (self.folder / "broker.log").read_text()[-3000:]
            else:
                return

    def admit(self, user: str, password: str) -> None:
        mechanism = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        wanted = UserScramCredentialUpsertion(user, mechanism, password.encode())
        self.admin.alter_user_scram_credentials([wanted])[user].result(60)

    def kill(self) -> None:
        if self.running:
            os.kill(self.running.pid, signal.SIGKILL)
            self.running.wait(60)

    def make(self, topic: str, partitions: int = 2) -> None:
        self.admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(60)
        while topic not in self.admin.list_topics(timeout=10).topics:
            time.sleep(0.1)

    def send(self, topic: str, *values: bytes | None, partition: int = 0) -> None:
        producer = Producer({"bootstrap.servers": self.brokers}, logger=kafka.SILENT)
        for value in values:
            producer.produce(topic, value=value, partition=partition)
        assert producer.flush(60) == 0

    def read(self, topic: str) -> list[bytes]:
        """Every value of the topic, by a client of its own."""
        reader = Consumer(
            {
                "bootstrap.servers": self.brokers,
                "group.id": topic,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
            }
        )
        partitions = [TopicPartition(topic, number, 0) for number in (0, 1)]
        reader.assign(partitions)
        values, ends = [], 0
        while ends < len(partitions):
            message = reader.poll(30)
            assert message is not None
            if message.error():
                ends += 1
            else:
                values.append(message.value() or b"")
        reader.close()
        return values


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The broker; fetched once into .venv, by the pinned list beside this file."""
    PLACE.mkdir(exist_ok=True)
    with filelock.FileLock(PLACE / "lock"):
        jars.install(jars.pinned(PINNED), PLACE, PLACE / "staging")
    ports = dict(zip(("plain", "sasl", "controller"), free_ports(3), strict=True))
    made = Broker(tmp_path_factory.mktemp("broker"), ports)
    made.format()
    made.start()
    made.admit(USER, PASSWORD)
    yield made
    made.kill()


@pytest.fixture
def topic(broker: Broker, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """An empty topic of two partitions, which the settings name."""
    name = str(request.node.name).split("[")[0]
    broker.make(name)
    monkeypatch.setenv("LAKEHOUSE_SOURCE", "kafka")
    monkeypatch.setenv("LAKEHOUSE_KAFKA_BROKERS", broker.brokers)
    monkeypatch.setenv("LAKEHOUSE_KAFKA_TOPIC", name)
    return name
