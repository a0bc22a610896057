"""How many entries that are taken out of a list of scenes the model of expected acquisitions reports, and how often it
reports others: on the simulated archives, on a made list of 2025 and 2026, and on real lists.

    MMVSF_REAL_DATA=... python -m tests.expected

Real lists have gaps of their own. They are counted as false alarms where they are reported, though the satellites did
acquire most of them. Two rates: of the acquisitions in reports that contain nothing that was taken out, and of all
reported acquisitions that were not taken out (a gap of a month contains days that were missing before). Both are parts
of the acquisitions expected. The lists of HLS in parquet are read where duckdb is installed.
"""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mmvsf.datasets.cube.calendar import date_of, day_number
from mmvsf.pipeline.layers.imagery.expected import Listed, compare
from mmvsf.pipeline.layers.imagery.products import product_named

from .scene_lists import SENTINEL_2, SceneList, made, real, simulated

TODAY = date(2027, 6, 1)
LARGE = 5
Entries = frozenset[Listed]
Removal = tuple[list[Entries], "SceneList"]
"""Gaps to make, and the list they are made in"""


@dataclass
class Tally:
    """Counts over the trials of one scenario."""

    removed: int = 0
    found: int = 0
    gaps: int = 0
    gaps_found: int = 0
    """with at least half of their entries reported"""
    expected: int = 0
    false: int = 0
    """reported, and not taken out"""
    alone: int = 0
    """of these, in reports without anything that was taken out"""
    reports: int = 0
    false_reports: int = 0

    def add(self, other: Tally) -> None:
        for name, count in vars(other).items():
            setattr(self, name, getattr(self, name) + count)


def trial(scenes: SceneList, gaps: Iterable[Entries]) -> Tally:
    """Take the gaps out of a list, compare, and count."""
    gaps = [gap for gap in gaps if gap]
    removed = frozenset().union(*gaps)
    left = [entry for entry in scenes.entries if entry not in removed]
    answer = compare(left, scenes.products, scenes.days, TODAY)
    reports = [
        frozenset(entry for entry in removed if (entry.product, entry.tile) == (gap.product, gap.tile))
        if gap.whole
        else frozenset(Listed(gap.product, gap.tile, day) for day in gap.run.days)
        for gap in answer.gaps
    ]
    reported = frozenset().union(*reports)
    return Tally(
        removed=len(removed),
        found=len(removed & reported),
        gaps=len(gaps),
        gaps_found=sum(2 * len(gap & reported) >= len(gap) for gap in gaps),
        expected=answer.expected,
        false=len(reported - removed),
        alone=sum(len(report) for report in reports if not report & removed),
        reports=len(reports),
        false_reports=sum(not report & removed for report in reports),
    )


# ------------------------------------------------------------------- scenarios


def nothing(scenes: SceneList, rng: random.Random) -> Iterator[Removal]:
    yield [], scenes


def single(scenes: SceneList, rng: random.Random) -> Iterator[Removal]:
    for entry in rng.sample(sorted(scenes.scheduled), min(100, len(scenes.scheduled))):
        yield [frozenset([entry])], scenes


def single_of_full_track(scenes: SceneList, rng: random.Random) -> Iterator[Removal]:
    """One entry of a track of which at most 1 % of the days are missing."""
    full = sorted(full_tracks(scenes))
    for entry in rng.sample(full, min(100, len(full))):
        yield [frozenset([entry])], scenes


def full_tracks(scenes: SceneList) -> Iterator[Listed]:
    """The entries of the satellites' tracks that have next to no gaps in a list."""
    tracks: dict[tuple[str, str, int], set[Listed]] = defaultdict(set)
    for entry in scenes.scheduled:
        cycle = 2 * product_named(entry.product).constellation.repeat_days
        tracks[entry.product, entry.tile, entry.day % cycle].add(entry)
    for (product, _, phase), entries in tracks.items():
        cycle = 2 * product_named(product).constellation.repeat_days
        first, last = (end(entry.day for entry in entries) for end in (min, max))
        flown = [day for day in scenes.days if first <= day <= last and day % cycle == phase]
        if len(entries) >= 0.99 * len(flown) and len(entries) >= 10:
            yield from entries


def scattered(scenes: SceneList, rng: random.Random) -> Iterator[Removal]:
    for _ in range(20):
        chosen = rng.sample(sorted(scenes.scheduled), max(1, len(scenes.scheduled) // 100))
        yield [frozenset([entry]) for entry in chosen], scenes


def month(scenes: SceneList, rng: random.Random) -> Iterator[Removal]:
    """A month of a product that has at least LARGE entries in each tile."""
    return (removal for removal in any_month(scenes, rng) if min(map(len, removal[0])) >= LARGE)


def short_month(scenes: SceneList, rng: random.Random) -> Iterator[Removal]:
    """A month with fewer entries in some tile."""
    return (removal for removal in any_month(scenes, rng) if min(map(len, removal[0])) < LARGE)


def any_month(scenes: SceneList, rng: random.Random) -> Iterator[Removal]:
    months: dict[tuple[str, int, int], set[Listed]] = defaultdict(set)
    for entry in scenes.scheduled:
        day = date_of(entry.day)
        months[entry.product, day.year, day.month].add(entry)
    for key in rng.sample(sorted(months), min(80, len(months))):
        yield by_tile(months[key]), scenes


def satellite(scenes: SceneList, rng: random.Random) -> Iterator[Removal]:
    """Of each track the half of its days that one satellite flies, since there are two."""
    for product in scenes.products:
        constellation = product_named(product).constellation
        if constellation.service is None:
            continue
        pair, repeat = day_number(constellation.service.pair), constellation.repeat_days
        flown = [entry for entry in scenes.scheduled if entry.product == product and entry.day >= pair]
        for half in (0, 1):
            gaps = by_tile(entry for entry in flown if entry.day // repeat % 2 == half)
            if gaps:
                yield gaps, scenes


def tile(scenes: SceneList, rng: random.Random) -> Iterator[Removal]:
    places = sorted({(entry.product, entry.tile) for entry in scenes.scheduled})
    if len({name for _, name in places}) > 1:
        for place in places:
            yield [frozenset(entry for entry in scenes.scheduled if (entry.product, entry.tile) == place)], scenes


def end_of_season(scenes: SceneList, rng: random.Random) -> Iterator[Removal]:
    """From 16, 17 or 18 June of a year on, all that is of Sentinel-2."""
    for year in sorted({date_of(entry.day).year for entry in scenes.scheduled}):
        last = day_number(date(year, 12, 31))
        until = scenes.until(last)
        for day in (16, 17, 18):
            cut = day_number(date(year, 6, day))
            gaps = by_tile(entry for entry in until.scheduled if entry.product in SENTINEL_2 and entry.day >= cut)
            if gaps:
                yield gaps, until


SCENARIOS: dict[str, Callable[[SceneList, random.Random], Iterator[Removal]]] = {
    "nothing": nothing,
    "one entry": single,
    "one entry of a full track": single_of_full_track,
    "1 % of all entries": scattered,
    "a month of a product, 5 or more a tile": month,
    "a month of a product, fewer": short_month,
    "one satellite": satellite,
    "one tile of a product": tile,
    "Sentinel-2 from 16 to 18 June on": end_of_season,
}


def by_tile(entries: Iterable[Listed]) -> list[Entries]:
    gaps: dict[tuple[str, str], set[Listed]] = defaultdict(set)
    for entry in entries:
        gaps[entry.product, entry.tile].add(entry)
    return [frozenset(gap) for gap in gaps.values()]


def measure(scenes: SceneList, scenario: str) -> Tally:
    """All trials of a scenario."""
    total = Tally()
    for gaps, within in SCENARIOS[scenario](scenes, random.Random(f"{scenes.name} {scenario}")):
        total.add(trial(within, gaps))
    return total


def percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}" if whole else "-"


def main() -> None:
    kinds = {"simulated": [simulated("sandbox"), simulated("sandbox-southern")], "made": [made()]}
    if folder := os.environ.get("MMVSF_REAL_DATA"):
        kinds["real"] = list(real(Path(folder)))
    print("| list | entries | taken out | acquisitions | found % | gaps | found % | false % | of these alone % |")
    print("|---|---|---|---|---|---|---|---|---|")
    for kind, lists in kinds.items():
        totals: dict[str, Tally] = defaultdict(Tally)
        for scenes in lists:
            for scenario in SCENARIOS:
                tally = measure(scenes, scenario)
                totals[scenario].add(tally)
                totals["everything above"].add(tally)
                if scenario == "nothing":
                    row(scenes.name, len(scenes.entries), scenario, tally)
        for scenario in (*SCENARIOS, "everything above"):
            tally = totals[scenario]
            row(f"all {kind}", sum(len(scenes.entries) for scenes in lists), scenario, tally)


def row(name: str, entries: int, scenario: str, tally: Tally) -> None:
    """Print one line of the table."""
    cells = (
        name, entries, scenario, tally.removed, percent(tally.found, tally.removed), tally.gaps,
        percent(tally.gaps_found, tally.gaps), percent(tally.false, tally.expected),
        percent(tally.alone, tally.expected),
    )  # fmt: skip
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
