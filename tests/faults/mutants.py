"""Deliberate bugs, one at a time: each must turn the tests named for it red.

`python -m tests.faults.mutants [NAME]` tries them all, or those whose name holds one of the words.

The code is copied to a folder of its own, one text in it is replaced, and the tests run there. A mutant whose
text is no longer in its file exactly once is told, so that none of them can quietly stop being one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
CODE = ("bronze", "conf", "generator", "gold", "silver", "tests", "lakehouse.py", "pyproject.toml")
NET = "tests/faults/test_oracle_end_to_end.py"
FILES = "tests/faults/test_bad_files.py"
BYTES = "tests/faults/test_bad_bytes.py::test_each_line_becomes_what_the_oracle_says"
KILLS = "tests/faults/test_kills.py::test_killed_at_three_points"
TESTS_FAILED = 1
"""The status by which pytest says that tests ran, and some failed; others say that it could not run them."""


@dataclass(frozen=True)
class Mutant:
    """In `file`, `old` becomes `new`; `tests` must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = (NET,)

    def applied(self, text: str) -> str:
        """The file's text with the bug in it; raises ValueError unless the old text is there once."""
        if (times := text.count(self.old)) != 1:
            raise ValueError(
                f"{self.name}: in {self.file} its text stands {times} times, not once: {self.old}"
            )
        return text.replace(self.old, self.new)


MUTANTS = (
    Mutant(
        "an event delivered in an earlier batch counts again",
        "silver/deduplication.py",
        'return distinct.join(known.select(*EVENT_IDENTITY), on=list(EVENT_IDENTITY), how="left_anti")',
        "return distinct",
    ),
    Mutant(
        "an event delivered twice in a batch counts twice",
        "silver/deduplication.py",
        'return delivered.groupBy(*EVENT_IDENTITY).agg(F.min("delivery").alias("delivery"))',
        "return delivered",
    ),
    Mutant(
        "the last delivery is the first",
        "silver/deduplication.py",
        'F.min("delivery").alias("delivery")',
        'F.max("delivery").alias("delivery")',
    ),
    Mutant(
        "counts are added to what is published",
        "conf/warehouse.py",
        "values = {column: every[column] for column in columns if column not in table.key}",
        "values = {c: every[c] + F.col(f'published.{c}') for c in columns if c not in table.key}",
    ),
    Mutant(
        "a published bucket is never corrected",
        "conf/warehouse.py",
        ".whenMatchedUpdate(set=values)",
        ".whenMatchedUpdate(F.lit(False), set=values)",
    ),
    Mutant(
        "a bucket that is gone stays",
        "conf/warehouse.py",
        'merging.whenMatchedDelete(F.col(f"changed.{GONE}")).whenMatchedUpdate(set=values)',
        'merging.whenMatchedUpdate(~F.col(f"changed.{GONE}"), set=values)',
        ("tests/gold/test_publish.py",),
    ),
    Mutant(
        "an append does not note what it has taken",
        "conf/warehouse.py",
        'writer.option("txnAppId", source).option("txnVersion", upto).save(home.table(table))',
        "writer.save(home.table(table))",
    ),
    Mutant(
        "nor does one without Spark",
        "conf/entries.py",
        "app_transactions=markers",
        "app_transactions=None",
    ),
    Mutant(
        "what follows an object on its line is ignored",
        "silver/reading.py",
        'is_whole = (F.size(envelope) == len(("payload", "seal"))) & (second["seal"] == F.md5(text))',
        "is_whole = F.size(envelope) > 0",
    ),
    Mutant(
        "the last of two equal keys wins",
        "silver/reading.py",
        "well_formed = F.coalesce(F.size(ours) == F.size(F.array_distinct(ours)), F.lit(False))",
        "well_formed = ours.isNotNull()",
    ),
    Mutant(
        "numbers of users stand an hour late",
        "gold/statistics.py",
        'F.unix_seconds(midnight) + F.col("place") * 3600',
        'F.unix_seconds(midnight) + (F.col("place") + 1) * 3600',
    ),
    Mutant(
        "events count in the hour after",
        "gold/statistics.py",
        'F.date_trunc("hour", "event_time").alias("hour")',
        'F.date_trunc("hour", F.col("event_time") + F.expr("INTERVAL 1 HOUR")).alias("hour")',
    ),
    Mutant(
        "a user counts on a day once for each hour",
        "gold/statistics.py",
        'F.array(*of_hours, F.count(F.lit(1))).alias("users")',
        "F.array(*of_hours, F.sum(F.bit_count('hours_seen'))).alias(\"users\")",
    ),
    Mutant(
        "late events are left out",
        "gold/publish.py",
        'counted_anew = touched.select(*BUCKET, "day").distinct()',
        'counted_anew = touched.select(*BUCKET, "day").distinct().where("day > current_date() - 7")',
    ),
    Mutant(
        "CSV is read by position",
        "bronze/rows.py",
        "yield _line(dict(zip(header, row, strict=True)))",
        "yield _line(dict(zip(EVENT_FIELDS, row, strict=False)))",
        (NET, FILES),
    ),
    Mutant(
        "the whole part of a truncated gzip is taken",
        "bronze/judge.py",
        'if not member.eof:\n        raise rows.NotWhatItSaysError("its gzip content is truncated")',
        "return",
        (FILES,),
    ),
    Mutant(
        "a column of another type is taken",
        "bronze/rows.py",
        "kinds = (pa.types.is_integer,",
        "kinds = (pa.types.is_floating, pa.types.is_integer,",
        (FILES,),
    ),
    Mutant(
        "a record that breaks several rules is lost",
        "silver/quarantine.py",
        'judged.where("refused")',
        'judged.where("refused AND size(rules) < 2")',
    ),
    Mutant(
        "one rule of those a record breaks is named",
        "silver/rules.py",
        ".otherwise(broken)",
        ".otherwise(F.slice(broken, 1, 1))",
    ),
    Mutant(
        "bytes that are not UTF-8 pass",
        "bronze/ingest.py",
        '            "valid_utf8",\n            "source",',
        '            F.lit(True).alias("valid_utf8"),\n            "source",',
        (BYTES,),
    ),
    Mutant(
        "a delivery that was planned counts as taken",
        "bronze/known.py",
        'deliveries.filter(pc.less_equal(deliveries["batch_id"], committed)).sort_by("batch_id")',
        'deliveries.sort_by("batch_id")',
        (KILLS,),
    ),
)


def code(into: Path) -> Path:
    """A copy of the code, without what runs have left in it."""
    into.mkdir(parents=True)
    for name in CODE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, into / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, into / name)
    return into


def with_bug(mutant: Mutant, into: Path) -> Path:
    """A copy of the code with the mutant's bug in it."""
    file = code(into) / mutant.file
    file.write_text(mutant.applied(file.read_text("utf-8")), "utf-8")
    return into


def ran(folder: Path, tests: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """The tests run on the code in a folder: also what they start as a process finds that code first."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-p",
        "no:cacheprovider",
        "-o",
        "addopts=-q --import-mode=importlib",
    ]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(
        [*command, *tests], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def survives(mutant: Mutant, scratch: Path) -> str | None:
    """What pytest said, when the mutant did not make its tests fail; None when it did."""
    ended = ran(with_bug(mutant, scratch / mutant.name), mutant.tests)
    shutil.rmtree(scratch / mutant.name)
    return None if ended.returncode == TESTS_FAILED else ended.stdout[-3000:] + ended.stderr[-3000:]


def main(names: list[str]) -> int:
    """The unmutated code, then each mutant, or those whose name holds one of `names`: 1 when one survives."""
    chosen = [one for one in MUTANTS if not names or any(name in one.name for name in names)]
    with tempfile.TemporaryDirectory() as folder:
        every = tuple(sorted({test for mutant in chosen for test in mutant.tests}))
        sound = ran(code(Path(folder, "sound")), every)
        print(f"{'passes' if sound.returncode == 0 else 'FAILS'}: the code as it is", flush=True)
        if sound.returncode:
            print(sound.stdout[-3000:])
        survived = 0
        for mutant in chosen:
            said = survives(mutant, Path(folder))
            survived += said is not None
            print(f"{'caught' if said is None else 'SURVIVED'}: {mutant.name}", flush=True)
            if said:
                print(said)
    return 1 if survived or sound.returncode else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
