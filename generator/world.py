"""The site the events happen on: pages, placements, banners, and how often each meets the others.

A function of the seed alone, so that later orders of the same seed find the same ids.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import polars as pl
from faker import Faker

SECTIONS = ("home", "news", "sport", "business", "culture", "travel", "science", "food", "cars", "weather")
SLOTS = {"top-1": 30, "top-2": 18, "side-1": 20, "side-2": 12, "inline-1": 25, "inline-2": 14, "bottom-1": 7}
"""The slots of a section's layout, and how often each scrolls into view."""

PAGES = 1500
CAMPAIGNS = 120
ADVERTISERS = 40
BANNERS = 600
BOOKED = 25
"""Banners that rotate in one placement."""

LOWEST_CTR, HIGHEST_CTR = 0.0005, 0.02


@dataclass(frozen=True)
class World:
    """`meetings` has one row per banner, placement and page that occur together; events name its rows.

    `threshold` and `other` are Walker's alias table over the meetings' weights; `user_key` sets the
    cookie ids of this world apart from another's.
    """

    pages: pl.DataFrame
    placements: pl.DataFrame
    banners: pl.DataFrame
    meetings: pl.DataFrame
    ctr: npt.NDArray[np.float32]
    threshold: npt.NDArray[np.uint32]
    other: npt.NDArray[np.int32]
    user_key: int


class Purpose(IntEnum):
    """What random draws are for."""

    WORLD = 0
    EVENTS = 1
    EARLIER = 2
    DELIVERY = 3
    WRITING = 4


def random(seed: int, purpose: Purpose, hour: int = 0) -> np.random.Generator:
    """Draws for one purpose and hour: what one takes never shifts what another sees."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(purpose, hour))))


@functools.lru_cache(maxsize=4)
def build(seed: int) -> World:
    """The world of a seed."""
    fake = Faker("en_US")
    fake.seed_instance(seed)
    rng = random(seed, Purpose.WORLD)
    pages, placements, banners = _pages(fake, rng), _placements(), _banners(fake)
    meetings = _meetings(rng, pages, placements)
    weights = meetings["weight"].to_numpy()
    threshold, other = _alias(weights)
    return World(
        pages=pages.select("page_id", "url", "section", "title"),
        placements=placements.select("placement_id", "section", "slot"),
        banners=banners,
        meetings=_named(meetings, pages, placements, banners),
        ctr=_click_through(rng, meetings, len(placements)),
        threshold=threshold,
        other=other,
        user_key=int(rng.integers(2**63)),
    )


def _pages(fake: Faker, rng: np.random.Generator) -> pl.DataFrame:
    site = fake.domain_name()
    sections = rng.integers(1, len(SECTIONS), PAGES)
    rows = [("home", f"https://www.{site}/", site)]
    for number in sections[1:]:
        title = fake.sentence(nb_words=6).rstrip(".")
        slug = "-".join(title.lower().split())
        rows.append((SECTIONS[number], f"https://www.{site}/{SECTIONS[number]}/{slug}-{len(rows)}", title))
    pages = pl.DataFrame(rows, schema=["section", "url", "title"], orient="row")
    ids = ["p-" + hashlib.sha256(url.encode()).hexdigest()[:10] for url in pages["url"]]
    return pages.with_columns(page_id=pl.Series(ids), weight=1 / (1.5 + np.arange(PAGES)) ** 0.9)


def _placements() -> pl.DataFrame:
    rows = [
        (f"{section}-{slot}", section, slot, seen) for section in SECTIONS for slot, seen in SLOTS.items()
    ]
    return pl.DataFrame(rows, schema=["placement_id", "section", "slot", "seen"], orient="row")


def _banners(fake: Faker) -> pl.DataFrame:
    advertisers = [fake.company() for _ in range(ADVERTISERS)]
    campaigns = [(fake.catch_phrase(), advertisers[n % ADVERTISERS]) for n in range(CAMPAIGNS)]
    rows = [(f"b-{n + 1:06d}", *campaigns[n % CAMPAIGNS]) for n in range(BANNERS)]
    return pl.DataFrame(rows, schema=["banner_id", "campaign", "advertiser"], orient="row")


def _meetings(rng: np.random.Generator, pages: pl.DataFrame, placements: pl.DataFrame) -> pl.DataFrame:
    """Every placement of a page's section, each with the banners booked there, as row numbers."""
    booked = np.stack([rng.permutation(BANNERS)[:BOOKED] for _ in range(len(placements))])
    bookings = pl.DataFrame(
        {
            "placement": np.repeat(np.arange(len(placements)), BOOKED),
            "banner": booked.ravel(),
            "share": np.tile(1 / (1 + np.arange(BOOKED)) ** 0.7, len(placements)),
        }
    )
    return (
        pages.with_row_index("page")
        .join(placements.with_row_index("placement"), on="section", how="inner", maintain_order="left_right")
        .with_columns(pl.col("placement").cast(pl.Int64))
        .join(bookings, on="placement", how="inner", maintain_order="left_right")
        .select("page", "placement", "banner", weight=pl.col("weight") * pl.col("seen") * pl.col("share"))
    )


def _named(
    meetings: pl.DataFrame, pages: pl.DataFrame, placements: pl.DataFrame, banners: pl.DataFrame
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "banner_id": banners["banner_id"].gather(meetings["banner"]),
            "placement_id": placements["placement_id"].gather(meetings["placement"]),
            "page_id": pages["page_id"].gather(meetings["page"]),
        }
    )


def _click_through(
    rng: np.random.Generator, meetings: pl.DataFrame, placements: int
) -> npt.NDArray[np.float32]:
    banner = 0.004 * rng.lognormal(0, 0.7, BANNERS)
    placement = rng.lognormal(0, 0.4, placements)
    rate = banner[meetings["banner"].to_numpy()] * placement[meetings["placement"].to_numpy()]
    return np.asarray(np.clip(rate, LOWEST_CTR, HIGHEST_CTR), dtype=np.float32)


def _alias(weights: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int32]]:
    """Walker's table: one uniform slot, kept when a uniform draw is below its threshold, else the other."""
    fill = (weights / weights.sum() * len(weights)).tolist()
    other = list(range(len(fill)))
    small = [n for n, share in enumerate(fill) if share < 1]
    large = [n for n, share in enumerate(fill) if share >= 1]
    while small and large:
        poor, rich = small.pop(), large[-1]
        other[poor] = rich
        fill[rich] -= 1 - fill[poor]
        if fill[rich] < 1:
            small.append(large.pop())
    threshold = np.clip(np.array(fill) * 2**32, 0, 2**32 - 1).astype(np.uint32)
    return threshold, np.array(other, dtype=np.int32)
