"""Deliveries, addresses and mistakes of a home in object storage."""

from __future__ import annotations

import gzip

import pytest

import bronze.ingest
from bronze.landing import brought, survey
from conf import claim, objects, settings
from conf.errors import UsageError

LINE = b'{"timestamp": 1, "event_type": 0}\n'


@pytest.fixture
def landing(far):
    yield far.landing
    objects.remove(far.landing)


def test_finished_deliveries_are_found_by_name(far, landing):
    for name in (
        "b.jsonl",
        "2026/03/a é.csv.gz",
        "c.parquet",
        ".hidden.jsonl",
        "_underway/d.jsonl",
        "e.jsonl.tmp",
        "notes.txt",
    ):
        (landing / name).write_bytes(LINE)
    found = [(file.source, file.format, file.gzipped, file.bytes) for file in survey(far)]
    assert found == [
        ("2026/03/a é.csv.gz", "csv", True, len(LINE)),
        ("b.jsonl", "jsonl", False, len(LINE)),
        ("c.parquet", "parquet", False, len(LINE)),
    ]


def test_no_landing_is_no_delivery(far):
    assert survey(far) == []


def test_a_delivery_replaced_since_it_was_found_is_left_for_the_next_run(far, landing, tmp_path):
    (landing / "a.jsonl").write_bytes(LINE)
    [found] = survey(far)
    assert brought(found, tmp_path / "same").read_bytes() == LINE
    (landing / "a.jsonl").write_bytes(LINE[::-1])
    with pytest.raises(FileNotFoundError):
        brought(found, tmp_path / "replaced")


def test_what_is_not_what_its_name_says_is_set_aside_in_the_bucket(far, landing):
    whole = gzip.compress(LINE * 1000)
    (landing / "day" / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    [judged] = bronze.ingest.judge_all(far, bronze.ingest.arrivals(far))
    assert judged.problem == "its gzip content is truncated"
    place, said = bronze.ingest._set_aside(far, judged)
    assert (place, said) == (far.set_aside / "day" / "cut.jsonl.gz", "its gzip content is truncated")
    assert place.read_bytes() == whole[: len(whole) // 2]
    assert survey(far) == []


@pytest.mark.parametrize(
    "address", ["s3a:/bucket/x", "s3a://", "s3a://Bucket/x", "S3A://bucket", "s3://b//x"]
)
def test_an_address_that_is_none(address):
    with pytest.raises(UsageError, match="write it like s3a://bucket/prefix"):
        objects.address(settings.load(home=address).place.root)


@pytest.mark.parametrize("address", ["s3://bucket/a/b", "s3a://bucket/a/b/"])
def test_an_address(address, tmp_path):
    place = settings.load(home=address, local=tmp_path).place
    assert objects.address(place.landing) == "s3a://bucket/a/b/landing"
    assert place.logs == tmp_path / "bucket" / "a" / "b" / "logs"


@pytest.mark.usefixtures("server")
def test_no_such_bucket(tmp_path):
    with pytest.raises(UsageError, match="there is no bucket nowhere at http://127"):
        claim.usable(settings.load(home="s3a://nowhere/x", local=tmp_path).place, 0)


def test_a_site_replaces_the_one_before(far, tmp_path):
    site = tmp_path / "site"
    for name in ("index.html", "data/old.json"):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text("1")
    there = far.root / "site"
    objects.mirror(site, there, last="index.html")
    (site / "data" / "old.json").rename(site / "data" / "new.json")
    objects.mirror(site, there, last="index.html")
    assert {item.path for item in objects.listed(there)} == {"index.html", "data/new.json"}
