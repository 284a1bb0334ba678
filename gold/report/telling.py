"""After a run: the metrics file, and one message for each thing that broke, at the run that broke it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from conf import webhook
from conf.home import Home
from gold.report import doings, metrics, words
from gold.report.doings import Doings, verdicts

__all__ = ["tell", "verdicts"]


def tell(
    home: Home, webhook_url: SecretStr, report: Mapping[str, Any], fresh_hours: float, heard: int | None
) -> list[str]:
    """Write the metrics of a run and send what is new; returns what a person should be warned of.

    `heard` is what `verdicts` said before the run. Nothing that goes wrong here fails the run.
    """
    try:
        did = doings.of_run(home, report, fresh_hours)
        said = messages(
            did, is_new_verdict=verdicts(home) != heard, was_stale=metrics.was_stale(home.metrics)
        )
        metrics.write(home.metrics, did)
    except Exception as failed:  # noqa: BLE001 - the run is done, and stands
        return [f"{home.metrics} could not be written ({type(failed).__name__}). The run itself is done."]
    if not webhook_url:
        return []
    failures = [webhook.send(webhook_url, f"{home.root.name}: {text}") for text in said]
    return [
        f"the webhook was not told: {reason}. The run itself is done. Check webhook_url."
        for reason in failures
        if reason
    ]


def messages(did: Doings, *, is_new_verdict: bool, was_stale: bool) -> list[str]:
    """What to tell, each once: a gate's refusal when it is new, stale data when it was fresh until now."""
    said = []
    if did.refusing and is_new_verdict:
        reasons = "\n".join(f"• {_literal(reason)}" for reason in did.refusing)
        said.append(
            f"batch {did.refused_batch} was not published: a quality gate refused it.\n{reasons}\n"
            f"Correct the source or the suite and run again, or accept it: "
            f"lakehouse run --accept-batch {did.refused_batch}"
        )
    if did.is_stale and not was_stale:
        said.append(
            f"the data is no longer fresh: the newest event is of {words.moment(did.newest_event)} UTC, "
            f"{words.duration(int(did.behind or 0))} ago (allowed: {did.fresh_hours:g} h)."
        )
    return said


def _literal(text: str) -> str:
    """Slack reads these three as markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
