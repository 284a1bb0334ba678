"""A batch below a threshold is kept back whole and says why; it goes through by name, or with later ones."""

from __future__ import annotations

import pytest

from conf import tables
from conf.errors import UsageError
from silver import publish

COUNTS = ("batch_id", "source", "delivered", "accepted", "duplicate", "quarantined")
WITHHELD = [table for table in tables.TABLES if table.layer == "silver" and table != tables.SILVER_QUALITY]


def mostly_fine(line, first: int, broken: int, records: int = 1000) -> list[str]:
    """A thousand records, this many of them broken, the others of users from `first` on."""
    return ["{"] * broken + [line(f"u{first + number}") for number in range(records - broken)]


@pytest.fixture(scope="module")
def refused(spark, empty_lake, copy_of, deliver, line):
    """A lakehouse whose one batch breaks the gate by one record, and what became of it."""
    home = copy_of(empty_lake)
    deliver(home, 1, {"a.jsonl": mostly_fine(line, 0, broken=101)})
    [outcome] = publish.publish(spark, home)
    return home, outcome


def test_the_reasons_are_told(refused):
    assert refused[1].refusing == [
        "well_formed: 89.90% pass, at least 90% must",
        "accepted_or_duplicate: 89.90% pass, at least 90% must",
    ]


def test_nothing_is_published(refused, versions):
    held = versions(refused[0])
    assert {table.name: held[table.name] for table in WITHHELD} == {table.name: 0 for table in WITHHELD}


def test_the_batch_still_waits(refused):
    assert publish.waiting(refused[0]) == (0, 1)


def test_quality_says_that_it_was_not_published(refused, rows):
    quality = rows(
        refused[0], tables.SILVER_QUALITY, "batch_id", "rule", "unexpected", "success", "published"
    )
    assert len(quality) == 10
    assert (1, "well_formed", 101, False, False) in quality
    assert {row[4] for row in quality} == {False}


def test_the_same_refusal_again_commits_nothing(spark, refused, versions):
    before = versions(refused[0])
    [outcome] = publish.publish(spark, refused[0])
    assert outcome.refusing == refused[1].refusing
    assert versions(refused[0]) == before


@pytest.mark.parametrize("batch", [0, 2, -1])
def test_a_batch_that_does_not_wait_cannot_be_accepted(spark, refused, versions, batch):
    before = versions(refused[0])
    with pytest.raises(UsageError, match=f"Batch {batch} is not waiting to be accepted: batches 1 to 1 are"):
        publish.publish(spark, refused[0], accept=batch)
    assert versions(refused[0]) == before


def test_a_batch_accepted_by_name_lets_no_later_one_through(spark, refused, copy_of, deliver, line, rows):
    home = copy_of(refused[0])
    deliver(home, 2, {"b.jsonl": mostly_fine(line, 5000, broken=200)})
    accepted, kept_back = publish.publish(spark, home, accept=1)
    assert (accepted.batch_id, accepted.accepted, accepted.quarantined) == (1, 899, 101)
    assert accepted.refusing == []
    assert kept_back.batch_id == 2
    assert kept_back.refusing[0] == "well_formed: 80.00% pass, at least 90% must"
    assert rows(home, tables.SILVER_LEDGER, *COUNTS) == [(1, "a.jsonl", 1000, 899, 0, 101)]
    assert len(rows(home, tables.SILVER_EVENTS)) == 899
    quality = rows(home, tables.SILVER_QUALITY, "batch_id", "rule", "published")
    assert {row[2] for row in quality if row[0] == 1} == {True}
    assert len([row for row in quality if row[0] == 1]) == 10 + 26
    assert {row[2] for row in quality if row[0] == 2} == {False}
    with pytest.raises(UsageError, match="Batch 1 is not waiting to be accepted: batches 2 to 2 are"):
        publish.publish(spark, home, accept=1)


def test_a_later_delivery_goes_through_with_it(spark, refused, copy_of, deliver, line, rows):
    """Both together meet the thresholds: 300 of 3,000 are broken."""
    home = copy_of(refused[0])
    deliver(home, 2, {"b.jsonl": mostly_fine(line, 5000, broken=199, records=2000)})
    [outcome] = publish.publish(spark, home)
    assert (outcome.refusing, outcome.delivered, outcome.accepted) == ([], 3000, 2700)
    assert rows(home, tables.SILVER_LEDGER, *COUNTS) == [
        (1, "a.jsonl", 1000, 899, 0, 101),
        (2, "b.jsonl", 2000, 1801, 0, 199),
    ]
    quality = rows(home, tables.SILVER_QUALITY, "batch_id", "published")
    assert set(quality) == {(2, True)}
    with pytest.raises(UsageError, match="no batch is"):
        publish.publish(spark, home, accept=2)
