"""What crop mapping is put to the test on: the same windows, fields and pixels for every method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.folds import Fold
from mmvsf.datasets.samples.loader import LabelLookup, StoredClasses, WindowClasses
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import HELD_OUT, SplitName, Window, index_windows, spread
from mmvsf.datasets.variables import Split
from mmvsf.model.baselines.random_forest import most_frequent
from mmvsf.model.cropmap.head import MappingOptions

from .fields import LabelMaps, draw_fields
from .seasons import HeadOptions

SEASON = "season"
DATES: tuple[str, ...] = ("06-01", "07-01", "08-01", "09-01", SEASON)
"""Month and day at whose end a map is drawn, from images by then and weather before them; and the whole season."""
RANDOM = "random"
"""The set of pixels drawn at random from the very windows that are learned from; it shows how much that flatters."""


@dataclass(frozen=True, slots=True)
class CropOptions:
    """How large the trials are."""

    train_windows: int = 180
    """Windows that are learned from, spread evenly over the training part."""
    score_windows: int = 36
    """Windows of each held-out set that are scored, spread evenly."""
    images: int = 24
    """Images of a season that every method is given, spread evenly over those of the whole season also where a map is
    drawn before its end."""
    fractions: tuple[float, ...] = (1.0, 0.1, 0.01)
    """Shares of the labelled fields; maps by date and of random pixels are drawn for the first."""
    dates: tuple[str, ...] = DATES
    head: HeadOptions = field(default_factory=HeadOptions)
    """Of heads on frozen features."""
    network: MappingOptions = field(default_factory=lambda: MappingOptions(steps=300, images=12, early=0.5))
    """Of whole networks, finetuned or from scratch."""
    pixels: int = 20_000
    """Pixels that trees learn from."""
    random_pixels: float = 0.2
    """Share of the pixels that the random split holds out."""

    @classmethod
    def quick(cls) -> CropOptions:
        """Small enough to see within a minute that everything works."""
        return cls(
            train_windows=48,
            score_windows=12,
            images=16,
            fractions=(1.0, 0.1),
            dates=("07-01", SEASON),
            head=HeadOptions(steps=50),
            network=MappingOptions(steps=20, images=8, early=0.5),
            pixels=4_000,
        )


@dataclass(frozen=True)
class CropTrial:
    """What is learned from and what is scored in one fold of a cube."""

    reader: WindowReader
    maps: LabelMaps
    names: tuple[str, ...]
    """Those of the classes."""
    size: int
    """Pixels a side of the windows."""
    train: tuple[Window, ...]
    held_out: Mapping[SplitName, tuple[Window, ...]]
    train_years: tuple[int, ...]
    options: CropOptions

    @classmethod
    def of(cls, cube: Cube, fold: Fold, normalisation: Normalisation, options: CropOptions) -> CropTrial:
        """The trial of a fold, whose training statistics `normalisation` should be.

        Raises InputError where the cube has no labels in the training part.
        """
        if cube.legend is None:
            raise InputError(f"{cube.path} has no labels; add `labels` to its recipe and build it again")
        reader = WindowReader(cube, normalisation)
        maps = LabelMaps(StoredClasses(reader, LabelLookup(cube.legend.codes)), cube.grid.block)
        index, size = index_windows(cube, fold), min(32, cube.grid.chunk)

        def chosen(part: SplitName, most: int) -> tuple[Window, ...]:
            labelled = [window for window in index[part] if window.year in cube.label_years]
            tiles = spread([tile for window in labelled for tile in window.tiles(size)], most)
            return tuple(thinned(tile, options.images) for tile in tiles)

        train = chosen("train", options.train_windows)
        if not train:
            raise InputError(f"{cube.path} has no labels in its training years; widen labels.years in its recipe")
        return cls(
            reader,
            maps,
            tuple(entry.name for entry in cube.legend.classes),
            size,
            train,
            {part: chosen(part, options.score_windows) for part in HELD_OUT},
            fold.years_of(cube, Split.TRAIN),
            options,
        )

    @property
    def scored(self) -> list[tuple[str, Window]]:
        """Every window that is scored, with its set."""
        return [(part, window) for part, windows in self.held_out.items() for window in windows]

    @property
    def random(self) -> list[int]:
        """Which of the training windows are scored in the random split, on the pixels it holds out."""
        return spread(range(len(self.train)), self.options.score_windows)

    def classes(self, fraction: float, seed: int) -> WindowClasses:
        """What may be learned from a share of the fields; the same for every method."""
        return draw_fields(self.maps, self.train, fraction, seed)

    def majority(self, classes: WindowClasses) -> int:
        """The class that most of the pixels have that may be learned from."""
        return most_frequent(self.train, classes, len(self.names))

    def dates(self, fraction: float) -> tuple[str, ...]:
        """The dates at which maps are drawn by what learned from a share of the fields."""
        return self.options.dates if fraction == self.options.fractions[0] else (SEASON,)


def thinned(window: Window, images: int) -> Window:
    """The window with at most so many of its days, spread evenly over them; all of them for 0."""
    if not images or len(window.days) <= images:
        return window
    places = np.linspace(0, len(window.days) - 1, images).round().astype(int)
    return replace(window, days=window.days[places])


def last_day(year: int, when: str) -> int:
    """The last day, since 1970-01-01, that is known at one of the dates."""
    return day_number(date.fromisoformat(f"{year}-{'12-31' if when == SEASON else when}"))
