"""Crop mapping by networks: the benefit of pretraining, by number of labels and by date.

Every method learns from the same training windows and the same labelled fields, and is scored on the same pixels of
held-out windows; each function returns rows of confusion counts that can be added up.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import lightning
import torch

from mmvsf.datasets.samples.classes import WindowClasses
from mmvsf.model.cropmap.head import CropHead, CropMapper, EncodedSeason, train_mapper
from mmvsf.model.evaluation.core.settings import SEASON
from mmvsf.model.mmvsf.checkpoint import Checkpoint, new_network
from mmvsf.model.mmvsf.sizes import NetworkConfig
from mmvsf.model.training.device import choose_device

from .confusions import Confusions, Row
from .seasons import encode_seasons, members, predict_classes, train_head, without_totals
from .trial import RANDOM, CropTrial, last_day


def frozen(trial: CropTrial, checkpoint: Checkpoint, objective: str, seed: int = 0) -> list[Row]:
    """Heads on the frozen encoder of a checkpoint that `objective` pretrained, for every share of the labelled fields.

    An encoder that never saw weather gets two heads, with the sums of the weather and without. They separate the gain
    of pretraining with weather from the gain of weather to a crop map.
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
    """The encoder of a checkpoint and its head trained together; the head sees the sums of the weather where
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


def _weather_settings(checkpoint: Checkpoint) -> tuple[str, ...]:
    """Who sees the weather: the encoder (and with it the head), only the head, or none."""
    return ("encoder",) if checkpoint.weather else ("head", "none")


def _new_head(
    trial: CropTrial, mapper: CropMapper, seasons: EncodedSeason, classes: WindowClasses, seed: int
) -> tuple[CropHead, float]:
    """A trained head, and the seconds that took."""
    lightning.seed_everything(seed, verbose=False)
    head = CropHead(mapper.network, len(trial.names))
    labels = [classes(window) for window in trial.train]
    return head, train_head(head, seasons, labels, trial.options.head, seed)


def _score(
    trial: CropTrial,
    head: CropHead,
    seasons: EncodedSeason,
    dates: Sequence[str],
    otherwise: int,
) -> Confusions:
    """The maps of a head from the seasons of the windows that are scored, for each of the dates."""
    confusions = Confusions(trial.maps, len(trial.names))
    for when in dates:
        days = [last_day(trial.season(window), when) for _, window in trial.scored]
        maps = predict_classes(head, seasons, days, otherwise)
        for (part, window), classes in zip(trial.scored, maps, strict=True):
            confusions.add(part, when, window, trial.maps(window), classes)
    return confusions


def _random_rows(trial: CropTrial, mapper: CropMapper, seasons: EncodedSeason, columns: Row) -> list[Row]:
    """A head trained on most pixels of the training windows, scored on the others; no rows without such a split."""
    seed = columns["seed"]
    split = trial.random_split(seed)
    if split is None:
        return []
    training, test = split
    head, seconds = _new_head(trial, mapper, seasons, training, seed)
    windows = [trial.train[i] for i in trial.random]
    days = [last_day(trial.season(window), SEASON) for window in windows]
    maps = predict_classes(head, members(seasons, torch.tensor(trial.random)), days, trial.majority(training))
    confusions = Confusions(trial.maps, len(trial.names))
    for window, classes in zip(windows, maps, strict=True):
        confusions.add(RANDOM, SEASON, window, test(window), classes)
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
