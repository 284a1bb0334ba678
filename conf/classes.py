"""The classes that Spark loads, archived once: each later start maps them instead of reading, checking and
linking 20,000 of them, which is half of what a start costs.

Source: JEP 350, Dynamic CDS Archives. Run by `make install` as `python -m conf.classes`. An archive that
does not fit the JVM or its JARs is passed over by the JVM itself.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pyspark

from conf import java
from conf.errors import LakehouseError

JARS = Path(pyspark.__file__).parent / "jars"
LAKEHOUSE = Path(sys.prefix) / "bin" / "lakehouse"
LOG = Path(sys.prefix) / "classes.log"
LONGEST_S = 300
QUICK = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m"
"""Without the optimizing compiler a run this small takes half the time."""

SHIM = """\
#!/bin/sh
# Spark starts one JVM to learn how to start another: the archive is of the other.
case " $* " in *" org.apache.spark.deploy.SparkSubmit "*)
    echo $$ > {pid}
    exec {java} {quick} -XX:ArchiveClassesAtExit={archive} "$@";;
esac
exec {java} "$@"
"""


def archive(java_home: Path, folder: Path = Path(sys.prefix) / "java", jars: Path = JARS) -> Path:
    """Where the archive for this Java and these JARs is, or would be."""
    release = java_home / "release"
    told = release.read_bytes() if release.is_file() else str(java_home).encode()
    held = sorted((jar.name, jar.stat().st_size, jar.stat().st_mtime_ns) for jar in jars.glob("*.jar"))
    digest = hashlib.sha256(told + repr((str(jars), held)).encode())
    return folder / f"classes-{digest.hexdigest()[:12]}.jsa"


def options(java_home: Path) -> list[str]:
    """What to tell the JVM; nothing when there is no archive for this Java."""
    held = archive(java_home)
    # Otherwise a JVM that passes it over says so among our results.
    return [f'"-XX:SharedArchiveFile={held}"', "-Xlog:cds*=off"] if held.is_file() else []


def main() -> int:
    """Make the archive by one small run; the exit status, 0 even if that fails: then starts are slower."""
    java_home = java.home()
    made = archive(java_home)
    if made.is_file():
        return 0
    print("Making later starts fast: one small run, about a minute.", flush=True)
    made.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=sys.prefix) as folder:
        draft = Path(folder) / made.name
        try:
            _train(java_home, Path(folder), draft)
            for old in made.parent.glob("classes-*.jsa"):
                old.unlink()
            draft.replace(made)
        except (OSError, subprocess.SubprocessError, LakehouseError) as failed:
            print(f"It was not made ({failed}); each start takes some seconds longer. More: {LOG}")
    return 0


def _train(java_home: Path, folder: Path, draft: Path) -> None:
    """Run the pipeline once on a few events, and keep the classes it loaded."""
    started, shim = folder / "pid", folder / "java"
    (shim / "bin").mkdir(parents=True)
    words = {"pid": started, "archive": draft, "java": java_home / "bin" / "java"}
    program = shim / "bin" / "java"
    quoted = {name: shlex.quote(str(path)) for name, path in words.items()}
    program.write_text(SHIM.format(quick=QUICK, **quoted), "utf-8")
    program.chmod(0o755)
    (shim / "release").write_bytes((java_home / "release").read_bytes())
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LAKEHOUSE_")}
    environment["JAVA_HOME"] = str(shim)
    with LOG.open("wb") as log:
        for verb in (["generate", "--events", "500", "--hours", "2"], ["run"]):
            command = [str(LAKEHOUSE), *verb, "--home", str(folder / "home")]
            subprocess.run(command, env=environment, stdout=log, stderr=log, check=True, timeout=LONGEST_S)
    _wait(int(started.read_text("utf-8")))


def _wait(process: int) -> None:
    """Until the JVM, which outlives the run, has written the archive."""
    until = time.monotonic() + LONGEST_S
    while psutil.pid_exists(process):
        if time.monotonic() > until:
            raise LakehouseError(f"the JVM (process {process}) does not end")
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
