"""A forecast as Cloud-Optimized GeoTIFFs, written block by block so that no area is too large."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.sidecars.forecasts import (
    DIFFERENCE,
    MEDIAN,
    NDVI,
    QUANTILE,
    layer_file,
    quantile_bands,
    quantile_name,
)
from mmvsf.datasets.storage.geotiff import GeoTiffDraft, RasterHeader, cog_file
from mmvsf.datasets.variables import REFLECTANCE_FILL, REFLECTANCE_SCALE
from mmvsf.model.metrics import has_ndvi

from .area import Area
from .distribution import QUANTILES
from .job import BlockQuantiles, ForecastJob
from .variables import compared, in_units, scales_of


def layer_kinds(job: ForecastJob, bands: Sequence[str]) -> tuple[str, ...]:
    """The kinds that a forecast has: NDVI where the bands are enough for it, a difference
    where there is a scenario."""
    has = {MEDIAN: True, QUANTILE: True, NDVI: has_ndvi(bands), DIFFERENCE: job.scenario is not None}
    return tuple(kind for kind, there in has.items() if there)


@dataclass(frozen=True)
class LayerWriter:
    """Writes the blocks of a forecast; `layer_writer` makes one."""

    job: ForecastJob
    cube: Cube
    layers: Mapping[tuple[str, int], GeoTiffDraft]

    def write(self, block: BlockIndex, values: BlockQuantiles) -> None:
        """The part of a block that lies in the area. Raises OSError."""
        area, bands = self.job.area, self.cube.bands
        rows, columns = area.part_of(self.cube.grid, block)
        at = (
            slice(rows.start - area.rows.start, rows.stop - area.rows.start),
            slice(columns.start - area.columns.start, columns.stop - area.columns.start),
        )
        middle, count = QUANTILES.index(0.5), len(bands)
        for (kind, day), draft in self.layers.items():
            number = self.job.days.index(day)
            quantiles = values.quantiles[:, number]  # (Q, K, H, W)
            if kind == MEDIAN:
                draft.write(in_units(quantiles[middle, :count], scales_of(bands)[:count, None, None]), *at)
            elif kind == QUANTILE:
                draft.write(quantiles[:, :count].swapaxes(0, 1).reshape(-1, *quantiles.shape[-2:]), *at)
            else:
                draft.write(quantiles[:, count] if kind == NDVI else values.difference[:, number], *at)


@contextmanager
def layer_writer(job: ForecastJob, cube: Cube, folder: Path, tags: Mapping[str, str]) -> Iterator[LayerWriter]:
    """Write the layers of all days: the median in float32, all others int16 as the cube stores its bands. They replace
    those of an earlier run when all are read back at the end of the block. Raises OSError where the disk refuses or a
    file is not what was written."""
    with ExitStack() as files:
        layers = {
            (kind, day): files.enter_context(
                cog_file(
                    folder / layer_file(kind, date_of(day)),
                    _header(job, cube, kind, {"day": str(date_of(day)), **tags}),
                )
            )
            for kind in layer_kinds(job, cube.bands)
            for day in job.days
        }
        yield LayerWriter(job, cube, layers)
        for (kind, _), draft in layers.items():
            draft.finish(predictor="YES" if kind == MEDIAN else "STANDARD", resampling="AVERAGE")


def _header(job: ForecastJob, cube: Cube, kind: str, tags: Mapping[str, str]) -> RasterHeader:
    area: Area = job.area
    box = cube.grid.geobox[area.rows, area.columns]
    place = (area.shape, "float32" if kind == MEDIAN else "int16", str(box.crs), box.affine)
    if kind == MEDIAN:
        return RasterHeader(*place, np.nan, cube.bands, tags={0: tags})
    if kind == QUANTILE:
        scales = tuple(scales_of(cube.bands)[: len(cube.bands)].repeat(len(QUANTILES)).tolist())
        return RasterHeader(*place, REFLECTANCE_FILL, quantile_bands(cube.bands, QUANTILES), scales, tags={0: tags})
    variable = "ndvi" if kind == NDVI else compared(cube.bands)
    scale = REFLECTANCE_SCALE if variable == "ndvi" else float(scales_of(cube.bands)[0])
    levels = tuple(quantile_name(level) for level in QUANTILES)
    return RasterHeader(*place, REFLECTANCE_FILL, levels, (scale,), tags={0: {**tags, "variable": variable}})
