"""Secrets to look for: set in the environment of a verb, none of them may be found in anything it leaves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from conf import warehouse
from conf.home import Home
from conf.tables import TABLES

CANARIES = {
    "LAKEHOUSE_WEBHOOK_URL": "http://127.0.0.1:9/canary-webhook-3b1f",
    "LAKEHOUSE_KAFKA_PASSWORD": "canary-kafka-77c2",
    "AWS_ACCESS_KEY_ID": "canary-key-d04a",
    "AWS_SECRET_ACCESS_KEY": "canary-secret-5e9b",
    "AWS_SESSION_TOKEN": "canary-session-a8d6",
}
SIGNS = [value.rpartition("/")[2] for value in CANARIES.values()]

NO_BROKER = {
    "LAKEHOUSE_SOURCE": "kafka",
    "LAKEHOUSE_KAFKA_BROKERS": "127.0.0.1:9",
    "LAKEHOUSE_KAFKA_TOPIC": "events",
    "LAKEHOUSE_KAFKA_SECURITY": "SASL_PLAINTEXT",
    "LAKEHOUSE_KAFKA_USERNAME": "alice",
}
NO_STORAGE = {
    "LAKEHOUSE_HOME": "s3://bucket/home",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_REGION": "us-east-1",
}


def written(home: Home) -> Iterator[tuple[str, str]]:
    """Everything below the home as text: files, Parquet as its values, and each table as another engine sees
    its rows and its history.
    """
    for file in sorted(path for path in home.root.rglob("*") if path.is_file()):
        is_ours = file.suffix == ".parquet" and home.landing not in file.parents
        yield str(file), str(pq.read_table(file, partitioning=None).to_pylist()) if is_ours else _text(file)
    for table in (table for table in TABLES if warehouse.exists(home, table)):
        held = warehouse.state(home, table)
        yield table.name, str(pl.DataFrame(held.to_pyarrow_table()).to_dicts())
        yield f"history of {table.name}", str(held.history())


def _text(file: Path) -> str:
    return file.read_bytes().decode("utf-8", "replace")


def found(texts: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """(where, which secret) for each that is in one of the texts."""
    return [(where, sign) for where, text in texts for sign in SIGNS if sign in text]
