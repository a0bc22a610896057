"""Whether it pays to begin a pretraining from a trained model: `mmvsf pretrain REGION --start MODEL` beside random
weights.

    python -m tests.start_from_a_model sandbox-southern runs/sandbox/pretrain --steps 50 200 --seeds 3

builds the cube and prints the error of forecasts on what its recipe holds out: that of persistence, of climatology, of
the model as it is, and of trainings that begin from it and from random weights, with as many steps each; mean and
standard deviation over the seeds. `--steps` without a number trains nothing. An error is the mean over bands of the
squared error in units of the variance of the cube's own training data, whatever statistics a model keeps; that of NDVI
is in its own units.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmvsf.datasets.cube.cube import Cube, find_cube
from mmvsf.datasets.samples.reader import WindowReader
from mmvsf.datasets.samples.statistics import training_statistics
from mmvsf.datasets.samples.windows import HELD_OUT
from mmvsf.model.blocks import window_size
from mmvsf.model.mmvsf.checkpoint import load_checkpoint, model_folder
from mmvsf.model.pretraining.fit import PretrainOptions
from mmvsf.model.pretraining.run import pretrain, score
from mmvsf.model.pretraining.start import Start
from mmvsf.model.training.device import autocast_precision, choose_device

Errors = dict[tuple[str, str], list[tuple[float, float]]]
"""(held-out set, method) -> errors of the bands and of NDVI, one a seed"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="a recipe by its name, or the path of one")
    parser.add_argument("model", type=Path, help="folder of the model to begin from")
    parser.add_argument("--steps", type=int, nargs="*", default=[200], help="none: the model as it is")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--learning-rate", type=float, nargs="+", default=[2e-3])
    parser.add_argument("--windows", type=int, default=72, help="held-out windows of each set that are scored")
    given = parser.parse_args()
    folder = model_folder(given.model)
    start = Start(load_checkpoint(folder), folder)
    errors: Errors = {}
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary, "data")
        command = [Path(sys.executable).with_name("mmvsf"), "dataset", given.recipe, f"--data-dir={data}"]
        subprocess.run(command, check=True)
        cube = Cube.open(find_cube(given.recipe, data))
        collect(as_it_is(start, cube, given.windows), cube, "the model as it is", errors)
        for rate in given.learning_rate:
            for steps in given.steps:
                for seed in range(given.seeds):
                    options = PretrainOptions(
                        steps=steps, seed=seed, learning_rate=rate, score_windows=given.windows
                    )  # fmt: skip
                    for begun, name in ((start, "begun from it"), (None, "from random weights")):
                        metrics = pretrain([cube], Path(temporary, "run"), options, start=begun)
                        collect(metrics["forecast"], cube, f"{name}, {steps} steps at {rate:g}", errors)
    show(errors)


def as_it_is(start: Start, cube: Cube, windows: int) -> list[dict[str, Any]]:
    """The scores of the model without training on the cube."""
    checkpoint, device = start.checkpoint, choose_device()
    size = window_size([cube], checkpoint.network.config.patch)
    reader = WindowReader(cube, checkpoint.normalisation)
    network = start.network().to(device)
    return score(network, [reader], windows, checkpoint.weather, size, autocast_precision(device))


def collect(rows: Sequence[dict[str, Any]], cube: Cube, name: str, errors: Errors) -> None:
    """Add the scores of one network; those of what learns nothing come with each."""
    variance = dict(zip(cube.bands, np.square(training_statistics(cube)[0].std), strict=True))
    mse = {(row["set"], row["method"], row["variable"]): row["mse"] for row in rows if row["lead"] == "all"}
    for part, method in dict.fromkeys(key[:2] for key in mse):
        bands = statistics.mean(mse[part, method, band] / variance[band] for band in cube.bands)
        pair = (bands, mse[part, method, "ndvi"])
        errors.setdefault((part, name if method == "mmvsf" else method), []).append(pair)


def show(errors: Errors) -> None:
    for number, variable in enumerate(("bands", "NDVI")):
        sets = [part for part in HELD_OUT if any(key[0] == part for key in errors)]
        print(f"\nmean squared error, {variable}\n{'':42s}" + "".join(f"{part:>18s}" for part in sets))
        methods = dict.fromkeys(method for _, method in errors)
        for method in sorted(methods, key=lambda name: name not in ("persistence", "climatology")):
            cells = []
            for part in sets:
                values = [pair[number] for pair in errors[part, method]]
                cells.append(f"{statistics.mean(values):.4f} ± {statistics.pstdev(values):.4f}")
            print(f"{method:42s}" + "".join(f"{cell:>18s}" for cell in cells))


if __name__ == "__main__":
    main()
