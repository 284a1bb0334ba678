"""Ids, fields and file names that are commands, markup, addresses or formulas come out as they went in."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from conf.tables import SILVER_EVENTS
from gold.report import site
from tests.faults import hostile, oracle, reading
from tests.faults.arrival import deliver
from tests.faults.in_process import latest, take
from tests.report.lakes import settings_of

LISTED = 200
"""Placements and pages that a page lists: those with most views."""


class Page(HTMLParser):
    """What of a page does something: attributes that hold addresses or code, and scripts within it."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.text = ""
        self.doing: list[str] = []
        self._in_script = False
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_script = tag == "script"
        self.doing += [
            f"{name}={value}" for name, value in attrs if name in {"href", "src", "action", "style"}
        ]
        self.doing += [f"{name}={value}" for name, value in attrs if name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - HTMLParser's signature
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.doing.append(data)
        else:
            self.text += data


def carried_out(folder: Path) -> list[Path]:
    """Whatever a command in one of the texts has made."""
    return [path for path in folder.rglob("*") if path.name == hostile.PWNED]


def assert_pages_only_show(reports: Path) -> None:
    """No payload is more than text on any page, and as many as a page lists are there to be read."""
    pages = {page: Page(page.read_text("utf-8")) for page in sorted(reports.rglob("*.html"))}
    for page, parsed in pages.items():
        for done in parsed.doing:
            assert not any(sign in done for sign in ("alert(1)", "evil.test", hostile.PWNED)), (page, done)
    shown = "".join(parsed.text for parsed in pages.values())
    assert sum(text in shown for text in hostile.TEXTS) >= LISTED


def test_hostile_deliveries_are_text(spark, lake):
    arrived = hostile.deliveries(hostile.TEXTS, hostile.NAMES)
    deliver(lake, arrived)
    take(spark, lake)
    state = reading.state(lake)
    assert state.differs(oracle.expected([arrived], latest(lake))) == {}
    assert {row[3] for row in state.silver} == set(hostile.TEXTS)
    site.build(settings_of(lake))
    assert_pages_only_show(lake.reports)
    assert carried_out(lake.root.parent) == []
    assert carried_out(Path.cwd()) == []
    assert len(reading.rows(lake, SILVER_EVENTS, ["user_id"])) == len(hostile.TEXTS)
