"""Whatever others send is text on a page: no element, attribute, address or request comes of it."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import Dialog, Request, expect

from conf.home import Home
from conf.tables import (
    BRONZE_DELIVERIES,
    GOLD_RESTATEMENTS,
    PLACEMENT_HOURLY,
    SILVER_DRIFT,
    SILVER_LEDGER,
    SILVER_QUALITY,
    SILVER_QUARANTINE,
)
from gold.report import details, site
from tests.report.lakes import NOON, check, entry, event, publish, refused, settings_of, write
from tests.report.payloads import HOSTILE

RULES = 12


def fill(home: Home, texts: list[str]) -> None:
    """Every text as a placement, a page, a payload, a source, a field, a reason; some as rules and suites."""
    publish(
        home,
        [
            event(NOON - timedelta(days=back), placement_id=text, page_id=text)
            for text in texts
            for back in (0, 1)
        ],
    )
    write(home, SILVER_LEDGER, [entry(text) for text in texts])
    write(home, SILVER_QUALITY, [check(text, suite=text) for text in texts[:RULES]])
    # One rule each, for a rule has few examples.
    write(home, SILVER_QUARANTINE, [refused(text, text, source=text) for text in texts])
    write(
        home, SILVER_DRIFT, [{"batch_id": 1, "source": text, "field": text, "records": 1} for text in texts]
    )
    junk = [
        {"source": text, "reason": text, "status": "set_aside", "ingested_at": NOON, "batch_id": 1}
        for text in texts
    ]
    write(home, BRONZE_DELIVERIES, junk)
    change = {
        "table_name": PLACEMENT_HOURLY.name,
        "bucket": NOON - timedelta(days=1),
        "restated_at": NOON,
        "new_views": 1,
    }
    write(home, GOLD_RESTATEMENTS, [change | {"key": text, "cause": text} for text in texts])


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Home:
    """The site of a lakehouse full of hostile texts."""
    home = Home(tmp_path_factory.mktemp("hostile"))
    fill(home, HOSTILE)
    site.build(settings_of(home))
    return home


@pytest.fixture(scope="module")
def tame(tmp_path_factory) -> Home:
    """The site of the same lakehouse with harmless texts."""
    home = Home(tmp_path_factory.mktemp("tame"))
    fill(home, [f"harmless {place}" for place in range(len(HOSTILE))])
    site.build(settings_of(home))
    return home


class Structure(HTMLParser):
    """The elements of a page with the names of their attributes, the addresses it names, and its text."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, ...]] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, *sorted(name for name, _ in attrs)))
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src", "action", "style"}]

    def handle_data(self, data: str) -> None:
        self.text += data


def pages(home: Home) -> list[Path]:
    return sorted(page.relative_to(home.reports) for page in home.reports.rglob("*.html"))


def test_there_are_two_hundred():
    assert len(set(HOSTILE)) == 200
    assert max(map(len, HOSTILE)) <= 256


def test_pages_have_the_elements_of_harmless_ones(built, tame):
    assert pages(built) == pages(tame)
    for page in pages(built):
        hostile, harmless = Structure(built.reports / page), Structure(tame.reports / page)
        assert hostile.elements == harmless.elements, page


def test_pages_name_only_pages_of_their_own(built):
    own = re.compile(
        r"#[a-z0-9]*|data:,|(\.\./)?(static/)?[a-z-]+[0-9]*\.(html|css|js)(#[0-9a-f]{20})?|(\.\./)?docs/index\.html"
    )
    for page in pages(built):
        for address in Structure(built.reports / page).addresses:
            assert own.fullmatch(address), (page, address)


@pytest.mark.parametrize("page", ["placements.html", "pages.html", "quality.html"])
def test_texts_are_shown_as_they_are(built, page):
    """The parser gives back what was sent: nothing is dropped or changed on the way."""
    text = Structure(built.reports / page).text
    kept = [one for one in HOSTILE if page != "quality.html" or "user_id" not in one]
    assert [one for one in kept if one not in text] == []


def test_files_are_named_by_digests(built):
    names = [file.name for file in (built.reports / details.DATA).iterdir()]
    assert len(names) == 2 * 200
    assert [name for name in names if not re.fullmatch(r"(placement|page)-[0-9a-f]{20}\.js", name)] == []


def test_data_is_one_json_value_in_a_call(built):
    """Read back without the program's own code: what is between the brackets is JSON, and holds the id."""
    found = set()
    for file in (built.reports / details.DATA).glob("page-*.js"):
        text = file.read_text("utf-8")
        assert not re.search("[<>&\u2028\u2029]", text)
        call = re.fullmatch(r"report\.take\((.*)\);\n", text)
        assert call
        found.add(json.loads(call[1])["id"])
    assert found == set(HOSTILE)


def test_a_browser_shows_them_and_does_nothing_else(built, chromium):
    page = chromium.new_page()
    heard: list[str] = []

    def dismissed(dialog: Dialog) -> None:
        heard.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def asked(request: Request) -> None:
        if not _is_own(request.url, built):
            heard.append(request.url)

    page.on("dialog", dismissed)
    page.on("pageerror", lambda error: heard.append(f"error {error}"))
    page.on("console", lambda said: heard.append(f"console {said.text}"))
    page.on("popup", lambda popup: heard.append(f"popup {popup.url}"))
    page.on("request", asked)
    for name in pages(built):
        page.goto((built.reports / name).as_uri())
    for subject in ("placement", "page"):
        page.goto((built.reports / details.page(subject)).as_uri())
        shown = page.locator("#item h2 bdi")
        for text in HOSTILE[::8]:
            page.evaluate("digest => { location.hash = digest }", details.digest(text))
            expect(shown).to_have_js_property("textContent", text)
            assert shown.evaluate("element => element.children.length") == 0
    page.locator("#item[data-drawn]").wait_for()
    page.close()
    assert heard == []


def _is_own(url: str, home: Home) -> bool:
    return url.startswith(home.reports.as_uri()) or url == "data:,"
