"""Puts the pinned JARs that pyspark lacks among pyspark's own, where all of Spark's programs look.

Run by `conf.install` with the checkout's Python. Fetching is left to the Ivy that pyspark ships:
it knows where the public registry is.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from conf import fetching, java
from conf.errors import LakehouseError, UsageError

PINNED = Path(__file__).with_name("jars.txt")
STAGING = Path(sys.prefix) / "jars"
PLACED = "lakehouse-jars.txt"
"""Beside the JARs: the list they were placed by, so that a later list can take them away again."""

SETTINGS = """\
<ivysettings>
  <settings defaultResolver="central"/>
  <timeout-constraints>
    <timeout-constraint name="patient" connectionTimeout="20000" readTimeout="120000"/>
  </timeout-constraints>
  <resolvers><ibiblio name="central" m2compatible="true" timeoutConstraint="patient"/></resolvers>
</ivysettings>
"""


@dataclass(frozen=True)
class Jar:
    """One pinned JAR of the public Java registry."""

    organisation: str
    module: str
    version: str
    sha256: str

    @property
    def file(self) -> str:
        """Its file name, the one the registry gives it."""
        return f"{self.module}-{self.version}.jar"


def pinned(file: Path = PINNED) -> list[Jar]:
    """The JARs a list names; raises UsageError for a line that names none."""
    jars = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = re.fullmatch(r"([\w.-]+):([\w.-]+):([\w.-]+) --hash=sha256:([0-9a-f]{64})", line.strip())
        if parts is None:
            raise UsageError(
                f"{file}:{number}: expected organisation:module:version --hash=sha256:HEX "
                f"(found: {line.strip()}).\n"
                "No JAR was touched. Correct the line and run `make install` again."
            )
        jars.append(Jar(*parts.groups()))
    return jars


def install(jars: Sequence[Jar], folder: Path, staging: Path) -> list[Jar]:
    """Make `folder` hold exactly these of ours, and return those that were missing.

    Each arrives under its name whole and with the pinned content, or not at all, so an install
    that was cut short is taken up by the next. Raises LakehouseError when one cannot be fetched
    or is not what is pinned.
    """
    missing = [jar for jar in jars if not _is_there(folder / jar.file, jar)]
    if missing:
        staging.mkdir(parents=True, exist_ok=True)
        _fetch(missing, staging)
        place(missing, staging, folder)
        shutil.rmtree(staging)
    _remove_replaced(jars, folder)
    return missing


def place(jars: Iterable[Jar], staging: Path, folder: Path) -> None:
    """Move fetched JARs to where Spark looks, once all of them are what is pinned; else LakehouseError."""
    jars = list(jars)
    for jar in jars:
        found = _sha256(staging / jar.file)
        if found != jar.sha256:
            shutil.rmtree(staging)
            raise LakehouseError(
                f"{jar.file}: what was fetched is not what is pinned in {PINNED.name} "
                f"(expected sha256 {jar.sha256}, found {found}).\n"
                "It was thrown away, and no JAR was put in place. Run `make install` again; when it "
                "stays so, something between here and the registry alters files."
            )
    for jar in jars:
        (staging / jar.file).replace(folder / jar.file)


def ivy_module(jars: Iterable[Jar]) -> str:
    """The Ivy file that asks for these JARs and nothing they depend on."""
    wanted = "\n".join(
        f'<dependency org="{jar.organisation}" name="{jar.module}" rev="{jar.version}" transitive="false"/>'
        for jar in jars
    )
    return (
        '<ivy-module version="2.0">\n  <info organisation="lakehouse" module="jars"/>\n'
        f'  <dependencies defaultconf="default">\n{wanted}\n  </dependencies>\n</ivy-module>\n'
    )


def _fetch(jars: Sequence[Jar], staging: Path) -> None:
    """One JVM for all of them; nothing is written outside `staging`."""
    (staging / "settings.xml").write_text(SETTINGS, encoding="utf-8")
    (staging / "ivy.xml").write_text(ivy_module(jars), encoding="utf-8")
    ivy = next(_pyspark_jars().glob("ivy-*.jar"))
    java_home = java.home()
    command = [
        str(java_home / "bin" / "java"),
        *fetching.java_options(staging),
        f"-Divy.default.ivy.user.dir={staging}",
        *("-jar", str(ivy), "-settings", "settings.xml", "-ivy", "ivy.xml", "-cache", "cache"),
        *("-retrieve", "[artifact]-[revision].[ext]"),
    ]
    done = subprocess.run(command, cwd=staging, capture_output=True, text=True, errors="replace", check=False)
    said = done.stdout + done.stderr
    (staging / "ivy.log").write_text(said, encoding="utf-8")
    if done.returncode != 0 or not all((staging / jar.file).is_file() for jar in jars):
        raise LakehouseError(
            f"{', '.join(jar.file for jar in jars)}: cannot be fetched: {fetching.reason(said)}.\n"
            "The Python packages are installed, the JARs are not. Mend that and run `make install` "
            f"again: it goes on from here. All that was said: {staging / 'ivy.log'}"
        )


def _is_there(path: Path, jar: Jar) -> bool:
    return path.is_file() and _sha256(path) == jar.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove_replaced(jars: Sequence[Jar], folder: Path) -> None:
    """Two versions of one library on the class path would be chosen between by chance."""
    before = folder / PLACED
    if before.is_file():
        for jar in set(pinned(before)) - set(jars):
            if jar.file not in {kept.file for kept in jars}:
                (folder / jar.file).unlink(missing_ok=True)
    lines = (f"{jar.organisation}:{jar.module}:{jar.version} --hash=sha256:{jar.sha256}\n" for jar in jars)
    before.write_text("".join(lines), encoding="utf-8")


def _pyspark_jars() -> Path:
    found = importlib.util.find_spec("pyspark")
    if found is None or found.origin is None:
        raise LakehouseError("pyspark is not installed here. No JAR was touched. Run `make install`.")
    return Path(found.origin).parent / "jars"


def main() -> int:
    """Install what `conf/jars.txt` pins; the exit status."""
    try:
        java_home = java.home()
        missing = install(pinned(), _pyspark_jars(), STAGING)
    except LakehouseError as failure:
        print(failure, file=sys.stderr)
        return failure.status
    except OSError as failure:
        print(
            f"{failure.filename}: {failure.strerror}.\nThe JARs are not all in place. "
            "Mend that and run `make install` again: it goes on from here.",
            file=sys.stderr,
        )
        return LakehouseError.status
    print(f"JARs: {', '.join(jar.file for jar in missing) or 'all there'}; Java: {java_home}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
