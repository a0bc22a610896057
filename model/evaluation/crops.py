"""Crop mapping, put to the test: what pretraining is worth to it, with how few labels, and how early in the season.

Every method learns from the same windows of a fold's training part and the same labelled fields, and is scored on the
same pixels of held-out ones; each function returns rows of confusion counts that can be added up.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray

from mmvsf.datasets.calendar import day_number
from mmvsf.datasets.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.folds import Fold
from mmvsf.datasets.loader import LabelLookup, StoredClasses, WindowClasses
from mmvsf.datasets.reader import Floats, Normalisation, WindowReader
from mmvsf.datasets.variables import Split
from mmvsf.datasets.windows import HELD_OUT, Part, Window, index_windows, spread

from ..checkpoint import Checkpoint, new_network
from ..device import choose_device
from ..forest import STEPS, draw_pixels, features, most_frequent, train_forest
from ..mapper import CropHead, CropMapper, MappingOptions, Season, train_mapper
from ..network import NetworkConfig
from .confusions import Confusions, Row
from .fields import LabelMaps, draw_fields, split_pixels
from .rotation import learn_rotation, previous_year
from .seasons import HeadOptions, encode_seasons, members, predict_classes, train_head, without_totals
from .trees import aligned_features, train_trees

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
    held_out: Mapping[Part, tuple[Window, ...]]
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

        def chosen(part: Part, most: int) -> tuple[Window, ...]:
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


def frozen(trial: CropTrial, checkpoint: Checkpoint, objective: str, seed: int = 0) -> list[Row]:
    """Heads on the frozen encoder of a checkpoint that `objective` pretrained, for every share of the labelled fields.

    An encoder that never saw weather gets heads of both kinds: told the weather's sums, and not. They tell apart what
    pretraining with weather gives from what weather gives a crop map anyway.
    """
    mapper = CropMapper(
        copy.deepcopy(checkpoint.network), len(trial.names), weather=checkpoint.weather, head_weather=True, freeze=True
    )
    mapper.to(choose_device()).eval()
    train = encode_seasons(mapper, trial.reader, trial.train)
    scored = encode_seasons(mapper, trial.reader, [window for _, window in trial.scored])
    rows: list[Row] = []
    for weather in _weather_settings(checkpoint):
        if weather == "none":
            train, scored = without_totals(train), without_totals(scored)
        columns: Row = {"method": "frozen", "objective": objective, "weather": weather, "seed": seed}
        for fraction in trial.options.fractions:
            classes = trial.classes(fraction, seed)
            head, seconds = _new_head(trial, mapper, train, classes, seed)
            confusions = _score(trial, head, scored, trial.dates(fraction), trial.majority(classes))
            rows += confusions.rows({**columns, "fraction": fraction, "seconds": seconds})
        rows += _random_rows(trial, mapper, train, columns)
    return rows


def finetuned(
    trial: CropTrial,
    checkpoint: Checkpoint,
    objective: str,
    *,
    head_weather: bool | None = None,
    seed: int = 0,
    fraction: float = 1.0,
) -> list[Row]:
    """The encoder of a checkpoint and its head trained together; the head is told the weather's sums where
    `head_weather` says so, or else where the encoder sees weather."""
    lightning.seed_everything(seed, verbose=False)
    mapper = CropMapper(
        copy.deepcopy(checkpoint.network), len(trial.names), weather=checkpoint.weather, head_weather=head_weather
    )
    weather = "encoder" if mapper.sees_weather else "head" if mapper.head_weather else "none"
    columns: Row = {"method": "finetuned", "objective": objective, "weather": weather}
    return _whole_network(trial, mapper, columns, seed, fraction)


def scratch(
    trial: CropTrial, config: NetworkConfig, *, weather: bool, seed: int = 0, fraction: float = 1.0
) -> list[Row]:
    """The same network without pretraining, with weather or without."""
    lightning.seed_everything(seed, verbose=False)
    network = new_network(config, trial.reader.normalisation)
    mapper = CropMapper(network, len(trial.names), weather=weather)
    columns: Row = {"method": "scratch", "objective": "", "weather": "encoder" if weather else "none"}
    return _whole_network(trial, mapper, columns, seed, fraction)


def baselines(trial: CropTrial, seed: int = 0) -> list[Row]:
    """What learns without a network: the majority class, the rotation, a random forest on the same series (for each
    date one that learned from seasons which end then) and boosted trees on series aligned by warmth."""
    rows: list[Row] = []
    forest = partial(_tree_rows, trial, "random_forest", train_forest)
    trees = partial(_tree_rows, trial, "gdd_trees", train_trees)
    for fraction in trial.options.fractions:
        classes = trial.classes(fraction, seed)
        columns: Row = {"objective": "", "weather": "none", "seed": seed, "fraction": fraction}
        rows += _majority_rows(trial, classes, columns)
        for when in trial.dates(fraction):
            rows += forest(partial(features_until, trial.reader, when=when), classes, columns, when)
        rows += trees(partial(aligned_features, trial.reader), classes, {**columns, "weather": "degree-days"}, SEASON)
    whole: Row = {"objective": "", "weather": "none", "seed": seed, "fraction": 1.0}
    rows += _rotation_rows(trial, trial.classes(1.0, seed), whole)
    training, test = split_pixels(trial.maps, trial.train, trial.options.random_pixels, seed)
    pairs = [(RANDOM, trial.train[i]) for i in trial.random]
    rows += forest(partial(features, trial.reader), training, whole, SEASON, pairs, test)
    return rows


def _weather_settings(checkpoint: Checkpoint) -> tuple[str, ...]:
    """Who sees the weather: the encoder (and with it the head), only the head, or none."""
    return ("encoder",) if checkpoint.weather else ("head", "none")


def _new_head(
    trial: CropTrial, mapper: CropMapper, seasons: Season, classes: WindowClasses, seed: int
) -> tuple[CropHead, float]:
    """A trained head, and the seconds that took."""
    lightning.seed_everything(seed, verbose=False)
    head = CropHead(mapper.network, len(trial.names))
    labels = [classes(window) for window in trial.train]
    return head, train_head(head, seasons, labels, trial.options.head, seed)


def _score(
    trial: CropTrial,
    head: CropHead,
    seasons: Season,
    dates: Sequence[str],
    otherwise: int,
) -> Confusions:
    """The maps of a head from the seasons of the windows that are scored, for each of the dates."""
    confusions = Confusions(trial.maps, len(trial.names))
    for when in dates:
        days = [last_day(window.year, when) for _, window in trial.scored]
        maps = predict_classes(head, seasons, days, otherwise)
        for (part, window), found in zip(trial.scored, maps, strict=True):
            confusions.add(part, when, window, trial.maps(window), found)
    return confusions


def _random_rows(trial: CropTrial, mapper: CropMapper, seasons: Season, columns: Row) -> list[Row]:
    """A head that learned from most pixels of the training windows, scored on the others."""
    seed = columns["seed"]
    training, test = split_pixels(trial.maps, trial.train, trial.options.random_pixels, seed)
    head, seconds = _new_head(trial, mapper, seasons, training, seed)
    windows = [trial.train[i] for i in trial.random]
    days = [last_day(window.year, SEASON) for window in windows]
    maps = predict_classes(head, members(seasons, torch.tensor(trial.random)), days, trial.majority(training))
    confusions = Confusions(trial.maps, len(trial.names))
    for window, found in zip(windows, maps, strict=True):
        confusions.add(RANDOM, SEASON, window, test(window), found)
    return confusions.rows({**columns, "fraction": 1.0, "seconds": seconds})


def _whole_network(trial: CropTrial, mapper: CropMapper, columns: Row, seed: int, fraction: float) -> list[Row]:
    """Train all of a mapper and score it."""
    classes = trial.classes(fraction, seed)
    windows = [window for window in trial.train if (classes(window) >= 0).any()]
    how = replace(trial.options.network, seed=seed)
    title = f"{columns['method']} {columns['objective']}".strip()
    training = train_mapper(mapper, trial.reader, windows, classes, trial.size, how, title)
    mapper.to(choose_device()).eval()
    seasons = encode_seasons(mapper, trial.reader, [window for _, window in trial.scored])
    confusions = _score(trial, mapper.head, seasons, trial.dates(fraction), trial.majority(classes))
    return confusions.rows({**columns, "seed": seed, "fraction": fraction, "seconds": training["seconds"]})


def features_until(reader: WindowReader, window: Window, when: str) -> Floats:
    """Features for a random forest from the images and the steps up to a date."""
    seen = replace(window, days=window.days[window.days <= last_day(window.year, when)])
    # A leap year's dates come a day later; its steps are those of the other years, so that the features are as many.
    return features(reader, seen, STEPS[last_day(2018, SEASON) + 1 + STEPS <= last_day(2019, when)])


def _tree_rows(
    trial: CropTrial,
    method: str,
    train: Callable[[Floats, NDArray[np.int64], int], Any],
    describe: Callable[[Window], Floats],
    classes: WindowClasses,
    columns: Row,
    when: str,
    scored: Sequence[tuple[str, Window]] | None = None,
    truth: WindowClasses | None = None,
) -> list[Row]:
    """A classifier of single pixels, trained and scored."""
    started = time.perf_counter()
    x, y = draw_pixels(describe, trial.train, classes, pixels=trial.options.pixels, seed=columns["seed"])
    model = train(x, y, columns["seed"])
    seconds = time.perf_counter() - started
    scored, truth = scored or trial.scored, truth or trial.maps
    found = model.predict(np.concatenate([describe(window) for _, window in scored])).astype(np.int64)
    confusions = Confusions(trial.maps, len(trial.names))
    for (part, window), own in zip(scored, found.reshape(len(scored), trial.size, trial.size), strict=True):
        confusions.add(part, when, window, truth(window), own)
    return confusions.rows({**columns, "method": method, "seconds": seconds})


def _majority_rows(trial: CropTrial, classes: WindowClasses, columns: Row) -> list[Row]:
    confusions = Confusions(trial.maps, len(trial.names))
    usual = np.full((trial.size, trial.size), trial.majority(classes))
    for part, window in trial.scored:
        confusions.add(part, SEASON, window, trial.maps(window), usual)
    return confusions.rows({**columns, "method": "majority", "seconds": 0.0})


def _rotation_rows(trial: CropTrial, classes: WindowClasses, columns: Row) -> list[Row]:
    """Last year's map carried on; a region's first year has none and so no row. It reads last year's labels where the
    others read images, also at places that were never learned from."""
    started = time.perf_counter()
    otherwise = trial.majority(classes)
    rotation = learn_rotation(trial.maps, trial.train, trial.train_years, len(trial.names), otherwise)
    seconds = time.perf_counter() - started
    confusions = Confusions(trial.maps, len(trial.names))
    for part, window in trial.scored:
        if rotation is not None and window.year - 1 in trial.reader.cube.label_years:
            found = rotation(trial.maps(previous_year(window)))
            confusions.add(part, SEASON, window, trial.maps(window), found)
    return confusions.rows({**columns, "method": "rotation", "seconds": seconds})
