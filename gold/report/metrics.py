"""What a run did, as a file in Prometheus' text format: for a textfile collector, or whoever scrapes it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile
from prometheus_client.parser import text_string_to_metric_families

from gold.report.doings import Doings

STALE = "lakehouse_stale"


def write(path: Path, did: Doings) -> None:
    """Replace the file with what this run did, in one step."""
    registry = CollectorRegistry()

    def gauge(name: str, meaning: str, value: float | None) -> None:
        if value is not None:
            Gauge(name, meaning, registry=registry).set(value)

    def gauges(name: str, meaning: str, label: str, values: Iterable[tuple[str, float]]) -> None:
        family = Gauge(name, meaning, [label], registry=registry)
        for named, value in values:
            family.labels(named).set(value)

    newest = did.newest_event
    gauge("lakehouse_last_run_timestamp_seconds", "When the last run ended, unix time", did.at.timestamp())
    gauge("lakehouse_last_batch", "The newest bronze batch that silver holds", did.batch)
    gauges("lakehouse_records", "Records of the batches the run published", "outcome", did.records.items())
    gauges("lakehouse_refused_records", "Records refused, of these batches", "rule", did.broken.items())
    gauge(
        "lakehouse_newest_event_timestamp_seconds",
        "The newest event, unix time",
        newest.timestamp() if newest else None,
    )
    gauge("lakehouse_freshness_seconds", "From the newest event to the end of the run", did.behind)
    gauge(STALE, "1 while the newest event is older than the rule on freshness allows", did.is_stale)
    gauge("lakehouse_gate_refused", "1 when a quality gate kept a batch back in this run", bool(did.refusing))
    gauges("lakehouse_step_seconds", "What each step of the run took", "step", did.seconds.items())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(path), registry)


def was_stale(path: Path) -> bool:
    """Whether the run before this one said that the data was stale; False when nothing tells."""
    try:
        families = list(text_string_to_metric_families(path.read_text("utf-8")))
    except (OSError, ValueError):
        return False
    return any(sample.value == 1 for family in families for sample in family.samples if sample.name == STALE)
