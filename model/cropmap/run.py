"""Crop mapping: teach the pretrained encoder a region's classes, score it where it never saw a label, and draw
the map of a whole year."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.legend import Legend
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.classes import LabelLookup, StoredClasses, WindowClasses
from mmvsf.datasets.samples.loader import season_sample
from mmvsf.datasets.samples.reader import WindowReader
from mmvsf.datasets.samples.windows import HELD_OUT, SplitName, Window, clear_days, index_windows, spread
from mmvsf.model.baselines.random_forest import draw_pixels, features, most_frequent, train_forest
from mmvsf.model.blocks import block_tiles, by_novelty, held_out_years
from mmvsf.model.figures import map_figure, save
from mmvsf.model.metrics import class_scores, confusion
from mmvsf.model.mmvsf.checkpoint import Checkpoint, check_fits, new_network, save_weights
from mmvsf.model.records import write_json
from mmvsf.model.training.device import autocast_precision, choose_device
from mmvsf.model.training.progress import console

from .geotiff import CONFIDENCE, MAP, map_values, map_writer
from .head import CropMapper, MappingOptions, predict, train_mapper

PICTURE = "map.png"


@dataclass(frozen=True, slots=True)
class CropmapOptions:
    """The options of a run."""

    steps: int = 250
    batch_size: int = 8
    images: int = 16
    """Images of a training sample, at most; maps use the whole season."""
    learning_rate: float = 1e-3
    freeze: bool = False
    """Train the head only."""
    scratch: bool = False
    """Start from random weights."""
    seed: int = 0
    year: int | None = None
    """Year of the map: by default the last held-out one, or else the last with labels."""
    forest_pixels: int = 20_000
    """Labelled pixels that the random forest learns from."""
    score_windows: int = 300
    """Windows of each held-out set that are scored, and of the training part that the forest learns from, spread
    evenly; 0 for all."""


def cropmap(cube: Cube, checkpoint: Checkpoint, folder: Path, options: CropmapOptions, where: Path) -> dict[str, Any]:
    """Train a crop mapper on a cube, score it beside a random forest and the majority class, and map a year.

    `where` is the folder of the checkpoint, for messages. Writes crop_map.tif, confidence.tif, map.png,
    mapper.safetensors and metrics.json to `folder` and returns the content of the last. Raises InputError where the
    cube has no labels to learn from, too many classes or no such year, or carries other variables than the model.
    """
    check_fits(checkpoint, cube, where)
    legend, year, windows = check_labels(cube), map_year(cube, options.year), _labelled_windows(cube)
    reader = WindowReader(cube, checkpoint.normalisation)
    window_classes = StoredClasses(reader, LabelLookup(legend.codes))
    names = [entry.name for entry in legend.classes]
    lightning.seed_everything(options.seed, verbose=False)
    network = checkpoint.network
    if options.scratch:
        network = new_network(network.config, checkpoint.normalisation)
    size = min(32 if network.config.patch < 8 else 128, cube.grid.chunk)
    mapper = CropMapper(network, len(names), weather=checkpoint.weather, freeze=options.freeze)
    how = MappingOptions(options.steps, options.batch_size, options.images, options.learning_rate, seed=options.seed)
    training = train_mapper(mapper, reader, windows["train"], window_classes, size, how)
    mapper.to(choose_device()).eval()
    started = time.perf_counter()
    scores = _score(mapper, reader, windows, window_classes, names, size, options)
    scored = time.perf_counter()
    panels = _draw_map(mapper, reader, window_classes, legend, size, year, folder)
    save(map_figure(panels, legend), folder / PICTURE)
    save_weights(folder / "mapper.safetensors", mapper)
    metrics = {
        "region": cube.region.name,
        "cube": cube.digest,
        "options": asdict(options),
        "model": {"folder": str(where), "cubes": checkpoint.config["cubes"], "sees_weather": checkpoint.weather},
        "classes": [{"code": c.code, "name": c.name, "color": c.color} for c in legend.classes],
        "scores": scores,
        "map": {"year": year, "files": [MAP, CONFIDENCE, PICTURE]},
        "training": {
            **training,
            "scoring_seconds": round(scored - started, 1),
            "mapping_seconds": round(time.perf_counter() - scored, 1),
            "windows": {part: len(members) for part, members in windows.items()},
        },
    }
    write_json(folder / "metrics.json", metrics)
    return metrics


def check_labels(cube: Cube) -> Legend:
    """The legend of a cube. Raises InputError where it has no labels, or too many classes for a map."""
    if cube.legend is None:
        raise InputError(f"{cube.path} has no labels; add `labels` to its recipe and build it again")
    map_values(cube.legend)
    return cube.legend


def map_year(cube: Cube, year: int | None) -> int:
    """The year to map: by default the last held-out one, or else the last with labels. Raises InputError for a year
    that the cube does not have."""
    if year is None:
        return max(held_out_years(cube) or cube.label_years)
    if year not in cube.years:
        raise InputError(f"--year {year}: {cube.path} has the years {', '.join(map(str, cube.years))}")
    return year


def _labelled_windows(cube: Cube) -> dict[SplitName, list[Window]]:
    """The windows in years with labels. Raises InputError where none is for training."""
    index = index_windows(cube)
    windows: dict[SplitName, list[Window]] = {
        part: [window for window in index[part] if window.year in cube.label_years] for part in ("train", *HELD_OUT)
    }
    if not windows["train"]:
        raise InputError(f"{cube.path} has no labels in its training years; widen labels.years in its recipe")
    return windows


def _score(
    mapper: CropMapper,
    reader: WindowReader,
    windows: dict[SplitName, list[Window]],
    window_classes: WindowClasses,
    names: Sequence[str],
    size: int,
    options: CropmapOptions,
) -> list[dict[str, Any]]:
    """One row for every held-out set that has windows and every method, all on the same pixels."""
    console.print("training the random forest")
    training = spread(windows["train"], options.score_windows)
    describe = partial(features, reader)
    drawn = draw_pixels(describe, training, window_classes, pixels=options.forest_pixels, seed=options.seed)
    forest = train_forest(*drawn, options.seed)
    majority = most_frequent(training, window_classes, len(names))
    precision = autocast_precision(choose_device())
    rows = []
    for part in HELD_OUT:
        counts = {method: np.zeros((len(names),) * 2, np.int64) for method in ("mmvsf", "random_forest", "majority")}
        if not windows[part]:
            console.print(f"no labelled windows in {part}; not scored")
            continue
        for window in track(spread(windows[part], options.score_windows), f"scoring maps, {part}", console=console):
            for tile in window.tiles(size):
                labels = window_classes(tile).ravel()
                mapped = predict(mapper, [season_sample(reader, tile)], precision)[0].argmax(0).ravel()
                counts["mmvsf"] += confusion(labels, mapped, len(names))
                voted = forest.predict(features(reader, tile)).astype(np.int64)
                counts["random_forest"] += confusion(labels, voted, len(names))
                counts["majority"] += confusion(labels, np.full_like(labels, majority), len(names))
        rows += [{"set": part, "method": method, **class_scores(c, names)} for method, c in counts.items()]
    return rows


def _draw_map(
    mapper: CropMapper,
    reader: WindowReader,
    window_classes: WindowClasses,
    legend: Legend,
    size: int,
    year: int,
    folder: Path,
    panels: int = 4,
) -> list[tuple[str, NDArray[np.int64], NDArray[np.int64] | None, NDArray[np.float32]]]:
    """Write the map block by block; returns a few blocks for the picture, held-out places first."""
    cube, clear = reader.cube, clear_days(reader.cube)
    kinds = by_novelty(cube)
    shown = list(kinds)[:panels]
    drawn = {}
    precision = autocast_precision(choose_device())
    side = cube.grid.block
    with map_writer(folder, cube.grid, legend, year) as writer:
        for block in track(cube.grid.blocks, "drawing the map", console=console):
            classes, confidence = np.full((side, side), -1), np.zeros((side, side), np.float32)
            labels = np.full((side, side), -1)
            for tile in block_tiles(cube, block, year, clear, size):
                if len(tile.days) == 0:
                    continue
                rows, columns = tile.slices_in(block, side)
                probability = predict(mapper, [season_sample(reader, tile)], precision)[0]
                classes[rows, columns], confidence[rows, columns] = probability.argmax(0), probability.max(0)
                labels[rows, columns] = window_classes(tile)
            writer.write(block, classes, confidence)
            if block in shown:
                name = f"block {block[0]},{block[1]} ({kinds[block]}), {year}"
                drawn[block] = (name, classes, labels if year in cube.label_years else None, confidence)
    return [drawn[block] for block in shown]
