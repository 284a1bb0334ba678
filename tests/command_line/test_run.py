"""`lakehouse run` as a person sees it, from the first delivery to a batch a gate refuses."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import lakehouse
from conf import console, webhook

PROGRAM = Path(sys.executable).with_name("lakehouse")
NOON = 1772366400


def event(**changed) -> bytes:
    """A delivered record; each case names only what it changes."""
    record = {
        "timestamp": NOON,
        "event_type": 0,
        "banner_id": "b1",
        "placement_id": "pl1",
        "page_id": "pg1",
        "user_id": "u1",
    } | changed
    return json.dumps(record).encode() + b"\n"


def squeezed(text: str) -> list[str]:
    """Lines without the padding of tables."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


@pytest.fixture
def no_java(tmp_path):
    """A JAVA_HOME that fails whoever starts it."""
    java = tmp_path / "no-java" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\nexit 99\n")
    java.chmod(0o755)
    return str(tmp_path / "no-java")


@pytest.fixture
def told(monkeypatch):
    """What a webhook at a secret address is told."""
    texts = []
    monkeypatch.setenv("LAKEHOUSE_WEBHOOK_URL", "https://hooks.test/secret")
    monkeypatch.setattr(webhook, "send", lambda _, text: texts.append(text))
    return texts


def test_nothing_delivered_yet(program, home):
    said = program("run", "--home", home.root)
    assert said.status == 0
    assert said.out == (
        f"{home.landing} holds no deliveries. Put files there (*.jsonl, *.json, *.csv, *.parquet),\n"
        "or make some: lakehouse generate\n"
    )
    assert not home.warehouse.exists()


def test_a_run_and_another_with_nothing_new(process, home, deliver, no_java):
    deliver(
        "a.jsonl", event() + event(user_id="u2") + event(user_id="u2") + event(event_type=1) + b"not json\n"
    )
    deliver("b.csv", b"timestamp,event_type\n")
    few = '{"spark.sql.shuffle.partitions": "2"}'
    first = process("run", "--home", home.root, LAKEHOUSE_DRIVER_MEMORY="1g", LAKEHOUSE_SPARK=few)
    assert first.status == 0, first.err
    lines = squeezed(first.out)
    assert "bronze records delivered (files: 1) 5" in lines
    assert "silver accepted 3" in lines
    assert "silver duplicate 1" in lines
    assert "silver quarantined 1" in lines
    assert "silver refused by well_formed 1" in lines
    assert "gold buckets changed in gold.placement_hourly 1" in lines
    assert "Top placements on 2026-03-01 (UTC)" in lines
    assert "pl1 2 1 50.00 2" in lines
    assert "Traceback" not in first.err
    assert (
        "Warning: b.csv: the header lacks banner_id, placement_id, page_id, user_id "
        "(found: timestamp, event_type).\n"
        f"The file was set aside as {home.set_aside / 'b.csv'}; the others went through.\n"
        "Correct it, put it back under landing, and run `lakehouse run` again.\n"
    ) in first.err

    second = process("run", "--home", home.root, JAVA_HOME=no_java)
    assert second.status == 0, second.err
    assert second.out == "Nothing new has arrived; every table stays as it is.\n"

    third = process("run", "--json", "--home", home.root, JAVA_HOME=no_java)
    assert third.status == 0
    report = json.loads(third.out)
    assert (report["intake"], report["outcomes"], report["published"]) == (None, [], [])
    assert sorted(path.name for path in home.root.iterdir()) == [
        "lakehouse.lock",
        "landing",
        "logs",
        "metrics",
        "quarantine",
        "state",
        "warehouse",
    ]


@pytest.mark.usefixtures("shared_spark")
def test_a_gate_refuses_a_batch_and_a_person_accepts_it(program, home, deliver, told):
    """On the way, ids that would be markup or move the cursor are shown as what they are."""
    markup, control, turned = "[bold red]x[/]", "a\x9b2Jb", "a\u202eb"
    deliver(
        "a.jsonl",
        b"".join(event(user_id=f"u{number}", placement_id=markup) for number in range(900))
        + event(placement_id=control)
        + event(placement_id=turned)
        + b"broken\n" * 150,
    )
    refused = program("run", "--home", home.root)
    assert refused.status == 3
    assert refused.err.endswith(
        "Batch 1 was not published: a quality gate refused it.\n"
        "  well_formed: 85.74% pass, at least 90% must\n"
        "  accepted_or_duplicate: 85.74% pass, at least 90% must\n"
        "silver and gold stay as they were; bronze keeps the records, and later deliveries wait with them.\n"
        "Correct the source, or the suite conf/expectations/events.json, and run again; or accept it:\n"
        "lakehouse run --accept-batch 1\n"
    )
    assert "bronze records delivered (files: 1) 1,052" in squeezed(refused.out)
    assert "silver accepted" not in refused.out

    again = program("run", "--json", "--home", home.root)
    assert again.status == 3
    assert json.loads(again.out)["outcomes"][0]["refusing"] == [
        "well_formed: 85.74% pass, at least 90% must",
        "accepted_or_duplicate: 85.74% pass, at least 90% must",
    ]

    wrong = program("run", "--accept-batch", "2", "--home", home.root)
    assert wrong.status == 2
    assert "Batch 2 is not waiting to be accepted: batches 1 to 1 are. Nothing was changed.\n" in wrong.err

    accepted = program("run", "--accept-batch", "1", "--home", home.root)
    assert accepted.status == 0, accepted.err
    lines = squeezed(accepted.out)
    assert "silver accepted 902" in lines
    assert "silver quarantined 150" in lines
    assert "[bold red]x[/] 900 0 0.00 900" in lines
    assert "a\ufffd2Jb 1 0 0.00 1" in lines
    assert "a\ufffdb 1 0 0.00 1" in lines

    late = program("run", "--accept-batch", "1", "--home", home.root)
    assert late.status == 2
    assert "Batch 1 is not waiting to be accepted: no batch is. Nothing was changed.\n" in late.err

    # Each once, though the gate refused the batch twice and the data stayed old.
    assert [text.splitlines()[0] for text in told] == [
        "home: batch 1 was not published: a quality gate refused it.",
        "home: the data is no longer fresh: the newest event is of 2026-03-01 12:00 UTC, "
        + told[1].split(" UTC, ")[1],
    ]
    logged = "".join(file.read_text("utf-8") for file in home.logs.iterdir())
    assert "hooks.test" not in refused.out + refused.err + accepted.out + accepted.err + logged


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("[bold]x[/]", "[bold]x[/]"),
        ("[link=http://x]y[/link]", "[link=http://x]y[/link]"),
        (":smile:", ":smile:"),
        ("\x1b[2J\x07\x00\x7f", "\ufffd[2J\ufffd\ufffd\ufffd"),
        ("a\nb\tc\rd", "a\ufffdb\ufffdc\ufffdd"),
        ("\u202e\u200b\ufeff\x85", "\ufffd\ufffd\ufffd\ufffd"),
        ("日本 🎯 é", "日本 🎯 é"),
        (1234567, "1,234,567"),
        (0.5, "0.50"),
        (None, "None"),
    ],
)
def test_a_value_in_a_table_is_shown_as_it_is(value, shown):
    assert console._cell(value).plain == shown


def test_ctrl_c(home, deliver, tmp_path):
    """While Java starts: what a person hits who sees that it is the wrong lakehouse."""
    deliver("a.jsonl", event())
    started = subprocess.Popen(
        [PROGRAM, "run", "--home", home.root],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with started:
        assert started.stderr is not None
        while "spark: starting" not in (line := started.stderr.readline()):
            assert line, "it ended by itself"
        time.sleep(0.3)
        os.killpg(started.pid, signal.SIGINT)
        out, err = started.communicate(timeout=60)
    assert started.returncode == 130
    assert "Traceback" not in err
    assert out == ""
    assert not list(home.root.glob("warehouse/*/*/_delta_log/*"))


def test_ctrl_c_in_the_middle_of_the_work(program, home, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(lakehouse, "_advance", interrupted)
    said = program("run", "--home", home.root)
    assert (said.status, said.out) == (130, "")
    assert "Traceback" not in said.err
    assert not home.holder.exists()


@pytest.mark.parametrize(
    "verb", [[], ["generate"], ["report"], ["run"], ["sql"]], ids=lambda words: "".join(words) or "lakehouse"
)
def test_help_is_quick(process, verb):
    """By the processor's time, which a busy machine does not stretch."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = process(*verb, "--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert said.status == 0
    assert "--help" in said.out
    assert said.err == ""
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 3
