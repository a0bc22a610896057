"""Pretraining: learn from cubes by forecasting, compare with persistence and climatology, write down the results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from rich.progress import track

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import HELD_OUT, SplitName, Window, index_windows, spread
from mmvsf.datasets.storage.location import Location
from mmvsf.model.blocks import window_size
from mmvsf.model.figures import loss_figure, save
from mmvsf.model.forecasting.block import draw_examples
from mmvsf.model.forecasting.figure import forecast_figure
from mmvsf.model.forecasting.scoring import score_forecasts
from mmvsf.model.metrics import ForecastScores
from mmvsf.model.mmvsf.checkpoint import DivergedError, cube_names, new_network, save_checkpoint
from mmvsf.model.mmvsf.network import MMVSF
from mmvsf.model.mmvsf.objectives import OBJECTIVES, Objective
from mmvsf.model.records import write_json
from mmvsf.model.training.device import autocast_precision, choose_device
from mmvsf.model.training.loggers import open_logger
from mmvsf.model.training.progress import console

from .augmentation import ShiftedCalendar
from .card import hidden_shares, write_model_card
from .fit import FitReport, PretrainOptions, fit
from .resume import first_step, remove_checkpoint
from .start import Start, network_config

FORECASTS, LOSSES = "forecast.png", "loss.png"
"""The pictures."""


def pretrain(
    cubes: Sequence[Cube],
    folder: Path,
    options: PretrainOptions,
    *,
    start: Start | None = None,
    restart: bool = False,
    logger: str | None = None,
) -> dict[str, Any]:
    """Train MM-VSF on cubes and write weights, configuration, scores, pictures and a card to `folder`.

    It begins from random weights, or from those of `start`. These keep the statistics by which their inputs were
    normalised, since they are the units that the weights know; so the unit of the scores is the variance of what the
    start, or the first of its line, was trained on. The objective may be another one.

    An unfinished run with the same options and cubes is resumed from its last checkpoint unless `restart`. `logger`
    names one of Lightning's that records the training, see `open_logger`. Returns the content of metrics.json, or
    nothing on all but the first of several devices. Raises InputError where options, start and data do not fit, or the
    unfinished run had other ones, DivergedError where the training diverges, which leaves an earlier model in place,
    and IncompleteError where a loader process dies.
    """
    check_distinct(cubes)
    if start is not None:
        start.check(cubes, folder, site=options.site)
    normalisation = start.checkpoint.normalisation if start else Normalisation.of(cubes, site=options.site)
    config, size_name = network_config(normalisation, options.size, start)
    opened = open_logger(logger, folder) if logger else None
    objective = options.chosen_objective()
    _refuse_missing_weather(cubes, options.objective, objective)
    _check_reconstruction(options, objective)
    readers = [WindowReader(cube, normalisation) for cube in cubes]
    size = window_size(cubes, config.patch)
    window = window_size(cubes, config.patch, options.window, advice="choose another --window")
    options = replace(options, size=size_name, window=window, site=config.static is not None)
    settings = {"options": options.as_settings(), "cubes": [cube.digest for cube in cubes]}
    if start is not None:
        settings["start"] = start.digest
        for note in start.notes(cubes):
            console.print(note, soft_wrap=True)
    step = first_step(folder, settings, steps=options.steps, restart=restart)

    lightning.seed_everything(options.seed, verbose=False)
    network = start.network() if start else new_network(config, normalisation)
    loss = ShiftedCalendar(objective, options.calendar_shift) if options.calendar_shift else objective
    try:
        report = fit(network, loss, readers, options, folder, first_step=step, logger=opened)
        if report is None:
            return {}
        metrics = _write_results(network, readers, options, report, folder, objective=objective, size=size, start=start)
    except DivergedError:
        remove_checkpoint(folder)  # resumed, it would diverge again
        raise
    remove_checkpoint(folder)
    return metrics


def _refuse_missing_weather(cubes: Sequence[Cube], name: str, objective: Objective) -> None:
    """Raises InputError where an objective learns from weather and a cube has none."""
    if objective.weather and (without := [str(cube.path) for cube in cubes if not cube.weather]):
        images_alone = " or ".join(other for other, each in OBJECTIVES.items() if not each.weather)
        raise InputError(
            f"{', '.join(without)} has no weather, which the objective {name} learns from; choose --objective"
            f" {images_alone}"
        )


def _check_reconstruction(options: PretrainOptions, objective: Objective) -> None:
    """Says what an objective that only reconstructs does. Raises InputError where it has an option of forecasting."""
    if objective.forecasts:
        return
    name, hidden = options.objective, hidden_shares(objective)
    for option, given in (
        ("--mask-ratio", options.mask_ratio != PretrainOptions().mask_ratio),
        ("--agreement", bool(options.agreement)),
    ):
        if given:
            raise InputError(
                f"{option} is for objectives that forecast, and {name} only reconstructs images, with {hidden}; omit it"
            )
    console.print(f"note: {name} reconstructs images, with {hidden}; it does not learn to forecast", soft_wrap=True)


def check_distinct(cubes: Sequence[Cube]) -> None:
    """Raises InputError where two of the cubes are the same one: a cube is known by its digest, not by its name."""
    paths: dict[str, Location] = {}
    for cube in cubes:
        if cube.digest in paths:
            raise InputError(
                f"{paths[cube.digest]} and {cube.path} are the same cube (digest {cube.digest[:12]}); name each once"
            )
        paths[cube.digest] = cube.path


def score(
    network: MMVSF,
    readers: Sequence[WindowReader],
    windows_per_set: int,
    weather: bool,
    size: int,
    precision: torch.dtype | None,
) -> list[dict[str, Any]]:
    """Rows of scores on the held-out sets of all cubes together, on at most `windows_per_set` windows of each set of a
    cube (0 for all); sets without windows are left out."""
    normal = readers[0].normalisation
    mean, deviation = (np.asarray(x, np.float32) for x in (normal.bands.mean, normal.bands.std))
    scores = ForecastScores(normal.bands.names, mean, deviation)
    for reader in readers:
        index = index_windows(reader.cube)
        windows: dict[SplitName, Sequence[Window]] = {part: spread(index[part], windows_per_set) for part in HELD_OUT}
        empty = [part for part, members in windows.items() if not members]
        if empty:
            console.print(f"{reader.cube.region.name}: no windows in {', '.join(empty)}; not scored")
        steps = score_forecasts(network, reader, windows, scores, weather=weather, precision=precision, size=size)
        for _ in track(steps, "scoring forecasts", sum(map(len, windows.values())), console=console):
            pass
    return scores.rows()


def _write_results(
    network: MMVSF,
    readers: Sequence[WindowReader],
    options: PretrainOptions,
    report: FitReport,
    folder: Path,
    *,
    objective: Objective,
    size: int,
    start: Start | None,
) -> dict[str, Any]:
    """Write weights, scores, pictures and card of a trained network; returns the content of metrics.json."""
    cubes, normalisation, weather = [reader.cube for reader in readers], readers[0].normalisation, objective.weather
    device = choose_device()
    precision = autocast_precision(device)
    training = {
        **report.training,
        "parameters": sum(p.numel() for p in network.parameters()),
        "windows": [index_windows(cube).count for cube in cubes],
    }
    remembered = {**asdict(options), "torch": torch.__version__, "precision": training["precision"]}
    checkpoint = start.checkpoint if start else None
    save_checkpoint(folder, network, normalisation, cubes, remembered, weather=weather, start=checkpoint)
    save(loss_figure(report.losses), folder / LOSSES)
    network.to(device).eval()
    metrics: dict[str, Any] = {
        "region": cubes[0].region.name,
        "cubes": cube_names(cubes),
        "options": asdict(options),
        "start": start.about(cubes) if start else None,
        "units": "reflectance as a fraction; 'mean' over bands in units of each band's training deviation",
        "forecast": score(network, readers, options.score_windows, weather, size, precision),
        "training": training,
        "losses": report.losses,
    }
    examples = draw_examples(network, readers[0], size, weather, precision)
    if examples:
        save(forecast_figure(examples, cubes[0].bands), folder / FORECASTS)
    else:
        (folder / FORECASTS).unlink(missing_ok=True)  # that of an earlier model
    metrics["pictures"] = [FORECASTS, LOSSES] if examples else [LOSSES]
    write_json(folder / "metrics.json", metrics)
    write_model_card(folder, cubes, network.config, metrics, objective, before=start.line if start else ())
    return metrics
