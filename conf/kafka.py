"""One Kafka topic, told to both clients: Python's, which asks for offsets, and the one in Spark, which reads.

They name the same settings differently. Here alone both names stand, so that the two cannot disagree.
"""

from __future__ import annotations

import logging
from pathlib import Path

from conf.errors import UsageError
from conf.settings import FILE, PREFIX, Settings

MODULES = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}
"""What checks a password in Java, by mechanism."""

SILENT = logging.getLogger("lakehouse.kafka")
SILENT.propagate = False
SILENT.addHandler(logging.NullHandler())
"""Takes the lines that a client would print at each attempt to connect; a person is told once, by us."""


def for_python(settings: Settings) -> dict[str, str]:
    """The settings of a Python client; raises UsageError when one is missing."""
    _check(settings)
    told = {"bootstrap.servers": settings.kafka_brokers, "security.protocol": settings.kafka_security}
    if _has_password(settings):
        told |= {
            "sasl.mechanisms": settings.kafka_mechanism,
            "sasl.username": settings.kafka_username,
            "sasl.password": settings.kafka_password.get_secret_value(),
        }
    if _names_authority(settings):
        told["ssl.ca.pem"] = _authority(settings)
    return told


def for_spark(settings: Settings) -> dict[str, str]:
    """The options of Spark's reader; raises UsageError when one is missing. What a transaction has not
    committed, or has taken back, is not read.
    """
    _check(settings)
    told = {
        "bootstrap.servers": settings.kafka_brokers,
        "security.protocol": settings.kafka_security,
        "isolation.level": "read_committed",
    }
    if _has_password(settings):
        told |= {"sasl.mechanism": settings.kafka_mechanism, "sasl.jaas.config": _login(settings)}
    if _names_authority(settings):
        # The certificates themselves: the file need not be on every machine that reads.
        told |= {"ssl.truststore.type": "PEM", "ssl.truststore.certificates": _authority(settings)}
    return {f"kafka.{name}": value for name, value in told.items()}


def _has_password(settings: Settings) -> bool:
    return settings.kafka_security.startswith("SASL_")


def _names_authority(settings: Settings) -> bool:
    return settings.kafka_security.endswith("SSL") and bool(settings.kafka_ca_file)


def _login(settings: Settings) -> str:
    username, password = settings.kafka_username, settings.kafka_password.get_secret_value()
    module = MODULES[settings.kafka_mechanism]
    return f"{module} required username={_quoted(username)} password={_quoted(password)};"


def _quoted(text: str) -> str:
    """As Java's reader of login settings takes any text, quotes and line ends in it included."""
    for sign, escaped in (("\\", r"\\"), ('"', r"\""), ("\n", r"\n"), ("\r", r"\r")):
        text = text.replace(sign, escaped)
    return f'"{text}"'


def _authority(settings: Settings) -> str:
    try:
        return Path(settings.kafka_ca_file).expanduser().read_text("ascii")
    except (OSError, UnicodeDecodeError) as failed:
        reason = getattr(failed, "strerror", None) or "it is no PEM file"
        raise UsageError(
            _wrong("kafka_ca_file", f"{settings.kafka_ca_file} cannot be read ({reason})")
        ) from None


def _check(settings: Settings) -> None:
    needed = ["kafka_brokers", "kafka_topic"]
    if _has_password(settings):
        needed += ["kafka_username", "kafka_password"]
    for name in needed:
        if not getattr(settings, name):
            raise UsageError(_wrong(name, "is needed to reach the topic, and it is empty"))


def _wrong(name: str, what: str) -> str:
    return (
        f"Setting {name}: {what}.\nNothing was changed. "
        f"Set it in {FILE} or in {PREFIX}{name.upper()} and run again."
    )
