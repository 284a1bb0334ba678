"""The site as people use it: in a browser, from a disk and served, on a phone and a desk, light and dark."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page

from conf.home import Home
from gold.report import details

PAGES = (
    "index.html",
    "quality.html",
    "placements.html",
    "pages.html",
    "docs/index.html",
    "docs/validation-1.html",
)

# Of each text on the page, the worst contrast with what lies behind it, as WCAG 2 computes it.
CONTRAST = """() => {
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    probe.clearRect(0, 0, 1, 1);
    probe.fillStyle = colour;
    probe.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = probe.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    const mix = (under, over) => under.map((part, i) => part * (1 - over[3]) + over[i] * over[3]);
    return layers.reverse().reduce(mix, [255, 255, 255]);
  };
  const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, share, i) => {
    const part = c[i] / 255;
    return sum + share * (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  }, 0);
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    const text = walk.currentNode.data.trim();
    if (!text || !element.checkVisibility() || element.closest("script")) continue;
    const style = getComputedStyle(element);
    const colour = element.closest("svg") ? style.fill : style.color;
    const [one, other] = [light(rgba(colour)), light(behind(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${element.tagName} ${text.slice(0, 40)}`);
  }
  return found;
}"""


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page that must not complain, ask or be asked."""
    opened = chromium.new_page()
    heard: list[str] = []
    opened.on("console", lambda said: heard.append(f"{said.type}: {said.text}"))
    opened.on("pageerror", lambda error: heard.append(str(error)))
    opened.on("dialog", lambda dialog: heard.append(f"dialog: {dialog.message}"))
    opened.on("requestfailed", lambda asked: heard.append(f"failed: {asked.url}"))
    yield opened
    opened.close()
    assert heard == []


def address(full: Home, served: str, how: str, name: str) -> str:
    return f"{served}/{name}" if how == "served" else (full.reports / name).as_uri()


def open_item(page: Page, where: str, item: str, subject: str = "placement") -> None:
    page.goto(f"{where}#{details.digest(item)}")
    page.locator("#item[data-drawn]").wait_for()
    assert page.locator("#item h2").inner_text() == item, subject


@pytest.mark.parametrize("how", ["served", "file"])
@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_and_asks_nobody_else(page, full, served, how, name):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address(full, served, how, name))
    ours = (served, full.reports.as_uri(), "data:,")
    assert [url for url in asked if not url.startswith(ours)] == []
    assert page.locator("h1").count() == 1
    assert page.locator("nav a[aria-current]").count() == 1


def test_charts_of_the_front_page_are_drawn(page, full):
    page.goto((full.reports / "index.html").as_uri())
    drawn = page.locator("svg.chart:visible")
    assert drawn.count() == 4 + 1
    for place in range(drawn.count()):
        box = drawn.nth(place).bounding_box()
        assert box
        assert box["width"] > 250
        assert box["height"] > 100
        assert drawn.nth(place).locator("path.mark-line, g.mark-line path, g.mark-area path").count() >= 1
        assert drawn.nth(place).get_attribute("aria-label")


@pytest.mark.parametrize("how", ["served", "file"])
def test_an_item_has_its_series_by_day_and_hour(page, full, served, how):
    open_item(page, address(full, served, how, "placements.html"), "pl1")
    assert page.locator("#item .drawn svg[role=img][aria-label]").count() == 4
    assert page.locator("#buckets tbody tr").count() == 6
    assert page.locator("#buckets tbody tr").first.inner_text().split("\t") == [
        "2026-03-20",
        "107",
        "24",
        "22.43 %",
        "62",
    ]
    page.select_option("#by", "hour")
    page.locator("#item[data-drawn*=hour]").wait_for()
    assert page.locator("#buckets tbody tr").count() == 6 * 24
    page.select_option("#period", "7")
    page.locator("#item[data-drawn$='/7']").wait_for()


@pytest.mark.parametrize(("item", "mark"), [("pl1", "area"), ("new", "rect")])
def test_few_values_are_bars(page, full, item, mark):
    """A line through one value would be nothing at all."""
    open_item(page, (full.reports / "placements.html").as_uri(), item)
    for measure in page.locator("#item .drawn").all():
        drawn = measure.locator(f"g.mark-{mark}.role-mark path").first
        box = drawn.bounding_box()
        assert box
        assert box["width"] > 20
        assert box["height"] > 5


def test_an_item_that_is_no_longer_there_is_said_to_be(chromium, full):
    page = chromium.new_page()
    page.goto((full.reports / "placements.html").as_uri() + "#" + "0" * 20)
    page.wait_for_selector("#problem:visible")
    assert "no longer among those shown" in page.locator("#problem").inner_text()
    page.close()


def test_hovering_tells_the_value(page, full):
    open_item(page, (full.reports / "placements.html").as_uri(), "pl1")
    chart = page.locator(".drawn[data-measure=views] svg")
    box = chart.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.7)
    page.wait_for_selector("#vg-tooltip-element.visible")
    assert re.search(r"UTC\W+2026-03-\d\d", page.locator("#vg-tooltip-element").inner_text())


def test_a_table_sorts_by_the_values_and_not_the_letters(page, full):
    open_item(page, (full.reports / "placements.html").as_uri(), "pl1")
    head = page.locator("#buckets th:nth-child(2)")
    cells = page.locator("#buckets tbody td:nth-child(2)")
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert cells.all_inner_texts() == ["107", *["48"] * 5]
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert cells.all_inner_texts() == [*["48"] * 5, "107"]


def test_a_table_filters(page, full):
    open_item(page, (full.reports / "pages.html").as_uri(), "page of pl1", "page")
    page.select_option("#by", "hour")
    page.locator("#item[data-drawn*=hour]").wait_for()
    page.locator("#buckets input").fill("2026-03-20 1")
    assert page.locator("#buckets tbody tr:visible").count() == 10
    assert page.locator("#buckets [role=status]").inner_text() == f"10 of {6 * 24} rows"


def test_a_table_downloads_as_csv(page, full):
    page.goto((full.reports / "placements.html").as_uri())
    with page.expect_download() as waited:
        page.locator("#all button", has_text="Download CSV").click()
    assert waited.value.suggested_filename == "placements.csv"
    rows = list(csv.reader(io.StringIO(waited.value.path().read_text("utf-8-sig"))))
    assert rows[0][:3] == ["#", "Placement", "Views, 7 days"]
    assert {row[1] for row in rows[1:]} == {"pl1", "pl2", "pl3", "new"}


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1+1", "'+1+1"),
        ("-1+1", "'-1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" =1", "' =1"),
        ("\t=1", "'\t=1"),
        ("\uff1d1", "'\uff1d1"),
        ('=HYPERLINK("x")', '\'=HYPERLINK("x")'),
        ("-12.5", "-12.5"),
        ("1e-5", "1e-5"),
        ('a,b;"c"\nd', 'a,b;"c"\nd'),
        ("plain", "plain"),
    ],
)
def test_a_spreadsheet_finds_no_formula(page, full, value, cell):
    """What Python's own reader takes back from the cell."""
    page.goto((full.reports / "placements.html").as_uri())
    written = page.evaluate("text => report.csvCell(text)", value)
    assert list(csv.reader(io.StringIO(written, newline=""))) == [[cell]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_is_readable_on_a_phone_and_in_the_dark(chromium, full, width, scheme):
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    for name in PAGES:
        page.goto((full.reports / name).as_uri())
        if name == "placements.html":
            open_item(page, (full.reports / name).as_uri(), "pl1")
        assert page.evaluate(CONTRAST) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    shade = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (shade == "rgb(244, 246, 248)") == (scheme == "light")
    context.close()


@pytest.mark.parametrize(
    ("days", "says"),
    [
        (0, ""),
        (1, "This report was written 1 day ago: it says what was so then."),
        (3, "This report was written 3 days ago: it says what was so then."),
    ],
)
def test_an_old_report_says_so(page, full, days, says):
    page.clock.set_fixed_time(datetime.now(UTC) + timedelta(days=days, hours=1))
    page.goto((full.reports / "index.html").as_uri())
    assert page.locator(".old:visible").all_inner_texts() == ([says] if says else [])
    assert page.evaluate(CONTRAST) == []


def test_it_is_dark_on_white_in_print(page, full):
    page.emulate_media(media="print", color_scheme="dark")
    page.goto((full.reports / "index.html").as_uri())
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("nav").first.is_visible()
    assert page.locator("svg.chart:visible").count() == 5


def test_it_is_read_without_a_script(chromium, full):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((full.reports / "index.html").as_uri())
    assert page.locator("svg.chart:visible").count() == 5
    assert page.locator("table:visible").count() >= 4
    page.goto((full.reports / "placements.html").as_uri())
    assert page.locator("noscript").count() == 1
    context.close()


def test_everything_is_reached_by_the_keyboard(page, full):
    page.goto((full.reports / "index.html").as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "document.activeElement.tagName + ' ' + (document.activeElement.className || '')"
            ).strip()
        )
    assert {"A", "BUTTON", "SUMMARY"} <= reached
    assert any(name.startswith("DIV scroll") for name in reached)


@pytest.mark.parametrize("name", PAGES)
def test_a_screen_reader_finds_names(page, full, name):
    page.goto((full.reports / name).as_uri())
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.locator("main").count() == 1
    nameless = {
        "table": "table => !table.caption && !table.closest('.docs')",
        "svg:not([aria-hidden])": "svg => !svg.getAttribute('aria-label')",
        "input, select": "field => !field.labels.length && !field.ariaLabel",
    }
    for chosen, test in nameless.items():
        found = page.evaluate(f"[...document.querySelectorAll({chosen!r})].filter({test}).length")
        assert found == 0, chosen
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map(h => Number(h.tagName[1]))")
    assert all(below <= above + 1 for above, below in itertools.pairwise(levels))
