"""What a catalogue lists, what it lacks, and the sentence that reports it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mmvsf.datasets.cube.calendar import date_of

from .gaps import Run

MOST_NAMED = 3
"""Gaps that a sentence names."""

NEAR_DAYS = 20
"""Gaps of several tiles whose ends differ by at most so many days are named as one."""


@dataclass(frozen=True)
class Gap:
    """Acquisitions of a product over one tile that a catalogue does not list though it should."""

    product: str
    tile: str
    run: Run
    whole: bool = False
    """nothing of the product is listed for the tile, or next to nothing; the days of `run` are then typical ones"""


@dataclass(frozen=True)
class Acquisitions:
    """A catalogue's answer compared with what the satellites must have acquired."""

    expected: int
    listed: int
    """of the expected ones"""
    gaps: tuple[Gap, ...] = ()
    """what is missing beyond chance"""
    absent: tuple[str, ...] = ()
    """products of which nothing is listed at all, though satellites acquired them all through the period"""
    notes: tuple[str, ...] = ()
    """known reasons"""

    @property
    def count(self) -> str:
        """How many of the expected acquisitions are listed, in words."""
        return f"the catalogue lists {self.listed:,} of about {self.expected:,} acquisitions expected"

    def __str__(self) -> str:
        if not self.gaps:
            return self.count
        texts = [_words(group) for group in _together(self.gaps)]
        more = f", and {len(texts) - MOST_NAMED} more" if len(texts) > MOST_NAMED else ""
        return "; ".join((f"{self.count}; missing: {', '.join(texts[:MOST_NAMED])}{more}", *self.notes))

    def record(self) -> dict[str, Any]:
        """Its record in the root attributes of a cube."""
        missing = [_words(group) for group in _together(self.gaps)]
        return {"expected": self.expected, "listed": self.listed, "missing": missing}


def _together(gaps: Iterable[Gap]) -> list[list[Gap]]:
    """Gaps of one product in several tiles at about the same time, the largest group first."""
    groups: dict[tuple[str, bool, bool], list[list[Gap]]] = defaultdict(list)
    for gap in sorted(gaps, key=lambda gap: (gap.run.days[0], gap.tile)):
        alike = groups[gap.product, gap.run.of_one_satellite, gap.whole]
        near = (group for group in alike if len(gap.run.days) > 1 and _is_near(gap.run, group[0].run))
        if (group := next(near, None)) is not None:
            group.append(gap)
        else:
            alike.append([gap])
    found = (group for alike in groups.values() for group in alike)
    return sorted(found, key=lambda group: -sum(len(gap.run.days) for gap in group))


def _is_near(run: Run, other: Run) -> bool:
    return all(abs(run.days[end] - other.days[end]) <= NEAR_DAYS for end in (0, -1))


def _words(group: Sequence[Gap]) -> str:
    """A group of gaps, such as `hls-s30 of T15TVG from 2026-06-18 on (last listed 2026-06-15)`."""
    tiles, runs = sorted({gap.tile for gap in group}), [gap.run for gap in group]
    where = f"{len(tiles)} tiles" if len(tiles) > 1 else f"T{tiles[0]}" if tiles[0][-1].isalpha() else tiles[0]
    if group[0].whole:
        return f"{'nearly ' if any(run.before for run in runs) else ''}all {group[0].product} of {where}"
    which = "one satellite's " if runs[0].of_one_satellite else ""
    return f"{which}{group[0].product} of {where} {_when(runs)}"


def _when(runs: Sequence[Run]) -> str:
    first, last = (date_of(day) for day in (min(run.days[0] for run in runs), max(run.days[-1] for run in runs)))
    if first == last:
        return f"on {first}"
    if not any(run.to_the_end for run in runs):
        return f"from {first} to {last}"
    earlier = (run.before for run in runs if run.before is not None and run.before < min(run.days))
    before = max(earlier, default=None)
    return f"from {first} on" + ("" if before is None else f" (last listed {date_of(before)})")
