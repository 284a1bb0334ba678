"""What counts as a delivery. Any name a file system allows, any time stamp, any depth."""

import json
import os

import pytest

from bronze import landing
from bronze.landing import Found, is_as_found, read_stamps, stamp, survey, write_stamps
from conf.errors import UsageError
from conf.home import Home

LINE = b'{"timestamp": 1772323200}\n'


def put(home, name, content=LINE):
    path = home.landing / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def sources(home):
    return [found.source for found in survey(home)]


@pytest.mark.parametrize(
    ("name", "format_", "gzipped"),
    [
        ("a.jsonl", "jsonl", False),
        ("a.json", "jsonl", False),
        ("a.csv", "csv", False),
        ("a.parquet", "parquet", False),
        ("a.jsonl.gz", "jsonl", True),
        ("a.json.gz", "jsonl", True),
        ("a.csv.gz", "csv", True),
        ("a.csv.jsonl", "jsonl", False),
        ("2026/03/01/a.jsonl", "jsonl", False),
        ("sender.csv/a.jsonl", "jsonl", False),
    ],
)
def test_names_say_what_a_delivery_is(home, name, format_, gzipped):
    path = put(home, name)
    [found] = survey(home)
    assert (found.source, found.path) == (name, path)
    assert (found.format, found.gzipped, found.bytes, found.unreadable) == (format_, gzipped, 26, None)


@pytest.mark.parametrize(
    "name",
    [
        ".a.jsonl",
        "_a.jsonl",
        "a.jsonl.tmp",
        "a.tmp",
        ".sender/a.jsonl",
        "_incoming/a.jsonl",
        "day.tmp/a.jsonl",
        "a.txt",
        "a",
        "a.gz",
        "jsonl",
        "a.jsonl.bak",
        "a.jsonl.zip",
        "a.jsonl.gz.gz",
        "a.parquet.gz",
        "a.JSONL",
        "_SUCCESS",
        "csv.gz",
    ],
)
def test_other_names_are_no_deliveries(home, name):
    put(home, name)
    assert survey(home) == []


@pytest.mark.parametrize(
    "name",
    [
        "2026-03-01T10:00:00.jsonl",
        "a b  c.jsonl",
        " a.jsonl",
        "a\nb.jsonl",
        "a\tb.jsonl",
        'it\'s "quoted".jsonl',
        "50%.jsonl",
        "a%20b.jsonl",
        "[x].jsonl",
        "*.jsonl",
        "{a,b}?.jsonl",
        "a\\b.jsonl",
        "#1;--.jsonl",
        "события-✓-🎯.jsonl",
        "e\u0301.jsonl",
        "-rf.jsonl",
        "$HOME.jsonl",
        "a" * 249 + ".jsonl",
    ],
)
def test_any_name_is_taken_as_it_is(home, name):
    put(home, name)
    assert sources(home) == [name]


def test_names_that_are_not_utf8_stay_apart(home):
    for name in (b"a\xff.jsonl", b"a\xfe.jsonl"):
        (home.landing / os.fsdecode(name)).touch()
    assert sources(home) == ["a\\xfe.jsonl", "a\\xff.jsonl"]


def test_found_in_order_of_names(home):
    for name in ("b.jsonl", "a/z.jsonl", "B.jsonl", "a.jsonl", "10.jsonl", "9.jsonl"):
        put(home, name)
    assert sources(home) == ["10.jsonl", "9.jsonl", "B.jsonl", "a.jsonl", "a/z.jsonl", "b.jsonl"]


@pytest.mark.parametrize("seconds", [0, 1, 946684800, 4102444800, -86400], ids=str)
def test_any_modification_time_is_taken(home, seconds):
    os.utime(put(home, "old.jsonl"), (seconds, seconds))
    put(home, "new.jsonl")
    assert sources(home) == ["new.jsonl", "old.jsonl"]


def test_landing_may_be_a_link(home, tmp_path):
    elsewhere = tmp_path / "another disk"
    home.landing.rename(elsewhere)
    home.landing.symlink_to(elsewhere)
    put(home, "day/a.jsonl")
    assert sources(home) == ["day/a.jsonl"]


def test_a_linked_folder_and_a_linked_file_are_deliveries(home, tmp_path):
    put(Home(tmp_path / "other"), "a.jsonl")
    (home.landing / "sender").symlink_to(tmp_path / "other" / "landing")
    (home.landing / "b.jsonl").symlink_to("../../other/landing/a.jsonl")
    assert sources(home) == ["b.jsonl", "sender/a.jsonl"]


def test_a_link_that_leads_back_is_not_followed_again(home):
    put(home, "day/a.jsonl")
    (home.landing / "day" / "up").symlink_to(home.landing)
    (home.landing / "day" / "itself").symlink_to(".")
    assert sources(home) == ["day/a.jsonl"]


def test_no_landing_no_deliveries(tmp_path):
    assert survey(Home(tmp_path / "nowhere")) == []


def test_a_link_to_nothing_is_told_and_hides_no_other(home):
    put(home, "a.jsonl")
    (home.landing / "b.jsonl").symlink_to("gone.jsonl")
    (home.landing / "c.txt").symlink_to("gone.txt")
    assert [(found.source, found.unreadable) for found in survey(home)] == [
        ("a.jsonl", None),
        ("b.jsonl", "No such file or directory"),
    ]


def test_what_is_no_file_is_told_and_never_waited_for(home):
    os.mkfifo(home.landing / "pipe.jsonl")
    os.mkfifo(home.landing / "pipe")
    put(home, "a.jsonl")
    assert [(found.source, found.unreadable) for found in survey(home)] == [
        ("a.jsonl", None),
        ("pipe.jsonl", "it is no regular file"),
    ]


def deny(monkeypatch, denied):
    """Refuse to list one folder; a test that runs as root cannot have it refused otherwise."""
    entries = landing._entries

    def guarded(folder):
        if folder == denied:
            raise PermissionError(13, "Permission denied", str(folder))
        return entries(folder)

    monkeypatch.setattr(landing, "_entries", guarded)


def test_a_folder_that_cannot_be_listed_hides_no_other(home, monkeypatch):
    put(home, "a.jsonl")
    put(home, "lost+found/b.jsonl")
    deny(monkeypatch, home.landing / "lost+found")
    assert [(found.source, found.unreadable) for found in survey(home)] == [
        ("a.jsonl", None),
        ("lost+found", "Permission denied"),
    ]


def test_landing_that_cannot_be_listed_is_an_error(home, monkeypatch):
    deny(monkeypatch, home.landing)
    with pytest.raises(UsageError) as told:
        survey(home)
    assert str(told.value) == (
        f"{home.landing}: deliveries arrive in this folder, and it cannot be listed (Permission denied).\n"
        "Nothing was taken. Make it a folder this user can read, or run as its owner, and run again."
    )


@pytest.mark.parametrize(
    ("make", "why"),
    [
        pytest.param(lambda path: path.write_text(""), "Not a directory", id="a-file"),
        pytest.param(
            lambda path: path.symlink_to("unmounted"), "No such file or directory", id="a-link-to-nothing"
        ),
    ],
)
def test_landing_that_is_no_folder_is_an_error(home, make, why):
    home.landing.rmdir()
    make(home.landing)
    with pytest.raises(UsageError, match=f"cannot be listed \\({why}\\)"):
        survey(home)


def test_a_file_that_goes_while_being_listed_is_passed_over(home, monkeypatch):
    put(home, "a.jsonl")
    gone = put(home, "b.jsonl")
    entries = landing._entries

    def then_withdrawn(folder):
        held = entries(folder)
        gone.unlink()
        return held

    monkeypatch.setattr(landing, "_entries", then_withdrawn)
    assert sources(home) == ["a.jsonl"]


def only(home) -> Found:
    [found] = survey(home)
    return found


def test_writing_to_a_file_changes_its_stamp(home):
    path = put(home, "a.jsonl")
    before = only(home)
    path.write_bytes(LINE.replace(b"0", b"1"))
    assert only(home).stamp != before.stamp
    assert not is_as_found(before)
    assert stamp(before) == before.stamp, "the stamp then: the next run reads the file again"


def test_a_replacement_of_the_same_size_and_time_changes_the_stamp(home):
    path = put(home, "a.jsonl")
    os.utime(path, (1, 1))
    before = only(home)
    os.utime(put(home, ".b"), (1, 1))
    (home.landing / ".b").rename(path)
    assert only(home).stamp != before.stamp
    assert not is_as_found(before)


def test_our_own_link_does_not_count_as_writing(home):
    path = put(home, "a.jsonl")
    found = only(home)
    os.link(path, home.root / "staged")
    (home.root / "staged").unlink()
    assert is_as_found(found)
    assert stamp(found) == only(home).stamp


def test_a_file_that_is_gone_keeps_the_stamp_it_had(home):
    path = put(home, "a.jsonl")
    found = only(home)
    path.unlink()
    assert stamp(found) == found.stamp
    assert not is_as_found(found)


def test_stamps_are_kept(home):
    assert read_stamps(home) == {}
    write_stamps(home, {"a\n✓.jsonl": ("1:2:3:4", "ff")})
    assert read_stamps(home) == {"a\n✓.jsonl": ("1:2:3:4", "ff")}


@pytest.mark.parametrize("held", ["", "{", "[]", "null", '{"a": 1}', '{"a": ["x"]}', '"text"', "\x00"])
def test_damaged_stamps_are_as_lost(home, held):
    home.stamps.parent.mkdir(parents=True)
    home.stamps.write_text(held)
    assert read_stamps(home) == {}


def test_stamps_are_plain_json_for_a_person_to_look_at(home):
    write_stamps(home, {"a.jsonl": ("1:2:3:4", "ff")})
    assert json.loads(home.stamps.read_text()) == {"a.jsonl": ["1:2:3:4", "ff"]}
