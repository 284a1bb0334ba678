"""Full disks, read-only disks, and files of another user: told exactly, and nothing lost once mended."""

from __future__ import annotations

import os
import random
import shutil
import time
from pathlib import Path

import pytest

from conf.home import Home
from tests.faults.arrival import deliver
from tests.faults.disks import AS_NOBODY, NOBODY, fill, may_become_nobody, read_only, small_disk
from tests.faults.drawn import delivery, seconds_of
from tests.faults.oracle import expected
from tests.faults.processes import Ended, ended
from tests.faults.reading import state, unbalanced, versions

DISK_KIB = 64 << 10
FULL = (
    *("The disk is full. Make room and run again.", " KiB are free). Make room and run again."),
    *("No space left on device", " MiB are needed to start "),
)


@pytest.fixture
def small(tmp_path):
    """A lakehouse on a small disk of its own, which is empty."""
    place = tmp_path / "disk"
    place.mkdir()
    with small_disk(place, DISK_KIB):
        yield Home(place / "home")


def told(said: Ended, status: int) -> str:
    """The one message of an ended program, as a person reads it."""
    assert (said.status, said.is_plain) == (status, True), said.err
    return said.err


def assert_heals(home: Home, batches: list[dict[str, bytes]]) -> None:
    """Run once more: all is as the oracle says; and again: nothing is committed."""
    healed = ended(home, "run")
    assert (healed.status, healed.is_plain) == (0, True), healed.err
    assert state(home).differs(expected(batches, int(time.time()))) == {}
    assert unbalanced(home) == []
    before = versions(home)
    assert ended(home, "run").status == 0
    assert versions(home) == before


def test_a_disk_that_is_full_from_the_start(small):
    """Not even a log fits: no Java is started, and what it says is not lost in what it cannot write."""
    batch = deliver(small, {"a.jsonl": delivery(random.Random(1), seconds_of(random.Random(1), 30))})
    fill(small.root.parent, 0)
    assert any(words in told(ended(small, "run"), 1) for words in FULL)
    assert [path.name for path in small.landing.iterdir()] == list(batch)


@pytest.mark.faults
def test_a_disk_with_less_than_a_run_asks_for(small):
    deliver(small, {"a.jsonl": b"{}\n"})
    said = told(ended(small, "run", LAKEHOUSE_MIN_FREE_MIB="512"), 1)
    assert said.startswith(f"{small.root}: ")
    assert said.endswith(
        " MiB are free on its disk, 512 MiB are needed to start (setting min_free_mib).\n"
        "Nothing was changed. Make room and run again.\n"
    )


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(24))
def test_a_disk_that_fills_up_during_a_run(small, seed):
    """First, with little room, and a second time with another little: then room is made."""
    drawn = random.Random(seed)
    # The first run of all, which makes the tables, or one more. Java unpacks 1.2 MB before it writes anything
    # of ours: less room than that ends it there.
    is_first, rooms = seed % 2 == 0, [drawn.randrange(4, 1_500), drawn.randrange(1_300, 6_000)]
    print(f"seed {seed}, KiB left {rooms}")
    batches = []
    if not is_first:
        batches.append(deliver(small, {"a.jsonl": delivery(drawn, seconds_of(drawn))}))
        assert ended(small, "run").status == 0
    batches.append(deliver(small, {"b.jsonl": delivery(drawn, seconds_of(drawn))}))
    for room in rooms:
        ballast = fill(small.root.parent, room)
        said = ended(small, "run")
        print(f"{room} KiB left: status {said.status}")
        if said.status:
            assert any(words in told(said, 1) for words in FULL), said.err
            assert "nothing is lost" in said.err or "Nothing was changed" in said.err
        ballast.unlink()
    assert_heals(small, batches)


@pytest.mark.parametrize(
    "part",
    [
        "",
        "warehouse/gold/page_daily",
        pytest.param("warehouse", marks=pytest.mark.faults),
        pytest.param("warehouse/silver", marks=pytest.mark.faults),
        pytest.param("logs", marks=pytest.mark.faults),
    ],
)
def test_a_read_only_disk_is_named_and_only_read(home, part):
    place = home.root / part
    (home.warehouse / "gold" / "page_daily" / "_delta_log").mkdir(parents=True)
    (home.warehouse / "silver").mkdir()
    home.logs.mkdir()
    deliver(home, {"a.jsonl": b"{}\n"})
    before = sorted(home.root.rglob("*"))
    with read_only(place):
        said = told(ended(home, "run"), 2)
    assert said.startswith(f"{place}: cannot be written (Read-only file system).\n".replace("/:", ":"))
    assert said.endswith("Nothing was changed. Make it writable, or name another home with --home.\n")
    assert sorted(home.root.rglob("*")) == before


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_what_only_reads_works_on_a_read_only_disk_and_a_run_once_it_is_writable(home):
    seed = 5
    print(f"seed {seed}")
    drawn = random.Random(seed)
    batches = [deliver(home, {"a.jsonl": delivery(drawn, seconds_of(drawn))})]
    assert ended(home, "run").status == 0
    batches.append(deliver(home, {"b.jsonl": delivery(drawn, seconds_of(drawn))}))
    with read_only(home.root):
        for verb in ("run", "reprocess --quarantine", "maintain", "verify"):
            assert "Read-only file system" in told(ended(home, *verb.split()), 2)
        for verb in ("history", "sql", "report"):
            said = ended(home, verb, *(["SELECT sum(views) FROM gold.page_daily"] if verb == "sql" else []))
            assert said.is_plain, said.err
            assert said.status == 0 or "Read-only file system" in said.err, said.err
    assert_heals(home, batches)


@pytest.fixture
def theirs(tmp_path):
    """A home in folders that anybody may pass through; skips where no program can be another user's."""
    if not may_become_nobody():
        pytest.skip("no program can be started here as a user who may read this checkout and owns nothing")
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    return Home(tmp_path / "home")


def give(place: Path, user: int) -> None:
    for path in (place, *place.rglob("*")):
        os.chown(path, user, user)


def test_a_warehouse_of_another_user(theirs):
    theirs.warehouse.mkdir(parents=True)
    deliver(theirs, {"a.jsonl": b"{}\n"})
    for place in (theirs.root, theirs.warehouse):
        said = told(ended(theirs, "run", before=AS_NOBODY), 2)
        assert said == (
            f"{place}: cannot be written (Permission denied): {place} belongs to root, this is nobody.\n"
            "Nothing was changed. Run as root, or name another home with --home.\n"
        )
        os.chown(place, NOBODY, NOBODY)


def test_a_landing_that_may_not_be_listed(theirs):
    deliver(theirs, {"a.jsonl": b"{}\n"})
    give(theirs.root, NOBODY)
    # Its owner may write and not list: no check of writing tells.
    theirs.landing.chmod(0o300)
    said = told(ended(theirs, "run", before=AS_NOBODY), 2)
    assert (
        f"{theirs.landing}: deliveries arrive in this folder, and it cannot be listed (Permission denied)"
        in said
    )
    assert not list(theirs.root.glob("warehouse/*/*"))


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_files_and_folders_of_landing_that_may_not_be_read(theirs):
    """Each is named and stays; the others go through; and so does it once it may be read."""
    seed = 6
    print(f"seed {seed}")
    drawn = random.Random(seed)
    files = {
        name: delivery(drawn, seconds_of(drawn, 60)) for name in ("a.jsonl", "b.jsonl", "c.csv", "d/e.jsonl")
    }
    files["c.csv"] = b"timestamp,event_type,banner_id,placement_id,page_id,user_id\n1772445600,0,b,p,g,u\n"
    (theirs.landing / "d").mkdir(parents=True)
    for name, content in files.items():
        deliver(theirs, {name: content})
    give(theirs.root, NOBODY)
    refused = [theirs.landing / name for name in ("b.jsonl", "c.csv", "d")]
    for path in refused:
        os.chown(path, 0, 0)
        path.chmod(0o700)
    said = ended(theirs, "run", before=AS_NOBODY, HOME=str(theirs.root))
    assert (said.status, said.is_plain) == (0, True), said.err
    for name in ("b.jsonl", "c.csv", "d"):
        assert f"{name}: could not be read (Permission denied). It stays in landing" in said.err
    batches = [{"a.jsonl": files["a.jsonl"]}]
    assert state(theirs).differs(expected(batches, int(time.time()))) == {}
    for path in refused:
        path.chmod(0o755)
    said = ended(theirs, "run", before=AS_NOBODY, HOME=str(theirs.root))
    assert (said.status, said.is_plain) == (0, True), said.err
    batches.append({name: content for name, content in files.items() if name != "a.jsonl"})
    assert state(theirs).differs(expected(batches, int(time.time()))) == {}


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("lost", ["state", "logs", "metrics", "state/stamps.json", "warehouse/versions.json"])
@pytest.mark.parametrize("how", ["gone", "junk"])
def test_what_lies_beside_the_tables_may_be_lost(home, lost, how):
    seed = f"{lost} {how}"
    print(f"seed {seed!r}")
    drawn = random.Random(seed)
    batches = [deliver(home, {"a.jsonl": delivery(drawn, seconds_of(drawn))})]
    assert ended(home, "run").status == 0
    place = home.root / lost
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink()
        if how == "junk":
            place.write_bytes(drawn.randbytes(40))
    batches.append(deliver(home, {"b.jsonl": delivery(drawn, seconds_of(drawn))}))
    assert_heals(home, batches)
