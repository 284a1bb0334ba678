"""Fixtures of other tests that the attacks use."""

from __future__ import annotations

from tests.command_line.conftest import program, shared_spark

__all__ = ["program", "shared_spark"]
