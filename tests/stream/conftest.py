"""The program, and the whole pipeline in process, as the tests of both have them."""

from __future__ import annotations

from tests.command_line.conftest import program, shared_spark
from tests.end_to_end.conftest import pipeline

__all__ = ["pipeline", "program", "shared_spark"]
