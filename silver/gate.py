"""Whether a batch may be published, and the check that both uses of the suite agree."""

from __future__ import annotations

from silver.rules import Suite
from silver.validation import Checked

REFUSED_SHARE = "accepted_or_duplicate"


def breaches(checked: list[Checked], suite: Suite, records: int) -> tuple[list[str], list[str]]:
    """(reasons to keep the batch back, warnings), each a sentence.

    A breach of a blocking rule keeps a batch back from `gate_from_records` on, and warns below.
    """
    refusing: list[str] = []
    warning: list[str] = []
    for check in checked:
        if check.success:
            continue
        blocks = check.rule.blocking and records >= suite.gate_from_records
        (refusing if blocks else warning).append(_sentence(check))
    return refusing, warning


def _sentence(check: Checked) -> str:
    if not check.observed and check.evaluated:
        share = 1 - check.unexpected / check.evaluated
        return f"{check.rule.name}: {share:.2%} pass, at least {check.rule.threshold:.0%} must"
    limits = [
        f"{word} {check.rule.kwargs[name]}"
        for word, name in (("at least", "min_value"), ("at most", "max_value"))
        if check.rule.kwargs.get(name) is not None
    ]
    seen = ", ".join(f"{value:,.2f}" for value in check.observed)
    seen = f"{seen or 'out of bounds'} {check.rule.unit}".strip()
    return f"{check.rule.name}: {seen} (expected: {' and '.join(limits)})"


def agree(checked: list[Checked], split: dict[str, int]) -> None:
    """Raise RuntimeError unless Great Expectations counted, for every rule, what the split counted."""
    for check in checked:
        if check.rule.name in split and check.unexpected != split[check.rule.name]:
            raise RuntimeError(
                f"Rule {check.rule.name}: Great Expectations counts {check.unexpected} records that break "
                f"it, the row-level split {split[check.rule.name]}. They read the same suite and must agree; "
                "nothing of the batch was published. This is a defect of silver/rules.py: please report it."
            )
