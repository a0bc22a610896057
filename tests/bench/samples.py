"""Processor seconds of a sample: `mmvsf.dataset` beside a loop over xarray, with equal results.

    python -m tests.bench.samples

The cube is simulated: blocks of 128 pixels, three seasons. Each sample is a window of 64 pixels in one season.
"""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import mmvsf
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.samples.dataset import CubeDataset
from tests.cubes import CubeBuilder

SAMPLES = 16


def xarray_sample(cube: Cube, tiles: xr.DataTree, samples: CubeDataset, number: int) -> np.ndarray[Any, Any]:
    """The images of a sample (T, C, H, W), as one would read them from what `mmvsf.open_cube` returns."""
    window = samples.windows[number]
    tile = cube.grid.tile_of((window.row // cube.grid.block, window.column // cube.grid.block))
    top, left = tile.row * cube.grid.block, tile.column * cube.grid.block
    rows, columns = (slice(p.start - c, p.stop - c) for p, c in zip(window.slices, (top, left), strict=True))
    imagery = tiles[f"tiles/{tile.name}/imagery"].to_dataset().isel(y=rows, x=columns)
    imagery = imagery.isel(time=window.days - cube.calendar.first_day)[["reflectance", "quality"]].load()
    clear = (imagery.quality != 255) & ((imagery.quality.astype("uint8") & 0b11110) == 0)
    images = imagery.reflectance.where(clear & imagery.reflectance.notnull().all("band"))
    if samples.options.composite == "month":
        images = images.groupby("time.month").median("time")
    return images.fillna(0).values


def processor_seconds(read: Callable[[int], Any], numbers: range) -> float:
    """Seconds of this process for each number."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    for number in numbers:
        read(number)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / len(numbers)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        cube = CubeBuilder(sites=2, block=128, chunk=64, field=16).write(Path(folder) / "samples.zarr")
        tree = mmvsf.open_cube(cube.path)
        for composite in (None, "month"):
            ours, theirs = [], []
            for _ in range(3):
                samples = mmvsf.dataset(cube, "all", size=64, composite=composite, min_clear=0)
                numbers = range(min(SAMPLES, len(samples)))

                def plain(number: int, samples: CubeDataset = samples) -> np.ndarray[Any, Any]:
                    return xarray_sample(cube, tree, samples, number)

                expected = plain(0)
                np.testing.assert_allclose(samples[0]["images"][: len(expected)], expected, atol=1e-6)
                theirs.append(processor_seconds(plain, numbers))
                ours.append(processor_seconds(samples.__getitem__, numbers))
            images = samples[0]["images"].shape[0]
            print(
                f"{composite or 'season'}: {images} images of 64 pixels; mmvsf.dataset {1e3 * min(ours):.1f} ms of"
                f" processor time a sample, xarray {1e3 * min(theirs):.1f} ms: {min(theirs) / min(ours):.1f} times"
            )


if __name__ == "__main__":
    main()
