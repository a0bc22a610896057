"""Samples of a cube for PyTorch."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import xarray as xr

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.composites import Composite
from mmvsf.datasets.samples.dataset import CubeDataset, DatasetOptions
from mmvsf.datasets.storage.location import location
from mmvsf.datasets.storage.store import CACHE_BYTES

Value = TypeVar("Value")


def dataset(
    cube: str | Path | Cube | xr.DataTree,
    split: str = "train",
    *,
    size: int | None = None,
    stride: int | None = None,
    bands: Sequence[str] | None = None,
    composite: Composite | None = None,
    lead: int | None = None,
    images: int | None = None,
    years: Sequence[int] | None = None,
    min_clear: float | None = None,
    min_images: int = 3,
    targets: Sequence[str] = (),
    normalise: bool = False,
    cache_bytes: int = CACHE_BYTES,
) -> CubeDataset:
    """The samples of a cube, each a square of pixels in one season, for `torch.utils.data.DataLoader`:
    dictionaries of tensors, which are listed in `CubeDataset` in `mmvsf.datasets.samples.dataset`.

    `cube` is a path, an address, a `Cube`, or what `open_cube` returned. `split` is `train`, `validation`, `test` (all
    that is held out: `new_place`, `new_year` and `both`, which are splits too) or `all`, by the cube's own places and
    years. Options:

    - `size`: side of a window in pixels, by default a chunk; `stride`: pixels from one window to the next, by default
      `size`. A window is entirely in one split.
    - `bands`: bands of the cube, and indices such as `ndvi` or `evi` (`INDICES` in `datasets/samples/indices.py`); by
      default the cube's.
    - `composite`: `month`, `season` or a number of days: the median of the clear pixels of each band and index. Without
      it, a sample has the images of the season, or as many as `images`, spread evenly.
    - `lead`: a sample is one image to be forecast, and the latest `images` images that are at least `lead` days before
      it.
    - `years`: seasons; `min_clear`: percent of a window that must be clear on a day (by default 30; 0 for composites);
      `min_images`: number of such days that a season must have.
    - `targets`: quantities such as yields; `normalise`: subtract the means of bands and weather and divide by their
      standard deviations, over the training split; `cache_bytes`: size of the cache of decoded chunks, for each array
      and process.

    Worker processes of any start method can read a cube on disk, as long as this process has read no pixels itself.
    Otherwise, and for a cube in a bucket, use `DataLoader(..., multiprocessing_context="spawn")`; a forked worker
    raises an error that explains this. Raises InputError for options that cannot be combined or do not fit the cube,
    and for a split without windows; reading raises InputError for damage, OSError if the disk or the bucket fails.

    >>> import mmvsf
    >>> from torch.utils.data import DataLoader
    >>> cube = mmvsf.open_cube("data/my-region.zarr")
    >>> train = mmvsf.dataset(cube, size=16, bands=("red", "nir", "ndvi"), composite="month")
    >>> batch = next(iter(DataLoader(train, batch_size=4, shuffle=True)))
    >>> tuple(batch["images"].shape), tuple(batch["label"].shape)
    ((4, 7, 3, 16, 16), (4, 16, 16))
    >>> forecasts = mmvsf.dataset(cube, "test", size=16, lead=10, images=6)
    >>> tuple(forecasts[0]["target"].shape)
    (6, 16, 16)
    """
    options = DatasetOptions(
        size=size, stride=stride, bands=_optional(bands), composite=composite, lead=lead, images=images,
        years=_optional(years), min_clear=min_clear, min_images=min_images, targets=tuple(targets),
        normalise=normalise, cache_bytes=cache_bytes,
    )  # fmt: skip
    return CubeDataset(_opened(cube), split, options)


def _optional(values: Sequence[Value] | None) -> tuple[Value, ...] | None:
    return None if values is None else tuple(values)


def _opened(cube: str | Path | Cube | xr.DataTree) -> Cube:
    """The cube. Raises InputError for a tree that is not the root of a cube."""
    if isinstance(cube, Cube):
        return cube
    if not isinstance(cube, xr.DataTree):
        return Cube.open(location(str(cube)))
    source = cube.encoding.get("source")
    if source is None:
        raise InputError("this is not a tree that mmvsf.open_cube returned; pass such a tree, or the path of the cube")
    return Cube.open(location(source))
