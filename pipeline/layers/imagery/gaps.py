"""Which acquisitions are missing from a list for a reason other than chance.

Real catalogues have gaps: scenes that were never processed, safe modes, passes that only graze a tile. Each track of a
tile tells by its other gaps how common they are, and only what is too unlikely under that rate is reported.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from math import prod
from statistics import median_low
from typing import NamedTuple

LEAST_LIKELY_RUN = 0.002
"""Acquisitions that are missing in a row are reported where chance would leave out all of them less often than that."""

LEAST_LIKELY_SINGLE = 0.02
"""A single missing acquisition is reported where fewer than that of the others on its track are missing."""

AFTER_A_GAP = 0.3
"""Chance that an acquisition is missing after another that is, at least: bad weather lasts. In real lists of HLS scenes
it is up to 0.3 (`python -m tests.expected`)."""

USUAL_WEIGHT = 100
"""Acquisitions that the usual gap rate of a product counts for beside those of a track."""


class Slot(NamedTuple):
    """An acquisition that a tile should have."""

    day: int
    """since 1970-01-01"""
    track: int
    """the day modulo the days in which all satellites together repeat"""
    satellite: int
    """0 or 1: which of the two that fly the track in turn"""
    listed: bool


@dataclass(frozen=True)
class Run:
    """Acquisitions of one tile that are missing in a row."""

    days: tuple[int, ...]
    before: int | None
    """day of the acquisition listed before, None at the beginning"""
    to_the_end: bool
    """nothing is listed after it"""
    of_one_satellite: bool = False
    """the other satellite of the track is listed meanwhile"""


class GapRates:
    """How often acquisitions of the tracks of one tile are missing after one that is listed.

    Only the beginnings of gaps are counted, and by satellite, so that a long gap, or a satellite that is missing
    altogether, does not make gaps look common.
    """

    def __init__(self, slots: Iterable[Slot], usual: float | None = None) -> None:
        """Count the gaps of some slots. `usual` is the rate to which those of tracks are drawn, by default their
        median."""
        self._beginnings: dict[int, list[int]] = defaultdict(list)
        self._chances: Counter[int] = Counter()
        for satellite in by_satellite(slots):
            for before, after in pairwise(satellite):
                self._chances[after.track] += before.listed
                if before.listed and not after.listed:
                    self._beginnings[after.track].append(after.day)
        self._usual = median_low(self.by_track or [1.0]) if usual is None else usual

    @property
    def by_track(self) -> list[float]:
        """The rate of each track, where one gap more or less is not counted."""
        return [
            (max(len(self._beginnings[track]) - 1, 0) + 0.5) / (chances + 1) for track, chances in self._chances.items()
        ]

    def chance(self, slot: Slot, run: Sequence[Slot]) -> float:
        """Chance that a slot of a run of missing ones is missing, from all but that run."""
        first, last = run[0].day, run[-1].day
        others = sum(not first <= day <= last for day in self._beginnings[slot.track])
        return min(1.0, (others + USUAL_WEIGHT * self._usual) / (self._chances[slot.track] + USUAL_WEIGHT))


def unusual_runs(
    slots: Sequence[Slot], usual: float, shared: frozenset[int] = frozenset(), explained: Iterable[int] = ()
) -> tuple[Run, ...]:
    """What is missing from a tile beyond chance, each day in one run, the longest runs first.

    Looked at are all slots (by day), those of each track, those of each satellite of a track, and those of the passes
    that another tile lists, on the `shared` days. `usual` is the product's usual gap rate. Days that are `explained`
    by a run of a larger area are left out.
    """
    rates = GapRates(slots, usual)
    candidates = list(_candidates(slots, rates))
    for track in sorted({slot.track for slot in slots}):
        candidates += _candidates([slot for slot in slots if slot.track == track], rates)
    for satellite in by_satellite(slots):
        candidates += _candidates(satellite, rates, of_one_satellite=True)
    passes = [slot for slot in slots if slot.day in shared]
    pass_rates = GapRates(passes)
    for track in sorted({slot.track for slot in passes}):
        candidates += _candidates([slot for slot in passes if slot.track == track], pass_rates)
    chosen: list[Run] = []
    taken = set(explained)
    for run, chances in sorted(candidates, key=lambda candidate: (-len(candidate[0].days), candidate[0].days)):
        left = tuple(day for day in run.days if day not in taken)
        if left and _is_unusual([chances[day] for day in left]):
            chosen.append(replace(run, days=left))
            taken.update(left)
    return tuple(chosen)


def within(run: Run, slots: Sequence[Slot]) -> Run | None:
    """The part of a run of a larger area that concerns a tile, given its slots by day; None if there is none."""
    missing = {slot.day for slot in slots if not slot.listed}
    days = tuple(day for day in run.days if day in missing)
    if not days:
        return None
    before = max((slot.day for slot in slots if slot.listed and slot.day < days[0]), default=None)
    return replace(run, days=days, before=before)


def by_satellite(slots: Iterable[Slot]) -> list[list[Slot]]:
    """The slots of each satellite of each track, by day."""
    ordered = sorted(slots, key=lambda slot: (slot.track, slot.satellite, slot.day))
    return [list(series) for _, series in groupby(ordered, key=lambda slot: (slot.track, slot.satellite))]


def _candidates(
    slots: Sequence[Slot], rates: GapRates, *, of_one_satellite: bool = False
) -> Iterator[tuple[Run, dict[int, float]]]:
    """The runs of missing slots of a series that are not chance, with the chance that each of their days is missing."""
    before: int | None = None
    groups = [list(run) for _, run in groupby(slots, key=lambda slot: slot.listed)]
    for run in groups:
        if run[0].listed:
            before = run[-1].day
            continue
        chances = {slot.day: rates.chance(slot, run) for slot in run}
        if _is_unusual(list(chances.values())):
            yield Run(tuple(chances), before, run is groups[-1], of_one_satellite), chances


def _is_unusual(chances: Sequence[float]) -> bool:
    """Whether a run of acquisitions is missing for another reason than chance, given the chances of each."""
    if len(chances) == 1:
        return chances[0] <= LEAST_LIKELY_SINGLE
    return chances[0] * prod(max(chance, AFTER_A_GAP) for chance in chances[1:]) <= LEAST_LIKELY_RUN
