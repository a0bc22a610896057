"""The data of a trial of crop mapping: the same windows, fields and pixels for every method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.season import Season
from mmvsf.datasets.samples.classes import LabelLookup, StoredClasses, WindowClasses
from mmvsf.datasets.samples.reader import WindowReader
from mmvsf.datasets.samples.windows import HELD_OUT, SplitName, Window, index_windows, spread
from mmvsf.datasets.variables import Split
from mmvsf.model.baselines.random_forest import most_frequent
from mmvsf.model.blocks import window_size
from mmvsf.model.evaluation.core.held_out import HeldOutYear
from mmvsf.model.evaluation.core.settings import SEASON, CropOptions

from .fields import ChosenPixels, LabelMaps, draw_fields, split_pixels

RANDOM = "random"
"""The set of pixels drawn at random from the training windows themselves; it shows how much such a split flatters."""


@dataclass(frozen=True)
class CropTrial:
    """The training windows and the scored windows of one held-out year of a cube, each with a known class."""

    reader: WindowReader
    maps: LabelMaps
    names: tuple[str, ...]
    """Names of the classes."""
    size: int
    """Pixels a side of the windows."""
    train: tuple[Window, ...]
    held_out: Mapping[SplitName, tuple[Window, ...]]
    train_years: tuple[int, ...]
    options: CropOptions

    @property
    def possible(self) -> bool:
        """Whether there is a window to learn from, and one to score."""
        return bool(self.train and self.scored)

    @property
    def scored(self) -> list[tuple[str, Window]]:
        """Every window that is scored, with its set."""
        return [(part, window) for part, windows in self.held_out.items() for window in windows]

    @property
    def random(self) -> list[int]:
        """Which of the training windows are scored in the random split, on the pixels it holds out."""
        return spread(range(len(self.train)), self.options.score_windows)

    def classes(self, fraction: float, seed: int) -> WindowClasses:
        """The classes of a share of the fields, to train on; the same for every method."""
        return draw_fields(self.maps, self.train, fraction, seed)

    def random_split(self, seed: int) -> tuple[ChosenPixels, ChosenPixels] | None:
        """(training, test) classes of the random split; None where the options ask for none, or it leaves no known
        class to learn from."""
        if not self.options.random_pixels:
            return None
        training, test = split_pixels(self.maps, self.train, self.options.random_pixels, seed)
        return (training, test) if any((training(window) >= 0).any() for window in self.train) else None

    def majority(self, classes: WindowClasses) -> int:
        """The most frequent class of the training pixels."""
        return most_frequent(self.train, classes, len(self.names))

    def dates(self, fraction: float) -> tuple[str, ...]:
        """The dates at which maps are drawn by methods trained on a share of the fields; those in months without
        images are left out."""
        months = self.reader.cube.region.period.months
        dates = tuple(when for when in self.options.dates if when == SEASON or int(when[:2]) in months)
        return dates if fraction == self.options.fractions[0] else (SEASON,)

    def season(self, window: Window) -> Season:
        """The season of a window."""
        return self.reader.cube.season.season(window.year)


def crop_trial(held_out: HeldOutYear, options: CropOptions) -> CropTrial:
    """The trial of a held-out year. Its windows are spread over those with a known class, of which there may be none:
    see `CropTrial.possible`. Raises InputError for a cube without labels."""
    cube, reader = held_out.cube, held_out.reader
    if cube.legend is None:
        raise InputError(f"{cube.path} has no labels; add `labels` to its recipe and run `mmvsf extend`")
    classes = StoredClasses(reader, LabelLookup(cube.legend.codes))
    index, size = index_windows(cube, held_out.fold), window_size([cube], patch=1)

    def chosen(part: SplitName, most: int) -> tuple[Window, ...]:
        tiles = (tile for window in index[part] for tile in window.tiles(size))
        labelled = [tile for tile in tiles if (classes(tile) >= 0).any()]
        return tuple(thinned(tile, options.images) for tile in spread(labelled, most))

    return CropTrial(
        reader,
        LabelMaps(classes, cube.grid.block, reader.confidence),
        tuple(entry.name for entry in cube.legend.classes),
        size,
        chosen("train", options.train_windows),
        {part: chosen(part, options.score_windows) for part in HELD_OUT},
        held_out.fold.years_of(cube, Split.TRAIN),
        options,
    )


def thinned(window: Window, images: int) -> Window:
    """The window with at most so many of its days, spread evenly over them; all of them for 0."""
    return replace(window, days=window.days[spread(range(len(window.days)), images)])


def last_day(season: Season, when: str) -> int:
    """The last day, since 1970-01-01, that is known at one of the DATES."""
    return season.last_number if when == SEASON else day_number(season.day(when))
