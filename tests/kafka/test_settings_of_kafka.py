"""What the two clients are told: one set of settings, under the names of each."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from bronze.kafka import share
from conf import kafka, settings
from conf.errors import UsageError

GIVEN = {"kafka_brokers": "a:1,b:2", "kafka_topic": "events"}
LOGIN = {"kafka_username": "alice", "kafka_password": SecretStr('p"a\\s\ns')}
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"


@pytest.fixture
def authority(tmp_path):
    file = tmp_path / "ca.pem"
    file.write_text("-----BEGIN CERTIFICATE-----")
    return str(file)


def test_plain_text():
    told = settings.load(**GIVEN)
    assert kafka.for_python(told) == {"bootstrap.servers": "a:1,b:2", "security.protocol": "PLAINTEXT"}
    assert kafka.for_spark(told) == {
        "kafka.bootstrap.servers": "a:1,b:2",
        "kafka.security.protocol": "PLAINTEXT",
        "kafka.isolation.level": "read_committed",
    }


@pytest.mark.parametrize(
    ("mechanism", "module"),
    [
        ("PLAIN", "org.apache.kafka.common.security.plain.PlainLoginModule"),
        ("SCRAM-SHA-256", SCRAM),
        ("SCRAM-SHA-512", SCRAM),
    ],
)
def test_a_password_over_tls(authority, mechanism, module):
    told = settings.load(
        **GIVEN, **LOGIN, kafka_security="SASL_SSL", kafka_mechanism=mechanism, kafka_ca_file=authority
    )
    assert kafka.for_python(told) == {
        "bootstrap.servers": "a:1,b:2",
        "security.protocol": "SASL_SSL",
        "sasl.mechanisms": mechanism,
        "sasl.username": "alice",
        "sasl.password": 'p"a\\s\ns',
        "ssl.ca.pem": "-----BEGIN CERTIFICATE-----",
    }
    assert kafka.for_spark(told) == {
        "kafka.bootstrap.servers": "a:1,b:2",
        "kafka.security.protocol": "SASL_SSL",
        "kafka.isolation.level": "read_committed",
        "kafka.sasl.mechanism": mechanism,
        "kafka.sasl.jaas.config": f'{module} required username="alice" password="p\\"a\\\\s\\ns";',
        "kafka.ssl.truststore.type": "PEM",
        "kafka.ssl.truststore.certificates": "-----BEGIN CERTIFICATE-----",
    }


def test_tls_without_a_password_trusts_what_the_machine_trusts():
    told = settings.load(**GIVEN, **LOGIN, kafka_security="SSL")
    assert kafka.for_python(told) == {"bootstrap.servers": "a:1,b:2", "security.protocol": "SSL"}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"kafka_topic": "t"}, "kafka_brokers"),
        ({"kafka_brokers": "a:1"}, "kafka_topic"),
        (GIVEN | {"kafka_security": "SASL_SSL", "kafka_username": "alice"}, "kafka_password"),
        (GIVEN | {"kafka_security": "SASL_PLAINTEXT"}, "kafka_username"),
        (GIVEN | {"kafka_security": "SSL", "kafka_ca_file": "/no/such.pem"}, "kafka_ca_file"),
    ],
)
def test_what_is_missing_is_named(given, named):
    with pytest.raises(UsageError, match=f"Setting {named}: .*(\n.*)*LAKEHOUSE_{named.upper()}"):
        kafka.for_spark(settings.load(**given))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("source", "pulsar"),
        ("kafka_brokers", "broker"),
        ("kafka_brokers", "http://broker:9092"),
        ("kafka_brokers", "a:1,,b:2"),
        ("kafka_topic", "a/b"),
        ("kafka_topic", "{}"),
        ("kafka_security", "TLS"),
        ("kafka_mechanism", "GSSAPI"),
        ("kafka_max_records", "0"),
    ],
)
def test_a_wrong_one_is_named(monkeypatch, name, value):
    monkeypatch.setenv(f"LAKEHOUSE_{name.upper()}", value)
    with pytest.raises(UsageError, match=f"Setting {name}: "):
        settings.load()


def test_the_password_is_a_secret():
    held = settings.load(**GIVEN, **LOGIN)
    assert "p\\" not in f"{held} {held!r} {held.model_dump_json()}"


@pytest.mark.parametrize(
    ("waiting", "most", "taken"),
    [
        ({}, 10, {}),
        ({0: 3, 1: 4}, 10, {0: 3, 1: 4}),
        ({0: 100, 1: 100}, 10, {0: 5, 1: 5}),
        ({0: 1, 1: 100, 2: 0}, 11, {0: 1, 1: 10, 2: 0}),
        ({0: 9, 1: 9, 2: 9}, 2, {0: 0, 1: 1, 2: 1}),
    ],
)
def test_partitions_share_a_batch(waiting, most, taken):
    assert share(waiting, most) == taken
