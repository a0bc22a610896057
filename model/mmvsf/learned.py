"""What a model learned from, as its config.json records it: cubes, with the places and seasons that trained it, and the
models that it began from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Self

import numpy as np
import shapely
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, field_validator
from pyproj import CRS, Transformer

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.folds import Fold
from mmvsf.datasets.samples.reader import Normalisation
from mmvsf.datasets.samples.statistics import training_statistics
from mmvsf.datasets.samples.windows import HELD_OUT, Window, index_windows
from mmvsf.datasets.variables import Split
from mmvsf.datasets.words import months_in_words, plural

Rectangle = tuple[float, float, float, float]
"""(left, bottom, right, top) in metres"""

MOST = 1000
"""Rectangles that record the places of a cube; with more, they are drawn on a coarser grid and cover a little more."""
CLOSE = 1.25
"""Ratio of two resolutions up to which they count as one."""
FAR = 3.0
"""Deviations between the mean of a variable in a cube and in what a model learned from, beyond which it is reported."""
SLIVER = 0.01
"""Share of a window in places that were learned from up to which it is taken for a neighbour: grids in two CRSs do not
meet exactly."""


class LearnedCube(BaseModel):
    """The part of a cube that a model was trained on."""

    model_config = ConfigDict(frozen=True)

    title: str
    terms: tuple[str, ...]
    """attribution and licences of its sources"""
    products: tuple[str, ...]
    resolution: float
    """metres"""
    world: dict[str, Any] | None
    """the simulation that its images come from; None for real ones"""
    crs: str
    places: tuple[Rectangle, ...]
    """the chunks of its training split, joined to rectangles, in metres of `crs`"""
    seasons: tuple[tuple[date, date], ...]
    """first and last day of each training season"""
    months: tuple[int, ...] = ()
    """of its images; models of earlier releases did not record them"""

    @field_validator("crs")
    @classmethod
    def _exists(cls, value: str) -> str:
        CRS.from_user_input(value)
        return value

    @classmethod
    def of(cls, cube: Cube, fold: Fold) -> Self:
        seasons = [cube.season.season(year) for year in fold.years_of(cube, Split.TRAIN)]
        return cls(
            title=cube.region.title,
            terms=tuple(cube_licences(cube)),
            products=tuple(cube.region.imagery.products),
            resolution=cube.grid.resolution,
            world=_world(cube),
            crs=cube.grid.crs,
            places=_places(cube, fold),
            seasons=tuple((season.first, season.last) for season in seasons),
            months=cube.region.period.months,
        )

    def windows_in(self, cube: Cube, windows: Sequence[Window]) -> set[tuple[int, int, int]]:
        """The (row, column, year) of those windows of a cube whose place and season lie in what was learned from. Real
        images and those of another simulation are other images, wherever they lie."""
        if self.world != _world(cube):
            return set()
        years = {
            year
            for year, season in ((year, cube.season.season(year)) for year in cube.years)
            if any(first <= season.last and season.first <= last for first, last in self.seasons)
        }
        chosen = [window for window in windows if window.year in years]
        inside = self._contains(cube, chosen)
        return {(w.row, w.column, w.year) for w, known in zip(chosen, inside, strict=True) if known}

    def _contains(self, cube: Cube, windows: Sequence[Window]) -> NDArray[np.bool_]:
        """(n,) whether more than a sliver of each window lies in `places`."""
        if not windows or not self.places:
            return np.zeros(len(windows), bool)
        grid = cube.grid
        row, column, size = np.array([(w.row, w.column, w.size) for w in windows]).T
        x = grid.left + grid.resolution * np.stack([column, column + size, column + size, column], axis=1)
        y = grid.top - grid.resolution * np.stack([row, row, row + size, row + size], axis=1)
        corners = np.stack(Transformer.from_crs(grid.crs, self.crs, always_xy=True).transform(x, y), axis=-1)
        near = np.isfinite(corners).all(axis=(1, 2))  # far from its area of use a CRS has no coordinates
        squares = shapely.polygons(corners[near])
        boxes = shapely.box(*np.array(self.places).T)
        square, box = shapely.STRtree(boxes).query(squares, predicate="intersects")
        shared = shapely.area(shapely.intersection(squares[square], boxes[box]))
        inside = np.zeros(len(windows), bool)
        inside[near] = np.bincount(square, shared, len(squares)) > SLIVER * shapely.area(squares)
        return inside


class Generation(BaseModel):
    """A trained model in the line that leads to another."""

    model_config = ConfigDict(frozen=True)

    weights_sha256: str
    cubes: dict[str, str]
    """digest -> name of the cubes that it was trained on"""
    learned: dict[str, LearnedCube] = {}
    """by digest; models of earlier releases did not record it"""


def generations(config: Mapping[str, Any]) -> tuple[Generation, ...]:
    """A model and those that it began from, newest first, from its configuration. Raises ValueError, LookupError or
    RuntimeError where that is damaged."""
    return tuple(map(Generation.model_validate, [config, *config.get("started_from", [])]))


def learned_held_out(config: Mapping[str, Any], cube: Cube) -> dict[str, Any]:
    """Of the windows that a cube holds out, how many there are and how many a model with this configuration, or one
    before it, was trained on, by the places and seasons that are recorded; and which of their cubes record none. Raises
    InputError where the cube has no window for training, and as `generations`."""
    line, index = generations(config), index_windows(cube)
    held_out = [window for part in HELD_OUT for window in index[part]]
    own = LearnedCube.of(cube, Fold.of(cube))  # nothing of it is held out, though many places are recorded coarsely
    cubes = [learned for generation in line for learned in generation.learned.values() if learned != own]
    seen: set[tuple[int, int, int]] = set().union(*(learned.windows_in(cube, held_out) for learned in cubes))
    return {
        "same_cube": any(cube.digest in generation.cubes for generation in line),
        "windows": {part: len(index[part]) for part in HELD_OUT},
        "learned": {part: sum((w.row, w.column, w.year) in seen for w in index[part]) for part in HELD_OUT},
        "not_recorded": sorted({digest for each in line for digest in each.cubes if digest not in each.learned}),
    }


def held_out_note(learned: Mapping[str, Any], cube: Cube, folder: Path) -> str | None:
    """What a user should know of the result of `learned_held_out` for the model in a folder; None for nothing."""
    seen, windows = sum(learned["learned"].values()), sum(learned["windows"].values())
    if seen:
        return (
            f"warning: the model in {folder} was trained on {seen} of the {plural(windows, 'window')} that {cube.path}"
            " holds out: its scores there are not those of unseen data"
        )
    if learned["not_recorded"]:
        return (
            f"note: the model in {folder} does not record which places and years of its cubes it was trained on, so"
            f" they may be some that {cube.path} holds out"
        )
    return None


def differences(cubes: Sequence[LearnedCube], cube: Cube) -> list[str]:
    """In what the images of a cube differ from all that were learned from, one phrase each."""
    phrases = []
    resolutions = sorted({learned.resolution for learned in cubes})
    here = cube.grid.resolution
    if resolutions and not any(max(here, each) / min(here, each) <= CLOSE for each in resolutions):
        phrases.append(f"pixels of {here:g} m, and {', '.join(f'{each:g}' for each in resolutions)} m in training")
    known = {product for learned in cubes for product in learned.products}
    if cubes and (new := sorted(set(cube.region.imagery.products) - known)):
        phrases.append(f"images of {', '.join(new)}, which were not in training")
    months = {month for learned in cubes for month in learned.months or range(1, 13)}
    if cubes and (other := [month for month in cube.region.period.months if month not in months]):
        phrases.append(f"images from {months_in_words(other)}, and none from then in training")
    return phrases


def far_off(normalisation: Normalisation, cube: Cube) -> list[str]:
    """A phrase about the variables whose mean in a cube lies far from that in training; none without them, or where
    the cube holds out all that is clear."""
    try:
        statistics = training_statistics(cube)
    except InputError:
        return []
    far = [
        name
        for here, learned in zip(statistics, (normalisation.bands, normalisation.weather), strict=True)
        for name, off in zip(here.names, np.subtract(here.mean, learned.mean) / learned.std, strict=True)
        if abs(off) > FAR
    ]
    return [f"the mean of {', '.join(far)} lies more than {FAR:g} deviations off"] if far else []


def cube_licences(cube: Cube) -> list[str]:
    """The attribution and the licences of the sources that a cube names, each once."""
    texts = [cube.attributes.get("attribution", ""), *(s.get("licence") for s in cube.attributes.get("sources", ()))]
    return list(dict.fromkeys(text for text in texts if text)) or ["not stated"]


def _world(cube: Cube) -> dict[str, Any] | None:
    simulation = cube.region.simulate
    return None if simulation is None else simulation.model_dump(mode="json", exclude={"path"})


def _places(cube: Cube, fold: Fold) -> tuple[Rectangle, ...]:
    """The chunks for training, joined to at most MOST rectangles."""
    grid, mask = cube.grid, fold.places == Split.TRAIN
    side = grid.chunk * grid.resolution
    while len(rectangles := _rectangles(mask)) > MOST:
        even = np.pad(mask, [(0, size % 2) for size in mask.shape])
        mask = even[::2, ::2] | even[1::2, ::2] | even[::2, 1::2] | even[1::2, 1::2]
        side *= 2
    return tuple(
        (grid.left + left * side, grid.top - bottom * side, grid.left + right * side, grid.top - top * side)
        for top, left, bottom, right in rectangles
    )


def _rectangles(mask: NDArray[np.bool_]) -> list[tuple[int, int, int, int]]:
    """(top, left, bottom, right) of rectangles that together cover what is True: runs of a row, joined downwards where
    the next row has the same."""
    begun: dict[tuple[int, int], int] = {}
    done = []
    for row, line in enumerate(np.pad(mask, ((0, 1), (1, 1)))):
        edges = np.flatnonzero(np.diff(line.astype(np.int8))).tolist()
        runs = set(zip(edges[::2], edges[1::2], strict=True))
        for left, right in sorted(begun.keys() - runs):
            done.append((begun.pop((left, right)), left, row, right))
        for run in runs:
            begun.setdefault(run, row)
    return done
