"""What was changed or lost behind our back is found, and rebuilt."""

from __future__ import annotations

import pytest

from conf import tables
from conf.errors import LakehouseError
from silver import verify
from silver.decisions import Asked
from tests.silver.two_batches import (
    ELEVEN,
    HOUR,
    THAT_HOUR,
    delta,
    held,
    run,
)


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        pytest.param(
            lambda events, _: events.delete("user_id = 'u1'"),
            [("silver.events", {"missing": 1, "unexpected": 0, "other_first_delivery": 0})],
            id="event-gone",
        ),
        pytest.param(
            lambda events, _: events.update("user_id = 'u1'", {"user_id": "'u0'"}),
            [("silver.events", {"missing": 1, "unexpected": 1, "other_first_delivery": 0})],
            id="event-changed",
        ),
        pytest.param(
            lambda events, _: events.update("user_id = 'u7'", {"source": "'z'"}),
            [("silver.events", {"missing": 0, "unexpected": 0, "other_first_delivery": 1})],
            id="provenance-changed",
        ),
        pytest.param(
            lambda _, table: table(tables.SILVER_QUARANTINE).delete("payload = 'broken'"),
            [("silver.quarantine", {"missing": 1, "unexpected": 0})],
            id="refused-record-gone",
        ),
        pytest.param(
            lambda _, table: table(tables.SILVER_VOLUME).delete("batch_id = 2 AND accepted = 1"),
            [("silver.volume", {"row": "missing"})] * 3,
            id="volume-gone",
        ),
    ],
)
def test_verify_finds(spark, usual, copy_of, damage, found):
    home = copy_of(usual)
    damage(
        delta(spark, home, tables.SILVER_EVENTS),
        lambda table: delta(spark, home, table),
    )
    assert [(one.table, one.found) for one in verify.verify(spark, home)] == found


def test_a_silver_older_than_decisions_was_judged_by_the_usual_suite(spark, usual, copy_of):
    home = copy_of(usual)
    delta(spark, home, tables.SILVER_SUITES).delete()
    assert verify.verify(spark, home) == []


def test_verify_finds_a_changed_ledger(spark, usual, copy_of):
    home = copy_of(usual)
    delta(spark, home, tables.SILVER_LEDGER).update("source = 'a.jsonl'", {"duplicate": "duplicate + 1"})
    [found] = verify.verify(spark, home)
    assert found.found
    assert found.expected
    assert found.where == {"batch_id": 1, "source": "a.jsonl"}
    assert (found.found["duplicate"], found.expected["duplicate"]) == (1, 0)


def test_a_lost_file_is_rebuilt_with_its_whole_day(spark, usual, copy_of, rows):
    home = copy_of(usual)
    for file in (home.warehouse / "silver" / "events" / "event_date=2026-03-01").glob("*.parquet"):
        file.unlink()
    with pytest.raises(
        LakehouseError, match="rebuild that whole day first: lakehouse reprocess --from 2026-03-01 "
    ):
        run(spark, home, THAT_HOUR)
    midnight = ELEVEN.replace(hour=0)
    run(spark, home, Asked(midnight, midnight + 24 * HOUR))
    assert held(home, rows) == held(usual, rows)
