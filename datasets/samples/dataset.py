"""The samples of a cube as a data set of PyTorch: dictionaries of named tensors, for any model."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.store import CACHE_BYTES

from .composites import Composite, check_composite, spans
from .loader import LONGEST_LEAD
from .named import NamedArrays, SampleForm, SampleReader, check_channels
from .placement import NoWindowsError, Placement, check_split
from .reader import Normalisation
from .windows import Window, spread

Sample = dict[str, Any]
"""Tensors, numbers and names"""

AHEAD_BYTES = 256 * 2**20
"""Stored pixels that are read at a time, about; at least one sample is."""


@dataclass(frozen=True, slots=True)
class DatasetOptions:
    """What `mmvsf.dataset` takes, which describes it."""

    size: int | None = None
    stride: int | None = None
    bands: tuple[str, ...] | None = None
    composite: Composite | None = None
    lead: int | None = None
    images: int | None = None
    years: tuple[int, ...] | None = None
    min_clear: float | None = None
    min_images: int = 3
    targets: tuple[str, ...] = ()
    normalise: bool = False
    cache_bytes: int = CACHE_BYTES

    def check(self, cube: Cube) -> None:
        """Raises InputError for options that do not go together, or that a cube cannot satisfy."""
        numbers = ("size", "stride", "lead", "images", "min_images")
        if wrong := [name for name in numbers if (value := getattr(self, name)) is not None and value < 1]:
            raise InputError(f"{wrong[0]}={getattr(self, wrong[0])}: it must be at least 1")
        if self.size is not None and self.size > min(cube.grid.shape):
            raise InputError(f"size={self.size}: {cube.path} has {' x '.join(map(str, cube.grid.shape))} pixels")
        if self.lead is not None and self.lead > LONGEST_LEAD:
            raise InputError(f"lead={self.lead}: forecasts reach at most {LONGEST_LEAD} days ahead")
        if self.composite is not None:
            check_composite(self.composite)
            if self.lead is not None or self.images is not None:
                raise InputError(
                    "composite cannot be combined with lead or images: its images are the parts of a season"
                )
        if missing := [year for year in self.years or () if year not in cube.years]:
            raise InputError(f"{cube.path} has no season {missing[0]}; it has {', '.join(map(str, cube.years))}")
        if missing_targets := [name for name in self.targets if name not in cube.targets]:
            raise InputError(
                f"{cube.path} has no targets {', '.join(missing_targets)}; it has {', '.join(cube.targets) or 'none'}"
            )
        if self.min_clear is not None and not 0 <= self.min_clear <= 100:
            raise InputError(f"min_clear={self.min_clear:g}: it must be a percentage, 0 to 100")
        if self.bands == ():
            raise InputError("bands is empty; omit it for all bands of the cube")
        check_channels(cube, self.bands or ())


class CubeDataset(Dataset[Sample]):
    """The samples of one split of a cube, in a fixed order; `mmvsf.dataset` creates it.

    A sample is a dictionary of tensors, and of strings for names. T images, C channels, D days, V weather variables,
    K targets; days are counted from 1970-01-01; shapes are the same in all samples of a data set:

    - `images` (T, C, size, size) float32: reflectance as a fraction, 0 where not `valid` or where an index is not
      defined; `valid` (T, size, size) bool: clear and observed; an image that is valid nowhere is padding; `dates` (T,)
      int64: for composites, their first day
    - `weather` (D, V) float32: daily, from three months before the season, in forecasts up to the day before the
      target; `weather_valid` (D,) bool, `weather_dates` (D,) int64; if the cube has weather
    - `label` (size, size) int64: index into `classes`, -1 where unknown; if the cube has labels
    - `targets` (K, size, size) float32, NaN where unknown; if requested
    - `target` (C, size, size) float32, `target_valid` (size, size) bool, `target_date` int; in forecasts
    - `year` int; `window` (3,) int64: row, column, size in pixels of the cube; `block`: name of the block of the
      window's upper left pixel; `bounds` (4,) float64: left, bottom, right, top in metres of `crs`; `crs`
    """

    def __init__(self, cube: Cube, split: str = "train", options: DatasetOptions | None = None) -> None:
        """Raises InputError for options that conflict or do not fit the cube, and for a split without windows."""
        self.cube, self.split, self.options = cube, check_split(split), options or DatasetOptions()
        self.options.check(cube)
        self.bands = self.options.bands or cube.bands
        """the channels of `images`: bands and indices"""
        self.classes = tuple(entry.name for entry in cube.legend.classes) if cube.legend is not None else ()
        """the names of the classes of `label`"""
        self.windows = self._placement().windows(cube, self.split)
        counts = [len(self._targets(window)) if self.options.lead else 1 for window in self.windows]
        self._ends = np.cumsum(counts)
        if not len(self):
            raise NoWindowsError(
                f"{cube.path}: no image of the split {split} has another at least {self.options.lead} days before it"
            )
        self._reader = SampleReader(cube, self._form(), self.options.cache_bytes)

    def with_split(self, split: str) -> Self:
        """The same data set for another split. Raises InputError if that split has no windows."""
        return type(self)(self.cube, split, self.options)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, number: int) -> Sample:
        return self._begin(number)()

    def __getitems__(self, numbers: Sequence[int]) -> list[Sample]:
        """Samples of which several are read at a time, for DataLoader."""
        begun: deque[Callable[[], Sample]] = deque()
        samples = []
        for number in numbers:
            begun.append(self._begin(number))
            if len(begun) >= self.samples_ahead:
                samples.append(begun.popleft()())
        return samples + [finish() for finish in begun]

    @property
    def samples_ahead(self) -> int:
        """How many samples are read at a time."""
        longest = max(len(window.days) for window in self.windows)
        days = longest if self.options.composite is not None else self._reader.form.images + 1
        size = self.windows[0].size
        return max(1, AHEAD_BYTES // (days * size * size * (2 * len(self.cube.bands) + 1)))

    def _begin(self, number: int) -> Callable[[], Sample]:
        """Begin to read a sample; the result is called for it. Raises IndexError for a number that is none."""
        length = len(self)
        if not -length <= number < length:
            raise IndexError(f"there are {length} samples; {number} is none")
        number %= length
        at = int(np.searchsorted(self._ends, number, side="right"))
        window, days, target = self.windows[at], self.windows[at].days, None
        if self.options.lead is not None:
            targets = self._targets(window)
            place = int(targets[number - (self._ends[at - 1] if at else 0)])
            target = int(days[place])
            days = days[days <= target - self.options.lead][-self._reader.form.images :]
        elif self.options.composite is None:
            days = np.array(spread(days.tolist(), self._reader.form.images), np.int32)
        finish = self._reader.begin(window, days, target)
        return lambda: _tensors(finish())

    def _targets(self, window: Window) -> NDArray[np.int64]:
        """Positions of the days of a window that can be forecast: the last image at least `lead` days before is at most
        `LONGEST_LEAD` days older."""
        origin = np.searchsorted(window.days, window.days - (self.options.lead or 0), side="right") - 1
        age = window.days - window.days[np.maximum(origin, 0)]
        return np.flatnonzero((origin >= 0) & (age <= LONGEST_LEAD))

    def _placement(self) -> Placement:
        options, composed = self.options, self.options.composite is not None
        size = options.size or self.cube.grid.chunk
        min_clear = options.min_clear if options.min_clear is not None else 0 if composed else 30
        years = options.years or self.cube.years
        return Placement(size, options.stride or size, min_clear, options.min_images, years)

    def _form(self) -> SampleForm:
        options, cube = self.options, self.cube
        if options.composite is not None:
            images = len(spans(cube.region.period, cube.years[0], options.composite))
        else:
            images = min(options.images or 10**9, max(len(window.days) for window in self.windows))
        normalisation = Normalisation.of([cube]) if options.normalise else None
        return SampleForm(self.bands, images, options.composite, options.targets, normalisation)


def _tensors(sample: NamedArrays) -> Sample:
    return {
        name: torch.from_numpy(np.ascontiguousarray(value)) if isinstance(value, np.ndarray) else value
        for name, value in sample.items()
    }
