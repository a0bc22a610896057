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
import torch
from numpy.typing import NDArray
from rich.progress import track

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.cube.legend import Legend
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.classes import LabelLookup, StoredClasses, WindowClasses
from mmvsf.datasets.samples.loader import season_sample
from mmvsf.datasets.samples.reader import WindowReader
from mmvsf.datasets.samples.windows import HELD_OUT, SPLIT_NAMES, SplitName, Window, index_windows, spread
from mmvsf.model.baselines.random_forest import draw_pixels, features, most_frequent, train_forest
from mmvsf.model.blocks import by_novelty, held_out_years, window_size
from mmvsf.model.cover import BATCH
from mmvsf.model.figures import map_figure, save
from mmvsf.model.metrics import class_scores, confusion
from mmvsf.model.mmvsf.checkpoint import Checkpoint, check_fits, new_network
from mmvsf.model.mmvsf.learned import learned_held_out
from mmvsf.model.records import write_json
from mmvsf.model.training.device import autocast_precision, choose_device
from mmvsf.model.training.progress import console

from .apply import TileMap
from .calibration import calibrate
from .geotiff import LAYERS, NO_DATA, map_values
from .head import CropMapper, MappingOptions, predict, train_mapper
from .map import MapOptions, apply_mapper, check_seen, seasons_seen
from .saved import load_mapper, save_mapper

PICTURE = "map.png"
SCORED_TOGETHER = 64
"""Tiles that are scored at a time."""


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
    """Year of the map: by default the last held-out one with an image, or else the last with labels."""
    forest_pixels: int = 20_000
    """Labelled pixels that the random forest learns from."""
    early: float = 0.25
    """Chance that a training season ends early, so that maps can be made before its end."""
    workers: int | None = None
    """As in `run_tasks`, for the tiles of the map."""
    score_windows: int = 300
    """Windows of each held-out set that are scored, and of the training part that the forest learns from, spread
    evenly; 0 for all."""


def cropmap(cube: Cube, checkpoint: Checkpoint, folder: Path, options: CropmapOptions, where: Path) -> dict[str, Any]:
    """Train a crop mapper on a cube, score it beside a random forest and the majority class, and map a year.

    `where` is the folder of the checkpoint, for messages. Writes the mapper, the LAYERS of the map, map.json, map.png
    and metrics.json to `folder` and returns the content of the last. Raises InputError where the cube has no labels to
    learn from, too many classes, no such year or no image of it, or carries other variables than the model, and
    IncompleteError where the training diverges.
    """
    check_fits(checkpoint.normalisation, cube, where)
    legend, year = check_labels(cube), map_year(cube, options.year)
    reader = WindowReader(cube, checkpoint.normalisation)
    window_classes = StoredClasses(reader, LabelLookup(legend.codes))
    windows = _labelled_windows(cube, window_classes)
    names = [entry.name for entry in legend.classes]
    lightning.seed_everything(options.seed, verbose=False)
    network = checkpoint.network
    if options.scratch:
        network = new_network(network.config, checkpoint.normalisation)
    size = window_size([cube], network.config.patch)
    mapper = CropMapper(network, len(names), weather=checkpoint.weather, freeze=options.freeze)
    how = MappingOptions(
        options.steps, options.batch_size, options.images, options.learning_rate, options.early, options.seed
    )
    tiles = [tile for window in windows["train"] for tile in window.tiles(size) if _has_labels(window_classes, tile)]
    training = train_mapper(mapper, reader, tiles, window_classes, size, how)
    mapper.to(choose_device()).eval()
    calibration, calibrated = calibrate(mapper, reader, window_classes, windows["train"], windows["validation"], size)
    if not calibrated["validated"]:
        console.print(
            "no labelled windows are held out for validation, so the probabilities of maps are not calibrated"
        )
    encoder = {
        "folder": str(where), "cubes": checkpoint.config["cubes"], "sees_weather": checkpoint.weather,
        "weights_sha256": None if options.scratch else checkpoint.config["weights_sha256"],
    }  # fmt: skip
    about = {"encoder": encoder, "options": asdict(options), "calibration": calibrated}
    save_mapper(folder, mapper, calibration, checkpoint.normalisation, cube, size, about)
    started = time.perf_counter()
    scores = _score(mapper, reader, windows, window_classes, names, size, options)
    scored = time.perf_counter()
    mapped = _draw_map(cube, folder, legend, window_classes, year, options.workers)
    metrics = {
        "region": cube.region.name,
        "cube": cube.digest,
        "options": asdict(options),
        "model": {key: encoder[key] for key in ("folder", "cubes", "sees_weather")},
        "held_out": None if options.scratch else learned_held_out(checkpoint.config, cube),
        "classes": [{"code": c.code, "name": c.name, "color": c.color} for c in legend.classes],
        "scores": scores,
        "calibration": calibrated,
        "map": {"year": year, "files": [*LAYERS, PICTURE], "unseen_pixels": mapped["unseen_pixels"]},
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
        raise InputError(f"{cube.path} has no labels; add `labels` to its recipe and run `mmvsf extend`")
    map_values(cube.legend)
    return cube.legend


def map_year(cube: Cube, year: int | None) -> int:
    """The year to map: by default the last held-out one with a clear image, or else the last with labels and an image.
    Raises InputError for a year that the cube does not have, or of which it has no clear image."""
    if year is None:
        seen = seasons_seen(cube)
        # Without an image of a year with labels nothing can be learned, which is refused later.
        return max(seen.intersection(held_out_years(cube)) or seen.intersection(cube.label_years) or cube.label_years)
    if year not in cube.years:
        raise InputError(f"--year {year}: {cube.path} has the years {', '.join(map(str, cube.years))}")
    check_seen(cube, year, None)
    return year


def _labelled_windows(cube: Cube, window_classes: WindowClasses) -> dict[SplitName, list[Window]]:
    """The windows with a pixel whose class is known. Raises InputError where none is for training."""
    index, years = index_windows(cube), set(cube.label_years)
    windows: dict[SplitName, list[Window]] = {
        part: [window for window in index[part] if window.year in years and _has_labels(window_classes, window)]
        for part in SPLIT_NAMES
    }
    if not windows["train"]:
        raise InputError(
            f"{cube.path} has no labels in its training years and places; widen labels.years or change `split` in its"
            " recipe"
        )
    return windows


def _has_labels(window_classes: WindowClasses, window: Window) -> bool:
    return bool((window_classes(window) >= 0).any())


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
        if not windows[part]:
            console.print(f"no labelled windows in {part}; not scored")
            continue
        counts = {method: np.zeros((len(names),) * 2, np.int64) for method in ("mmvsf", "random_forest", "majority")}
        tiles = [tile for window in spread(windows[part], options.score_windows) for tile in window.tiles(size)]
        batches = [tiles[first : first + SCORED_TOGETHER] for first in range(0, len(tiles), SCORED_TOGETHER)]
        for batch in track(batches, f"scoring maps, {part}", console=console):
            labels = np.concatenate([window_classes(tile).ravel() for tile in batch])
            scored = [
                _mapped(mapper, reader, batch[first : first + BATCH], precision)
                for first in range(0, len(batch), BATCH)
            ]
            counts["mmvsf"] += confusion(labels, np.concatenate(scored), len(names))
            # Handing work to the threads of the forest takes longer than the work of one tile.
            voted = forest.predict(np.concatenate([features(reader, tile) for tile in batch])).astype(np.int64)
            counts["random_forest"] += confusion(labels, voted, len(names))
            counts["majority"] += confusion(labels, np.full_like(labels, majority), len(names))
        rows += [{"set": part, "method": method, **class_scores(c, names)} for method, c in counts.items()]
    return rows


def _mapped(
    mapper: CropMapper, reader: WindowReader, tiles: Sequence[Window], precision: torch.dtype | None
) -> NDArray[np.int64]:
    """The classes of all pixels of some tiles, one tile after the other."""
    samples = [season_sample(reader, tile) for tile in tiles]
    return np.asarray(predict(mapper, samples, precision).argmax(1).ravel())


def _draw_map(
    cube: Cube,
    folder: Path,
    legend: Legend,
    window_classes: WindowClasses,
    year: int,
    workers: int | None,
    panels: int = 4,
) -> dict[str, Any]:
    """Map a year with the mapper saved in `folder`, and draw a few blocks, held-out places first; returns the content
    of map.json."""
    kinds = by_novelty(cube)
    shown, drawn = list(kinds)[:panels], {}
    labelled = year in cube.label_years

    def seen(block: BlockIndex, tile: TileMap, at: tuple[slice, slice]) -> None:
        if block not in shown:
            return
        classes = tile.classes[at].astype(np.int64)
        confidence = tile.probabilities[:, *at].max(0) / np.float32(100)
        unknown = classes == NO_DATA
        labels = _block_labels(cube, window_classes, block, year) if labelled else None
        name = f"{cube.place_of(block)} ({kinds[block]}), {year}"
        drawn[block] = (name, np.where(unknown, -1, classes), labels, np.where(unknown, 0, confidence))

    result = apply_mapper(cube, load_mapper(folder), folder, folder, year, MapOptions(year, workers=workers), seen=seen)
    save(map_figure([drawn[block] for block in shown], legend), folder / PICTURE)
    return result


def _block_labels(cube: Cube, window_classes: WindowClasses, block: BlockIndex, year: int) -> NDArray[np.int64]:
    rows, columns = cube.grid.block_slices(block)
    whole = Window(rows.start, columns.start, cube.grid.block, year, (0, 0), np.empty(0, np.int32))
    return window_classes(whole)
