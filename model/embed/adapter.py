"""A user-defined encoder on the windows of a cube, through the adapter of `protocol`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.area import from_lonlat
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import Window
from mmvsf.datasets.variables import band_scales

from .load import load_encoder
from .protocol import Encoder, EncoderInput, Floats
from .seasons import SeasonDays

PAGE = "see docs/encoders.md"
MOST = float(np.finfo(np.float16).max)
"""Embeddings are stored as float16."""


@dataclass(frozen=True)
class AdaptedEncoder:
    """An encoder opened for a cube. The embedding of a season is that of its last day.

    It is pickled for worker processes by the name from which it can be loaded, where it has one.
    """

    source: Encoder | str
    """The encoder, or what `load_encoder` takes."""
    reader: WindowReader
    code: str | None
    """SHA-256 of the file that a named encoder was loaded from"""

    @classmethod
    def of(cls, cube: Cube, source: Encoder | str) -> AdaptedEncoder:
        """Raises InputError where there is no such encoder, or one of its attributes is missing or wrong."""
        encoder, code = load_encoder(source) if isinstance(source, str) else (source, None)
        check_encoder(encoder, source if isinstance(source, str) else type(source).__name__, cube)
        return cls(source, WindowReader(cube, Normalisation.none(cube)), code)

    @property
    def encoder(self) -> Encoder:
        return load_encoder(self.source)[0] if isinstance(self.source, str) else self.source

    @property
    def patch(self) -> int:
        return self.encoder.patch

    @property
    def width(self) -> int:
        return self.encoder.width

    @property
    def window(self) -> int:
        return self.reader.cube.grid.chunk

    def settings(self, every: int | None) -> dict[str, Any]:
        """See `WindowEncoder`."""
        names = ("name", "version", "digest", "width", "patch", "season_before")
        model = {name: getattr(self.encoder, name) for name in names}
        return {"model": {**model, "code_sha256": self.code, "window": self.window}}

    def season(
        self, tiles: Sequence[Window], season: SeasonDays
    ) -> Iterator[tuple[Window, Floats, NDArray[np.uint16]]]:
        """See `WindowEncoder`. Raises InputError for an embedding of another shape, or that cannot be stored."""
        until = [season.last] if season.whole else season.days.tolist()
        for tile in tiles:
            parts = [self._embedded(given) for given in self._inputs(tile, until)]
            yield tile, np.stack([part[0] for part in parts]), np.stack([part[1] for part in parts])

    def _inputs(self, tile: Window, until: Sequence[int]) -> Iterator[EncoderInput]:
        """What is known of a window on each of some days."""
        cube, reader = self.reader.cube, self.reader
        days = np.concatenate([tile.earlier, tile.days]) if self.encoder.season_before else tile.days
        stored, valid = reader.begin_stored(tile, days)()
        images = stored * band_scales(cube.bands).astype(np.float32)[:, None, None]
        images[~np.repeat(valid[:, None], len(cube.bands), axis=1)] = np.nan
        start, weather = reader.weather(tile.cell, tile.year)
        longitude, latitude = self._places(tile)
        for day in until:
            seen, known = int(np.searchsorted(days, day, "right")), max(day - start, 0)
            yield EncoderInput(
                images=images[:seen],
                valid=valid[:seen],
                days=days[:seen].astype("datetime64[D]"),
                weather=weather[:known],
                weather_days=np.arange(start, start + len(weather[:known])).astype("datetime64[D]"),
                until=np.datetime64(day, "D"),
                latitude=latitude,
                longitude=longitude,
                bands=cube.bands,
                variables=cube.weather,
            )

    def _places(self, tile: Window) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Longitude and latitude (pixel,) of the centres of the pixels, row by row."""
        rows, columns = tile.slices
        y, x = self._centres
        east, north = np.meshgrid(x[columns], y[rows])
        longitude, latitude = from_lonlat(self.reader.cube.grid.crs).transform(
            east.ravel(), north.ravel(), direction="INVERSE"
        )
        return longitude, latitude

    @cached_property
    def _centres(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self.reader.cube.grid.coordinates()

    def _embedded(self, given: EncoderInput) -> tuple[Floats, NDArray[np.uint16]]:
        """Embeddings (y, x, width), and the number of images (y, x) in which some of the patch was clear."""
        encoder, side = self.encoder, self.window // self.encoder.patch
        blocks = given.valid.reshape(len(given.valid), side, encoder.patch, side, encoder.patch)
        seen = blocks.any((2, 4)).sum(0).astype(np.uint16)
        if not seen.any():
            return np.full((side, side, encoder.width), np.nan, np.float32), seen
        result = np.asarray(encoder(given), np.float32)
        shapes = ((side**2, encoder.width), (side, side, encoder.width))
        if result.shape not in shapes:
            raise InputError(
                f"the encoder {encoder.name} returned an array of shape {result.shape}, where"
                f" {' or '.join(map(str, shapes))} is expected; {PAGE}"
            )
        largest = np.abs(result, where=np.isfinite(result), out=np.zeros_like(result)).max()
        if np.isinf(result).any() or largest > MOST:
            raise InputError(
                f"the encoder {encoder.name} returned a number beyond float16 ({MOST:g}); scale its embeddings"
            )
        return np.where((seen > 0)[..., None], result.reshape(shapes[1]), np.float32(np.nan)), seen


def check_encoder(encoder: Encoder, source: str, cube: Cube) -> None:
    """Raise InputError where what was named as `source` is no encoder, an attribute of it is missing or wrong, or it
    does not fit the cube."""
    if not isinstance(encoder, Encoder):
        raise InputError(f"the encoder {source}: it is not an instance of a class derived from mmvsf.Encoder; {PAGE}")
    for name in ("name", "version", "digest"):
        if not isinstance(getattr(encoder, name, None), str) or not getattr(encoder, name):
            raise InputError(f"the encoder {source}: its attribute `{name}` must be a string; {PAGE}")
    for name in ("width", "patch"):
        value = getattr(encoder, name, None)
        if not isinstance(value, int) or value < 1:
            raise InputError(f"the encoder {source}: its attribute `{name}` must be a whole number from 1; {PAGE}")
    for kind, expected, actual in (
        ("bands", encoder.bands, cube.bands),
        ("weather variables", encoder.variables, cube.weather),
    ):
        if expected and tuple(expected) != actual:
            raise InputError(
                f"the encoder {source}: it needs the {kind} {', '.join(expected)}, in this order, and {cube.path} has"
                f" {', '.join(actual) or 'none'}; build a cube with those"
            )
