"""What is delivered looks like a site's traffic, in the shares that were asked for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from conf.home import Home
from generator import generate
from generator.draw import draw
from generator.order import events_by_hour
from generator.world import Purpose, build, random

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def hour_of(file_name):
    return datetime.strptime(file_name[7:20], "%Y-%m-%d-%H").replace(tzinfo=UTC).timestamp()


@pytest.fixture(scope="module")
def busy_home(tmp_path_factory, order):
    """Two hundred thousand events over two days."""
    home = Home(tmp_path_factory.mktemp("busy"))
    generate(order(events=200_000, hours=48), home)
    return home


@pytest.fixture(scope="module")
def events(busy_home):
    """The distinct ones."""
    return pl.read_parquet(busy_home.answers / ".events" / "*.parquet")


def test_shares(give, home, read):
    delivered = give(events=20_000, hours=20, duplicates=0.03, late=0.04, malformed=0.02)
    found = read(home.landing)
    first_file: dict[tuple[object, ...], str] = {}
    for name, event in found.valid:
        first_file.setdefault(event, name)
    late = sum(
        event[0] >= hour_of(name) + 3600 or event[0] < hour_of(name) for event, name in first_file.items()
    )
    assert len(found.valid) - len(found.events) == pytest.approx(20_000 * 0.03, abs=10)
    assert late == pytest.approx(20_000 * 0.04, abs=10)
    assert found.refused == 20_000 * 0.02
    assert (delivered.late, delivered.malformed, delivered.files) == (800, 400, 20)


def test_no_event_comes_before_it_happened(give, home, read, order):
    give(late=0.3, duplicates=0.3)
    give(late=0.3, duplicates=0.3, start=order().start + timedelta(hours=10))
    early = [name for name, event in read(home.landing).valid if event[0] >= hour_of(name) + 3600]
    assert early == []


def test_duplicates_stand_within_and_across_files(give, home, read):
    give(duplicates=0.2, late=0)
    files: dict[tuple[object, ...], list[str]] = {}
    for name, event in read(home.landing).valid:
        files.setdefault(event, []).append(name)
    repeated = [names for names in files.values() if len(names) > 1]
    within = [names for names in repeated if len(set(names)) == 1]
    assert 0.4 * len(repeated) < len(within) < 0.8 * len(repeated)


def test_a_file_is_in_order_of_time_but_for_stragglers(give, home, read):
    give(events=5000, hours=1)
    seconds = np.array([event[0] for _, event in read(home.landing).valid])
    assert np.diff(seconds).min() > -60
    assert (np.diff(seconds) < 0).any()


def test_late_by_an_hour_or_a_day(give, home, read):
    give(events=5000, hours=60, late=0.5, duplicates=0)
    late = np.array([hour_of(name) - event[0] for name, event in read(home.landing).valid]) / 3600
    late = late[late > 0]
    assert np.median(late) < 2
    assert (late > 24).mean() == pytest.approx(0.01, abs=0.01)


def test_click_follows_a_view_within_a_minute(events):
    where = ["banner_id", "placement_id", "page_id", "user_id"]
    views = events.filter(pl.col("event_type") == 0).sort("timestamp").with_columns(seen="timestamp")
    clicks = events.filter(pl.col("event_type") == 1).sort("timestamp")
    wait = clicks.join_asof(
        views, on="timestamp", by=where, strategy="backward", check_sortedness=False
    ).select(pl.col("timestamp") - pl.col("seen"))["timestamp"]
    assert len(wait) > 500
    assert wait.null_count() == 0
    assert wait.is_between(0, 60).all()
    assert 4 < wait.mean() < 14


@pytest.mark.parametrize("count", [1, 2, 50, 300_000])
def test_drawn_to_the_event_and_within_the_hour(count):
    """A seed per draw, so that some small draws end on a click that would be one too many."""
    site, hour = build(7), int(MONDAY.timestamp())
    often = replace(site, ctr=np.full_like(site.ctr, 0.5))
    for seed in range(20 if count < 100 else 1):
        drawn = draw(random(seed, Purpose.EVENTS), often, np.full(count, hour))
        assert len(drawn) == count
        assert drawn["timestamp"].is_between(hour, hour + 3599).all()


def test_kept_user_ids_are_the_delivered_ones(give, home, read):
    give()
    kept = pl.read_parquet(home.answers / ".events" / "*.parquet")["user_id"]
    assert {f"{number:016x}" for number in kept} == {event[5] for event in read(home.landing).events}


def test_click_through_rates(events):
    ctr = build(7).ctr
    assert [float(ctr.min()), float(ctr.max())] == pytest.approx([0.0005, 0.02])
    clicked = pl.col("event_type") == 1
    by_placement = events.group_by("placement_id").agg(
        rate=clicked.sum() / (~clicked).sum(), views=(~clicked).sum()
    )
    busy = by_placement.filter(pl.col("views") > 3000)["rate"]
    assert len(busy) > 20
    assert busy.is_between(0.0005, 0.02).all()
    assert busy.max() > 2 * busy.min()


def test_some_pages_are_read_far_more_than_others(events):
    views = events["page_id"].value_counts(sort=True)["count"]
    assert views[0] > 20 * views[len(views) // 2]
    assert views[:150].sum() > 0.4 * views.sum()


def test_users_come_back(events):
    days = events.group_by("user_id").agg(days=(pl.col("timestamp") // 86_400).n_unique(), views=pl.len())
    came_back = days.filter(pl.col("days") > 1)
    assert 0.15 < came_back["views"].sum() / days["views"].sum() < 0.9
    assert days["views"].max() > 5 * days["views"].mean()
    assert days["views"].median() > 1


def test_day_and_week_have_a_rhythm(order):
    week = events_by_hour(order(start=MONDAY, hours=7 * 24), 1_000_000).reshape(7, 24)
    assert week.sum() == 1_000_000
    assert (week[:, 20] > 6 * week[:, 3]).all()
    saturday, wednesday = week[5].sum(), week[2].sum()
    assert 0.7 * wednesday < saturday < 0.9 * wednesday


def test_world_says_what_every_id_is(busy_home, events):
    world = {
        name: pl.read_parquet(busy_home.world / f"{name}.parquet")
        for name in ("pages", "placements", "banners")
    }
    for name, ids in (("pages", "page_id"), ("placements", "placement_id"), ("banners", "banner_id")):
        assert set(events[ids].cast(pl.String)) <= set(world[name][ids])
        assert world[name][ids].is_unique().all()
    assert world["pages"].columns == ["seed", "page_id", "url", "section", "title"]
    assert world["placements"].columns == ["seed", "placement_id", "section", "slot"]
    assert world["banners"].columns == ["seed", "banner_id", "campaign", "advertiser"]


def test_world_keeps_every_seed(give, home, order):
    give()
    first = pl.read_parquet(home.world / "pages.parquet")
    give(start=order().start + timedelta(hours=10))
    assert pl.read_parquet(home.world / "pages.parquet").equals(first)
    give(seed=8)
    both = pl.read_parquet(home.world / "pages.parquet")
    assert both.filter(pl.col("seed") == 7).equals(first)
    assert both["page_id"].is_unique().all()
