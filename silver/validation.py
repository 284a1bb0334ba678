"""Great Expectations, run on one batch: its own expectations, its own result."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pandas as pd
from pyspark.sql import DataFrame

from silver.rules import Rule, Suite

# One aggregate pass for all counts; anything more has Great Expectations collect the values themselves.
COUNTS_ONLY = {"result_format": "BASIC", "partial_unexpected_count": 0}


@dataclass(frozen=True)
class Checked:
    """What Great Expectations said of one rule on one batch; `observed` are the facts it was about."""

    suite: str
    rule: Rule
    evaluated: int
    unexpected: int
    success: bool
    observed: tuple[float, ...] = ()


def import_ahead() -> None:
    """Import Great Expectations beside other work: it takes seconds, in which Spark is at work and this
    process waits for it.
    """
    threading.Thread(target=_great_expectations, daemon=True).start()


def _great_expectations() -> ModuleType:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations

    return great_expectations


def validate(rows: DataFrame | pd.DataFrame, suite: Suite) -> list[Checked]:
    """Run `suite` on `rows` with Great Expectations; one result a rule, in the suite's order.

    Spark rows are evaluated by Spark, a pandas frame where it is.

    Raises RuntimeError when an expectation could not be evaluated at all (a column is missing).
    """
    gx = _great_expectations()
    from great_expectations.core.expectation_suite import ExpectationSuite
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    sources = context.data_sources
    is_local = isinstance(rows, pd.DataFrame)
    source = sources.add_pandas("silver") if is_local else sources.add_spark("silver", persist=False)
    definition = source.add_dataframe_asset("batch").add_batch_definition_whole_dataframe("whole")
    expectations = [
        {"type": rule.expectation_type, "kwargs": rule.kwargs, "meta": {"rule": rule.name}}
        for rule in suite.rules
    ]
    batch = definition.get_batch(batch_parameters={"dataframe": rows})
    outcome = batch.validate(
        ExpectationSuite(name=suite.name, expectations=expectations), result_format=COUNTS_ONLY
    )
    by_rule = {
        result.expectation_config.meta["rule"]: result
        for result in outcome.results
        if result.expectation_config and result.expectation_config.meta
    }
    return [_checked(suite, rule, by_rule[rule.name]) for rule in suite.rules]


def _checked(suite: Suite, rule: Rule, result: Any) -> Checked:
    counts = result.result
    if not counts:
        raise RuntimeError(f"Great Expectations could not evaluate {rule.name}: {result.exception_info}")
    if "element_count" not in counts:
        missed = 0 if result.success else 1
        return Checked(suite.name, rule, 1, missed, bool(result.success))
    evaluated = counts["element_count"] - counts.get("missing_count", 0)
    return Checked(suite.name, rule, evaluated, counts["unexpected_count"], bool(result.success))
