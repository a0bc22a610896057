"""Ways to read windows of one tile of a cube: `WindowReader`, and what a user would take instead.

Each is opened with a `Job` and gives a function that reads windows, each the same days of a square of pixels.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore
import zarr
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import Tile
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import Window
from mmvsf.datasets.storage.location import Location, kvstore, zarr_store
from mmvsf.datasets.storage.store import CACHE_BYTES, cache_context

AT_ONCE = 32
"""Windows that are begun together, as the loader begins those of a batch"""

Place = tuple[int, int]
"""Upper row and left column of a window in the tile"""

Reading = Callable[[Sequence[Place]], Iterator[Any]]
"""Gives the windows in their order, and keeps none"""


@dataclass(frozen=True)
class Job:
    """Where the windows are."""

    cube: Location
    tile: Tile
    side: int
    """pixels a side of a window"""
    days: NDArray[np.int64]
    """positions along the cube's time"""

    @property
    def array(self) -> Location:
        return self.cube / f"tiles/{self.tile.name}/imagery/reflectance"

    def index(self, place: Place) -> tuple[Any, ...]:
        """Of a window in the array of the tile."""
        return (self.days, slice(None), *(slice(first, first + self.side) for first in place))


def window_reader(job: Job) -> Reading:
    """Normalised images, and where they are valid; each window is waited for before the next."""
    begin = _begin(job)
    return lambda places: (begin(place)() for place in places)


def window_reader_together(job: Job) -> Reading:
    """The same, begun together."""
    begin = _begin(job)

    def read(places: Sequence[Place]) -> Iterator[Any]:
        begun = deque(begin(place) for place in places)
        while begun:
            yield begun.popleft()()

    return read


def _begin(job: Job) -> Callable[[Place], Callable[[], Any]]:
    cube = Cube.open(job.cube)
    reader = WindowReader(cube, Normalisation.of([cube]))
    days = (job.days + cube.calendar.first_day).astype(np.int32)
    top, left = job.tile.row * cube.grid.block, job.tile.column * cube.grid.block

    def begin(place: Place) -> Callable[[], Any]:
        window = Window(top + place[0], left + place[1], job.side, cube.years[0], (0, 0), days)
        return reader.begin_images(window, days)

    return begin


def tensorstore_one_by_one(job: Job) -> Reading:
    """Tensorstore with its cache, each window waited for before the next."""
    array = _tensorstore(job)
    return lambda places: (array.oindex[job.index(place)].read().result() for place in places)


def tensorstore_together(job: Job) -> Reading:
    """Tensorstore with its cache, begun together."""
    array = _tensorstore(job)

    def read(places: Sequence[Place]) -> Iterator[Any]:
        begun = deque(array.oindex[job.index(place)].read() for place in places)
        while begun:
            yield begun.popleft().result()

    return read


def _tensorstore(job: Job) -> tensorstore.TensorStore:
    spec = {"driver": "zarr3", "kvstore": kvstore(job.array)}
    return tensorstore.open(spec, read=True, context=cache_context(CACHE_BYTES)).result()


def zarr_python(job: Job) -> Reading:
    """zarr-python, as it is installed."""
    array = zarr.open_array(zarr_store(job.array), mode="r")
    return lambda places: (np.asarray(array.oindex[job.index(place)]) for place in places)


def zarrs(job: Job) -> Reading:
    """zarr-python with the codecs of zarrs. It does not take indices of chosen days, so the whole period is read."""
    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
        array = zarr.open_array(zarr_store(job.array), mode="r")
    first, last = int(job.days[0]), int(job.days[-1]) + 1
    return lambda places: (
        np.asarray(array[(slice(first, last), *job.index(place)[1:])])[job.days - first] for place in places
    )


def xbatcher(job: Job) -> Reading:
    """A generator of xbatcher over the days, as xarray opens them, with the values as stored."""
    import xarray
    from xbatcher import BatchGenerator

    group = xarray.open_zarr(zarr_store(job.array.parent), chunks=None, mask_and_scale=False, consolidated=False)
    bands = group["reflectance"].isel(time=job.days)
    generator = BatchGenerator(bands, {"y": job.side, "x": job.side})
    columns, shape = bands.sizes["x"] // job.side, (*bands.shape[:2], job.side, job.side)
    return lambda places: (
        generator[place[0] // job.side * columns + place[1] // job.side].to_numpy().reshape(shape) for place in places
    )


def memory_map(job: Job, path: Path) -> Reading:
    """Windows of a memory map of the days, decoded before; a window is copied, as the others give copies."""
    if not path.is_file():
        np.save(path, _tensorstore(job).oindex[job.days].read().result())
    values = np.load(path, mmap_mode="r")
    return lambda places: (np.array(values[(slice(None), *job.index(place)[1:])]) for place in places)
