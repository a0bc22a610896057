"""From a window of a source raster to the pixels of a target grid."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.variables import REFLECTANCE_FILL

from .smoothing import Smoothing

STRIP_PIXELS = 2**15
"""Target pixels whose weights, of 52 bytes each, are used for all bands before the next ones."""


class Strip(NamedTuple):
    """Some of the target pixels: so few that their weights stay in the processor's cache for all bands of a scene."""

    targets: slice
    """of the target pixels inside"""
    sources: slice
    """of the flat window"""
    weights: Any
    """scipy CSR (target pixels, window pixels) of this strip"""


@dataclass(frozen=True)
class Resampler:
    """From a window of a source raster to a whole target grid."""

    window: tuple[slice, slice]
    """the source rows and columns to read; empty where the grids do not meet"""
    target_shape: tuple[int, int]
    native: bool
    """True where source pixels are copied or replicated as they are"""
    inside: NDArray[np.bool_] | None
    """target pixels that have a nearest source pixel; None where all have"""
    nearest: NDArray[np.signedinteger[Any]]
    """(target pixels inside,) flat index into the window"""
    strips: tuple[Strip, ...] = ()
    """with the weights (bilinear, or averaging) of all target pixels inside; none where only nearest pixels are used"""
    area: tuple[slice, slice] | None = None
    """the target rows and columns that the window is copied to, where pixels are copied one to one"""
    smoothing: Smoothing | None = None
    """what averages the window before it is interpolated; None where its pixels are not finer than the target's"""

    @property
    def empty(self) -> bool:
        rows, columns = self.window
        return bool(rows.start >= rows.stop or columns.start >= columns.stop)

    @property
    def weights(self) -> Any:
        """scipy CSR (target pixels inside, window pixels) of all strips."""
        from scipy import sparse

        rows, columns = self.window
        count = (rows.stop - rows.start) * (columns.stop - columns.start)
        parts = []
        for strip in self.strips:
            weights = strip.weights
            members = (weights.data, weights.indices + strip.sources.start, weights.indptr)
            parts.append(sparse.csr_array(members, shape=(weights.shape[0], count)))
        return sparse.vstack(parts, "csr")

    @property
    def nbytes(self) -> int:
        """Memory of its arrays, with those that are made on first use."""
        arrays = [self.nearest, *(() if self.inside is None else (self.inside,))]
        for strip in self.strips:
            arrays += [strip.weights.data, strip.weights.indices, strip.weights.indptr]
        return sum(int(array.nbytes) for array in arrays) + (self.nearest.size if self.strips else 0)

    def codes(self, source: NDArray[Any], fill: float) -> NDArray[Any]:
        """Nearest neighbour, for masks and labels. `source` is the window; returns the target's shape, the window
        itself where it is all of the target."""
        if self.area is None:
            return self._place(source.ravel()[self.nearest], np.asarray(fill, source.dtype))
        if source.shape == self.target_shape:
            return source
        target = np.full(self.target_shape, fill, source.dtype)
        target[self.area] = source
        return target

    def reflectance(self, *sources: NDArray[np.int16]) -> list[NDArray[np.int16]]:
        """Of each source, bilinear, for finer pixels of their means (a copy where `native`). A source is the window;
        the results have the target's shape.

        One contributor without data leaves the target pixel without, so fill never bleeds into values.
        Rounds half to even."""
        if self.native:
            return [self.codes(source, REFLECTANCE_FILL) for source in sources]
        values = np.empty((len(sources), self.nearest.size), np.int16)
        if self.smoothing is None:
            flat = [source.ravel() for source in sources]
            for strip in self.strips:
                for number, band in enumerate(flat):
                    values[number, strip.targets] = _weighted(strip.weights, band[strip.sources])
        else:  # band by band: their means take more memory than the bands
            for number, source in enumerate(sources):
                smooth, unknown = self.smoothing.apply(source, REFLECTANCE_FILL)
                means, missing = smooth.ravel(), unknown.ravel()
                for strip in self.strips:
                    values[number, strip.targets] = _weighted(
                        strip.weights, means[strip.sources], missing[strip.sources]
                    )
        if self._beyond_edge is not None:
            values[:, self._beyond_edge] = REFLECTANCE_FILL
        return [self._place(band, np.int16(REFLECTANCE_FILL)) for band in values]

    def sums(self, source: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Bilinear sums of measured numbers, NaN where unknown: (weighted sum of the known ones, sum of their weights),
        both of the target's shape; 0 and 0 where nothing is known. `source` is the window; without `smoothing`, so that
        the target must be as fine as it."""
        flat = source.ravel()
        known = ~np.isnan(flat)
        filled = np.where(known, flat, 0.0)
        if self.native:
            return self._place(filled[self.nearest], 0.0), self._place(known[self.nearest].astype(np.float64), 0.0)
        return self._place(self._sums(filled), 0.0), self._place(self._sums(known.astype(np.float64)), 0.0)

    def _sums(self, flat: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([strip.weights @ flat[strip.sources] for strip in self.strips])

    @cached_property
    def _beyond_edge(self) -> NDArray[np.bool_] | None:
        """(target pixels inside,) whether part of the weights fell outside the raster, which counts as a contributor
        without data; None where none did. The same for every band."""
        sums = [np.asarray(strip.weights.sum(axis=1)).ravel() for strip in self.strips]
        beyond: NDArray[np.bool_] = np.concatenate(sums) < 1 - 1e-9
        return beyond if beyond.any() else None

    def _place(self, values: NDArray[Any], fill: Any) -> NDArray[Any]:
        if self.inside is None:
            return values.reshape(self.target_shape)
        target = np.full(self.target_shape, fill, values.dtype)
        target[self.inside] = values
        return target


def _weighted(weights: Any, source: NDArray[Any], missing: NDArray[np.bool_] | None = None) -> NDArray[np.int16]:
    """Weighted sums of a strip, rounded; REFLECTANCE_FILL where one of the contributors is, or is `missing`."""
    sums = weights @ source.astype(np.float64)
    values: NDArray[np.int16] = np.rint(sums, out=sums).astype(np.int16)
    if missing is None:
        missing = source == REFLECTANCE_FILL if source.min() == REFLECTANCE_FILL else None
    if missing is not None:
        values[(weights @ missing.astype(np.float64)) > 0] = REFLECTANCE_FILL
    return values


def strips_of(weights: Any) -> tuple[Strip, ...]:
    """The weights (target pixels, window pixels) in strips."""
    from scipy import sparse

    strips = []
    for start in range(0, weights.shape[0], STRIP_PIXELS):
        part = weights[start : start + STRIP_PIXELS]
        low, high = int(part.indices.min()), int(part.indices.max()) + 1
        members = (part.data, part.indices - part.indices.dtype.type(low), part.indptr)
        own = sparse.csr_array(members, shape=(part.shape[0], high - low))
        strips.append(Strip(slice(start, start + part.shape[0]), slice(low, high), own))
    return tuple(strips)
