"""What one more hour costs, told: everything measured, and the rows of the table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from tests.bench.counted import Cost
from tests.bench.part import Row, markdown, spread

FLAT = 1.15
HOUR, LATE, NOTHING, ALL = "one more hour", "a late delivery", "nothing new", "all"
LAYERS = ("bronze", "silver", "gold")

Turns = dict[tuple[str, str, str], list[Cost]]
"""By lakehouse, what was done and layer, what each turn cost."""


@dataclass(frozen=True)
class Quantity:
    """Something a step costs, and how it is told."""

    name: str
    told: str
    digits: int = 0
    unit: float = 1

    def of(self, cost: Cost) -> float:
        """How much of it."""
        return float(getattr(cost, self.name)) / self.unit


SECONDS = Quantity("seconds", "seconds", digits=2)
COUNTED = (
    Quantity("jobs", "jobs"),
    Quantity("stages", "stages"),
    Quantity("tasks", "tasks"),
    Quantity("files", "files read"),
    Quantity("read", "MB read", digits=1, unit=1e6),
    Quantity("all_read", "MB read, logs too", digits=1, unit=1e6),
)


def ratios(costs: Turns, lakes: Sequence[str], what: str, layer: str, quantity: Quantity) -> list[float]:
    """What the last lakehouse takes as a share of the first, turn by turn."""
    turns = zip(costs[lakes[-1], what, layer], costs[lakes[0], what, layer], strict=True)
    pairs = [(quantity.of(old), quantity.of(young)) for old, young in turns]
    return [old / young if young else 1.0 for old, young in pairs]


def results(costs: Turns, lakes: Sequence[str]) -> str:
    """Everything measured: medians, and as a share of the first lakehouse's."""
    quantities = (SECONDS, *COUNTED)
    rows = []
    steps = dict.fromkeys((what, layer) for _, what, layer in costs)
    for (what, layer), lake in product(steps, lakes):
        cells = []
        for quantity in quantities:
            held = statistics.median(map(quantity.of, costs[lake, what, layer]))
            share = statistics.median(ratios(costs, (lakes[0], lake), what, layer, quantity))
            beside = "" if lake == lakes[0] else f" ({share:.2f} ×)"
            cells.append(f"{held:,.{quantity.digits}f}{beside}")
        rows.append((what, layer, lake, *cells))
    return markdown(("what", "layer", "on", *[quantity.told for quantity in quantities]), rows)


def told(costs: Turns, lakes: Sequence[str], reread: list[float], events: int, words: str) -> list[Row]:
    """The rows of the table."""
    old = lakes[-1]
    hour = [one.seconds for one in costs[old, HOUR, ALL]]
    idle = [one.seconds for one in costs[old, NOTHING, ALL]]
    share = spread([mine / statistics.median(reread) for mine in hour], " ×", 2)
    of_plain = f"{share}: the plain job rereads the day in {spread(reread)}"
    return [
        Row(f"one more hour, {events:,} events, on {old}, warm", "≤ 8 s", spread(hour), words),
        Row("the same against (a), warm", "", of_plain, words),
        Row(f"nothing new on {old}, warm", "< 1 s", spread(idle, digits=2), words),
        *[_flat(costs, lakes, what, layer, words) for what in (HOUR, LATE) for layer in LAYERS],
    ]


def _flat(costs: Turns, lakes: Sequence[str], what: str, layer: str, words: str) -> Row:
    by_clock = spread(ratios(costs, lakes, what, layer, SECONDS), " ×", 2)
    counted = [
        f"{quantity.told} {statistics.median(ratios(costs, lakes, what, layer, quantity)):.2f} ×"
        for quantity in COUNTED[2:]
    ]
    about = f"flat: {what} in {layer}, {lakes[-1]} ÷ {lakes[0]}"
    return Row(about, f"≤ {FLAT} ×", f"{by_clock}; {', '.join(counted)}", words)
