"""After a run: the metrics file, and one message for each thing that broke, at the run that broke it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from conf import warehouse, webhook
from conf.home import Home
from conf.settings import Settings
from conf.tables import SILVER_QUALITY
from gold.report import words

if TYPE_CHECKING:
    from gold.report import doings


@dataclass(frozen=True)
class Heard:
    """What was known before a run: the version of silver.quality, which a gate changes when it says something
    new and not when it says it again, and the hours for which data counts as fresh.
    """

    verdicts: int
    fresh_hours: float


def heard(home: Home, fresh_hours: float) -> Heard:
    """What is known now, to be handed to `tell` after the run."""
    return Heard(_verdicts(home), fresh_hours)


def _verdicts(home: Home) -> int:
    return warehouse.state(home, SILVER_QUALITY).version() if warehouse.exists(home, SILVER_QUALITY) else -1


def tell(settings: Settings, report: Mapping[str, Any], before: Heard) -> list[str]:
    """Write the metrics of a run and send what is new; returns what a person should be warned of.

    `report` has the run's outcomes and seconds. Nothing that goes wrong here fails the run.
    """
    from gold.report import doings, metrics

    home = settings.place
    try:
        did = doings.of_run(home, report, before.fresh_hours)
        is_new = _verdicts(home) != before.verdicts
        said = messages(did, is_new_verdict=is_new, was_stale=metrics.was_stale(home.metrics))
        metrics.write(home.metrics, did)
    except Exception as failed:  # noqa: BLE001 - the run is done, and stands
        return [f"{home.metrics} could not be written ({type(failed).__name__}). The run itself is done."]
    if not settings.webhook_url:
        return []
    failures = [webhook.send(settings.webhook_url, f"{home.root.name}: {_literal(text)}") for text in said]
    return [
        f"the webhook was not told: {reason}. The run itself is done. Check webhook_url."
        for reason in failures
        if reason
    ]


def messages(did: doings.Doings, *, is_new_verdict: bool, was_stale: bool) -> list[str]:
    """What to tell, each once: a gate's refusal when it is new, stale data when it was fresh until now."""
    said = []
    if did.refusing and is_new_verdict:
        reasons = "\n".join(f"• {reason}" for reason in did.refusing)
        said.append(
            f"batch {did.refused_batch} was not published: a quality gate refused it.\n{reasons}\n"
            f"Correct the source or the suite and run again, or accept it: "
            f"lakehouse run --accept-batch {did.refused_batch}"
        )
    if did.is_stale and not was_stale:
        said.append(
            f"the data is no longer fresh: the newest event is of {words.moment(did.newest_event)} UTC, "
            f"{(did.behind or 0) / 3600:.1f} hours ago (allowed: {did.fresh_hours:g})."
        )
    return said


def _literal(text: str) -> str:
    """For Slack, which reads these three as markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
