"""The shape in which results are handed to whoever prints them."""

from __future__ import annotations

from collections.abc import Sequence

Shown = tuple[str, Sequence[str], Sequence[Sequence[object]]]
"""A table for a person: its title, its columns, its rows."""
