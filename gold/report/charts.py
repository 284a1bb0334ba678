"""What a chart shows, as Vega-Lite: drawn here for the static pages, in the browser for one item.

Colours are variables of the style sheet, so a chart follows light, dark and print without being drawn again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import polars as pl
import vl_convert
from markupsafe import Markup

VEGA_LITE = "6.4"
WIDE, MIDDLE, NARROW = 1040, 504, 310
Spec = dict[str, Any]

INK, MUTED, GRID, PAPER = "var(--ink)", "var(--muted)", "var(--line)", "var(--paper)"
VIEWS, CLICKS, RATE, USERS = "var(--views)", "var(--clicks)", "var(--rate)", "var(--users)"
WARN = "var(--bad)"

CONFIG: Spec = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED,
        "titleColor": MUTED,
        "gridColor": GRID,
        "domain": False,
        "ticks": False,
        "labelFontSize": 11,
        "labelPadding": 6,
        "titleFontWeight": "normal",
    },
    "axisX": {"grid": False},
    "header": {"labelColor": INK, "labelFontSize": 12, "labelAnchor": "start", "title": None},
    "legend": {
        "labelColor": INK,
        "titleColor": MUTED,
        "orient": "top",
        "title": None,
        "symbolStrokeColor": INK,
    },
}


def svg(spec: Spec, label: str, kind: str = "") -> Markup:
    """The chart as an SVG element named for those who do not see it; a table beside it says the rest."""
    drawn = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE, allowed_base_urls=[])
    named = Markup('<svg role="img" class="chart {}" aria-label="{}"').format(kind, label)
    # The library's own text is escaped by it; nothing but its first tag is changed.
    return named + Markup(drawn.removeprefix("<svg").replace(' class="marks"', "", 1))  # noqa: S704


def decoration(spec: Spec) -> Markup:
    """A chart that only repeats what stands beside it: not read out."""
    drawn = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE, allowed_base_urls=[])
    opening = '<svg aria-hidden="true" class="spark"'
    return Markup(opening + drawn.removeprefix("<svg").replace(' class="marks"', "", 1))  # noqa: S704


def both_widths(make: Callable[[int], Spec], label: str, wide: int = WIDE) -> Markup:
    """The same chart for a wide and for a narrow screen: scaling one would make its letters unreadable."""
    return svg(make(wide), label, "wide") + svg(make(NARROW), label, "narrow")


def script() -> str:
    """The library itself, for pages that draw in the browser."""
    bundle: str = vl_convert.javascript_bundle(vl_version=VEGA_LITE)  # type: ignore[call-arg]
    return bundle


def _spec(rows: Sequence[Mapping[str, Any]], width: int | str, height: int, **parts: Any) -> Spec:
    return {
        "data": {"values": [dict(row) for row in rows]},
        "width": width,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "padding": 2,
        "config": CONFIG,
        **parts,
    }


_LABELS = {
    "day": "utcFormat(datum.value, '%-d %b')",
    "hour": "utcFormat(datum.value, utchours(datum.value) ? '%H:%M' : '%-d %b')",
}
_SHORTEST_STEP = {"day": 86_400_000, "hour": 3_600_000}


def _time(field: str, width: int | str, unit: str) -> Spec:
    axis = {
        "title": None,
        "labelExpr": _LABELS[unit],
        "labelOverlap": "greedy",
        "labelSeparation": 10,
        "tickCount": 4 if width == NARROW else 8,
        "tickMinStep": _SHORTEST_STEP[unit],
    }
    return {"field": field, "type": "temporal", "scale": {"type": "utc"}, "axis": axis}


def _amount(field: str) -> Spec:
    small, usual = "format(datum.value, '.2~f')", "format(datum.value, '~s')"
    label = f"datum.value == 0 ? '0' : datum.value < 1 ? {small} : {usual}"
    axis = {"title": None, "labelExpr": label, "tickCount": 4}
    return {"field": field, "type": "quantitative", "scale": {"zero": True, "nice": True}, "axis": axis}


def _share(field: str, least: float = 0.0) -> Spec:
    """A share from `least` to all, or with `least` 0 to what is there."""
    scale = {"domain": [least, 1.0], "nice": False} if least else {"zero": True}
    return {
        "field": field,
        "type": "quantitative",
        "scale": scale,
        "axis": {"title": None, "format": "~%", "tickCount": 4},
    }


def rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows for a chart: instants and days as ISO text in UTC."""
    clocks = {pl.Datetime: "%Y-%m-%dT%H:%M:%SZ", pl.Date: "%Y-%m-%dT00:00:00Z"}
    kinds = {name: clocks.get(kind.base_type()) for name, kind in frame.schema.items()}
    texts = [pl.col(name).dt.strftime(clock) for name, clock in kinds.items() if clock]
    return frame.with_columns(texts).to_dicts()


FEW = 3
"""So many values or fewer are drawn as bars: a line would say little, and of one value nothing."""


def series(frame: pl.DataFrame, at: str, what: str, colour: str, width: int) -> Spec:
    """One measure over time, where it is known."""
    known = frame.select(at, what).filter(pl.col(what).is_not_null())
    return _spec(rows(known), width, 150, **_measure(at, what, colour, width, few=known.height <= FEW))


def _measure(at: str, what: str, colour: str, width: int | str, *, few: bool) -> Spec:
    if few:
        label = _LABELS[at].replace("datum.value", "toDate(datum.value)")
        axis = {"title": None, "labelExpr": label, "labelAngle": 0}
        x: Spec = {"field": at, "type": "ordinal", "axis": axis}
        return {
            "mark": {"type": "bar", "color": colour, "width": 36},
            "encoding": {"x": x, "y": _amount(what)},
        }
    line = {"color": colour, "strokeWidth": 1.8}
    mark = {"type": "area", "line": line, "color": colour, "fillOpacity": 0.12}
    return {"mark": mark, "encoding": {"x": _time(at, width, at), "y": _amount(what)}}


def beside_usual(frame: pl.DataFrame, width: int) -> Spec:
    """Events an hour as a line, the usual range as a band, unusual hours as points."""
    at = _time("hour", width, "hour")
    band = {
        "mark": {"type": "area", "color": MUTED, "opacity": 0.16},
        "transform": [
            {"filter": "datum.usual != null"},
            {"calculate": "datum.usual / 2", "as": "low"},
            {"calculate": "datum.usual * 2", "as": "high"},
        ],
        "encoding": {"x": at, "y": _amount("low"), "y2": {"field": "high"}},
    }
    usual = {
        "mark": {"type": "line", "color": MUTED, "strokeDash": [3, 3], "strokeWidth": 1.2},
        "transform": [{"filter": "datum.usual != null"}],
        "encoding": {"x": at, "y": _amount("usual")},
    }
    line = {
        "mark": {"type": "line", "color": VIEWS, "strokeWidth": 1.8},
        "encoding": {"x": at, "y": _amount("events")},
    }
    odd = {
        "mark": {"type": "point", "filled": True, "color": WARN, "size": 55, "opacity": 1},
        "transform": [{"filter": "datum.unusual"}],
        "encoding": {"x": at, "y": _amount("events")},
    }
    return _spec(rows(frame), width, 220, layer=[band, usual, line, odd])


def rule(frame: pl.DataFrame) -> Spec:
    """One rule's pass share over time, and the share it must reach."""
    least = min([1.0, *frame["share"].to_list(), *frame["threshold"].to_list()])
    share = _share("share", max(0.001, least - 0.02))
    span = frame["at"].max() - frame["at"].min()  # type: ignore[operator]
    at = _time("at", NARROW, "day" if span > timedelta(days=3) else "hour")  # type: ignore[operator]
    line = {
        "mark": {"type": "line", "color": VIEWS, "point": {"color": VIEWS, "size": 16}, "strokeWidth": 1.6},
        "encoding": {"x": at, "y": share},
    }
    limit = {
        "mark": {"type": "rule", "color": WARN, "strokeDash": [4, 3]},
        "encoding": {"y": {**share, "field": "threshold"}},
        "transform": [{"aggregate": [{"op": "max", "field": "threshold", "as": "threshold"}]}],
    }
    return _spec(rows(frame), NARROW, 110, layer=[limit, line])


def spark(values: Sequence[int]) -> Spec:
    """A line small enough to stand in a table."""
    points = [{"at": place, "views": value} for place, value in enumerate(values)]
    bare = {"axis": None, "scale": {"zero": True}}
    encoding = {
        "x": {"field": "at", "type": "quantitative", "axis": None, "scale": {"zero": False, "nice": False}},
        "y": {"field": "views", "type": "quantitative", **bare},
    }
    mark = {"type": "line", "color": VIEWS, "strokeWidth": 1.6}
    return _spec(points, 96, 24, mark=mark, encoding=encoding)


def shares(frame: pl.DataFrame, at: str, columns: Mapping[str, str], width: int) -> Spec:
    """Shares over time, one line per column; `columns` names them as a person would."""
    long = frame.select(at, *columns).unpivot(index=at, variable_name="what", value_name="share").drop_nulls()
    long = long.with_columns(pl.col("what").replace_strict(columns, default=None))
    names, colours = list(columns.values()), [VIEWS, CLICKS, USERS][: len(columns)]
    encoding = {
        "x": _time(at, width, "day"),
        "y": _share("share"),
        "color": {"field": "what", "type": "nominal", "scale": {"domain": names, "range": colours}},
        "shape": {"field": "what", "type": "nominal", "scale": {"domain": names}},
    }
    mark = {"type": "line", "point": {"size": 28}, "strokeWidth": 1.6}
    return _spec(rows(long), width, 180, mark=mark, encoding=encoding)


def in_browser(at: str, what: str, colour: str, title: str, *, few: bool) -> Spec:
    """One measure of one item over time, without data: the page puts that in; hovering tells the value."""
    moment = {"timeUnit": "utcyearmonthdatehours", "format": "%Y-%m-%d %H:%M", "title": "UTC"}
    shown = [
        {"field": at, "type": "temporal", **moment},
        {"field": what, "type": "quantitative", "format": ",", "title": title},
    ]
    spec = _spec([], "container", 170, **_measure(at, what, colour, "container", few=few))
    spec["encoding"]["tooltip"] = shown
    return spec
