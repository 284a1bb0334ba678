"""A reprocess that ended half way, or met a batch that had."""

from __future__ import annotations

import pytest

from conf.errors import LakehouseError
from silver import accounts, decisions, publish, rebuilt, reprocess, suites, verify
from silver.decisions import Asked
from tests.silver.two_batches import (
    LOOSER,
    STRICTER,
    THAT_HOUR,
    held,
    run,
)

STEPS = [
    (suites, "begin"),
    (reprocess, "_write_events"),
    (rebuilt, "_merge_volume"),
    (rebuilt, "_merge_ledger"),
    (rebuilt, "quarantine"),
    (reprocess, "_write_quality"),
]


@pytest.mark.parametrize("asked", [THAT_HOUR, Asked(quarantine=True)], ids=["hours", "quarantine"])
def test_a_crash_after_any_commit_heals(spark, usual, copy_of, rows, suite, asked):
    """One attempt after another dies, each a step later; whatever suite is in force by then."""
    undisturbed, home = copy_of(usual), copy_of(usual)
    suite(**LOOSER | STRICTER)
    run(spark, undisturbed, asked)
    for number, (module, step) in enumerate(STEPS):
        with pytest.MonkeyPatch.context() as patch:
            commit = getattr(module, step)

            def dying(*given, commit=commit):
                commit(*given)
                raise KeyboardInterrupt

            patch.setattr(module, step, dying)
            with pytest.raises(KeyboardInterrupt):
                reprocess.resume(spark, home) if number else run(spark, home, asked)
        suite()
    if number:
        with pytest.raises(LakehouseError, match="half way through silver"):
            verify.verify(spark, home)
    reprocess.resume(spark, home)
    assert held(home, rows) == held(undisturbed, rows)
    assert verify.verify(spark, home) == []
    assert reprocess.resume(spark, home) is None


def test_a_batch_half_way_is_finished_first(spark, usual, copy_of, deliver, line, suite):
    home = copy_of(usual)
    deliver(home, 3, {"e.jsonl": [line("u10"), line("x11")]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            publish.publish(spark, home)
    with pytest.raises(LakehouseError, match="half way through silver"):
        reprocess.preview(spark, home, decisions.decide(spark, home, THAT_HOUR))
    suite(**STRICTER)
    reprocess.resume(spark, home)
    assert run(spark, home, THAT_HOUR).into == {"user_id_present": 2}  # x3, x11
    assert verify.verify(spark, home) == []
