"""A Java runtime for Spark."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """JAVA_HOME for Spark."""
    return Path(os.environ.get("JAVA_HOME", "/usr/lib/jvm/java-17-openjdk-amd64"))
