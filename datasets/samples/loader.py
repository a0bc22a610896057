"""From windows to samples for training: each depends only on the seed and its number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .ahead import Samples
from .classes import WindowClasses
from .collate import Earlier, TrainingSample
from .reader import Floats, WindowReader
from .site import Site
from .symmetry import dihedral
from .windows import Window

LONGEST_LEAD = 80
"""The longest lead that is trained and scored, in days."""


@dataclass(frozen=True, slots=True)
class SamplePlan:
    """How training samples are drawn."""

    size: int = 32
    """Pixels per side; smaller where chunks are smaller."""
    images: int = 12
    """Largest number of images in a sample."""
    dropout: float = 0.1
    """Probability that an image is hidden from the context (it may still be a target)."""
    forget: float = 0.3
    """Probability that a sample is without the season before."""
    forget_site: float = 0.1
    """Probability that a sample is without its site, for a network that is given it: other cubes may not know it."""
    lead_zero: float = 0.1
    """Probability that a target is the image of its origin."""
    early: float = 0.0
    """Probability that a season for mapping ends early, after any of its images, so that a map can be made then."""
    seed: int = 0
    targets: tuple[str, ...] = ()
    """Targets of the cube to give with each sample, as `Batch.measured`."""


class ForecastSamples(Samples):
    """Training samples: a run of a season's images, each of which forecasts a later one, or itself.

    Sample n depends on the seed and n alone, so neither the number of workers nor a resumed run changes it.
    """

    def __init__(
        self,
        readers: Sequence[WindowReader],
        windows: Sequence[Sequence[Window]],
        plan: SamplePlan,
        length: int,
        first: int = 0,
    ) -> None:
        """`windows` are those of each reader; some may be empty, but not all. The samples have the numbers `first` to
        `first + length - 1`."""
        self.plan, self.length, self.first = plan, length, first
        pairs = [(reader, list(each)) for reader, each in zip(readers, windows, strict=True) if each]
        self.readers, self.windows = [pair[0] for pair in pairs], [pair[1] for pair in pairs]

    def begin(self, number: int) -> Callable[[], TrainingSample]:
        """See `Samples`."""
        plan = self.plan
        rng = np.random.default_rng([plan.seed, self.first + number])
        cube = int(rng.integers(len(self.readers)))
        reader, windows = self.readers[cube], self.windows[cube]
        tiles = list(windows[int(rng.integers(len(windows)))].tiles(plan.size))
        window = tiles[int(rng.integers(len(tiles)))]
        # A random subset of a random stretch of the season: short and dense as often as long and sparse.
        count = min(plan.images, len(window.days))
        stretch = int(rng.integers(count, len(window.days) + 1))
        first = int(rng.integers(len(window.days) - stretch + 1))
        days = window.days[first + np.sort(rng.choice(stretch, count, replace=False))]
        target = np.array([self._target(rng, days, origin) for origin in range(count)])
        symmetry, hidden = int(rng.integers(8)), rng.random(count) < plan.dropout
        window = replace(window, earlier=window.earlier[:0]) if rng.random() < plan.forget else window
        forget = rng.random() < plan.forget_site
        read, before = reader.begin_images(window, days), begin_earlier(reader, window)

        def finish() -> TrainingSample:
            images, clear = (np.ascontiguousarray(dihedral(array, symmetry)) for array in read())
            weather_start, weather = reader.weather(window.cell, window.year)
            return TrainingSample(
                images=images,
                days=days.astype(np.int64),
                valid=clear & ~hidden[:, None, None],
                clear=clear,
                origin=np.arange(count),
                target=target,
                series=(cube, *window.cell, window.year),
                weather=weather,
                weather_start=weather_start,
                measured=measured(reader, window, plan, symmetry),
                earlier=turned(before(), symmetry),
                site=drawn_site(reader, window, symmetry, forget=forget),
            )

        return finish

    def _target(self, rng: np.random.Generator, days: NDArray[np.int32], origin: int) -> int:
        """Index of a later image within the longest lead; of the origin where there is none, or by `lead_zero`."""
        later = int(np.searchsorted(days, days[origin] + LONGEST_LEAD, side="right")) - origin - 1
        if later == 0 or rng.random() < self.plan.lead_zero:
            return origin
        return origin + 1 + int(rng.integers(later))


class LabelledSamples(Samples):
    """Training samples for mapping: a random subset of a season's images, with the classes of their year.

    Sample n depends on the seed and n alone. It has no targets to forecast.
    """

    def __init__(
        self, reader: WindowReader, windows: Sequence[Window], classes: WindowClasses, plan: SamplePlan, length: int
    ) -> None:
        """`windows` should have known classes; a window without any teaches nothing."""
        self.reader, self.windows, self.classes, self.plan, self.length = reader, windows, classes, plan, length

    def begin(self, number: int) -> Callable[[], TrainingSample]:
        """See `Samples`."""
        plan = self.plan
        rng = np.random.default_rng([plan.seed, number])
        tiles = list(self.windows[int(rng.integers(len(self.windows)))].tiles(plan.size))
        window = tiles[int(rng.integers(len(tiles)))]
        days = window.days
        if plan.early and rng.random() < plan.early:
            days = days[: int(rng.integers(1, len(days) + 1))]
        count = min(plan.images, len(days))
        days = days[np.sort(rng.choice(len(days), count, replace=False))]
        symmetry = int(rng.integers(8))
        window = replace(window, earlier=window.earlier[:0]) if rng.random() < plan.forget else window
        forget = rng.random() < plan.forget_site
        read, before = self.reader.begin_images(window, days), begin_earlier(self.reader, window)

        def finish() -> TrainingSample:
            sample = _season_sample(self.reader, window, days, read(), turned(before(), symmetry))
            images, clear, classes = (
                np.ascontiguousarray(dihedral(array, symmetry))
                for array in (sample.images, sample.clear, self.classes(window))
            )
            numbers = measured(self.reader, window, plan, symmetry)
            site = drawn_site(self.reader, window, symmetry, forget=forget)
            return replace(sample, images=images, valid=clear, clear=clear, labels=classes, measured=numbers, site=site)

        return finish


def drawn_site(reader: WindowReader, window: Window, symmetry: int, *, forget: bool) -> Site | None:
    """The site of a training sample under a symmetry of the square (0 to 7), or one of which nothing is known; None
    where the model is given none. Raises as `WindowReader.site`."""
    site = reader.site(window)
    if site is None:
        return None
    return site.forgotten() if forget else site.turned(symmetry)


def measured(reader: WindowReader, window: Window, plan: SamplePlan, symmetry: int) -> NDArray[np.float32] | None:
    """The targets (K, H, W) that a plan asks for; None where it asks for none. Raises InputError."""
    if not plan.targets:
        return None
    return np.ascontiguousarray(dihedral(reader.targets(window, plan.targets), symmetry))


def season_sample(
    reader: WindowReader,
    window: Window,
    days: NDArray[np.int32] | None = None,
    pairs: Sequence[tuple[int, int]] = (),
) -> TrainingSample:
    """Images of a window on some of its days (all by default), with the forecasts of `pairs`, (origin, target) indices
    into those days."""
    days = window.days if days is None else days
    sample = _season_sample(reader, window, days, reader.images(window, days), begin_earlier(reader, window)(), pairs)
    return replace(sample, site=reader.site(window))


def begin_earlier(reader: WindowReader, window: Window) -> Callable[[], Earlier | None]:
    """Begin to read the images of the season before; None where there are none."""
    if not len(window.earlier):
        return lambda: None
    read = reader.begin_images(window, window.earlier)

    def finish() -> Earlier:
        images, valid = read()
        return Earlier(images, window.earlier.astype(np.int64), valid)

    return finish


def turned(earlier: Earlier | None, symmetry: int) -> Earlier | None:
    """The same under a symmetry of the square."""
    if earlier is None:
        return None
    images, valid = (np.ascontiguousarray(dihedral(array, symmetry)) for array in (earlier.images, earlier.valid))
    return Earlier(images, earlier.days, valid)


def _season_sample(
    reader: WindowReader,
    window: Window,
    days: NDArray[np.int32],
    read: tuple[Floats, NDArray[np.bool_]],
    earlier: Earlier | None,
    pairs: Sequence[tuple[int, int]] = (),
) -> TrainingSample:
    images, clear = read
    origin, target = (np.array([pair[i] for pair in pairs], np.int64) for i in (0, 1))
    start, weather = reader.weather(window.cell, window.year)
    series = (0, *window.cell, window.year)
    return TrainingSample(
        images=images,
        days=days.astype(np.int64),
        valid=clear,
        clear=clear,
        origin=origin,
        target=target,
        series=series,
        weather=weather,
        weather_start=start,
        earlier=earlier,
    )
