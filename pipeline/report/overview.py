"""What a cube is and where it is: a small map of its blocks, and the facts of its metadata."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import Formatter, MaxNLocator
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from mmvsf.datasets.cube.paths import expanded
from mmvsf.datasets.storage.location import Location, objects
from mmvsf.datasets.variables import Status
from mmvsf.datasets.words import months_in_words, plural

from .drawing import SPLIT_COLOURS, SPLIT_NAMES, handles
from .elements import Element, Facts, Note, ReportSection, drawn
from .view import ReportView

MOST_NAMES = 24
"""Blocks are named on the map up to this many."""
Box = tuple[float, float, float, float]
"""left, bottom, right, top; or west, east, south, north"""
KM_PER_DEGREE = 111.195
"""Of latitude, on a sphere of the Earth's mean radius."""


def overview_section(view: ReportView) -> ReportSection:
    """Title, attribution, map and facts."""
    region = view.cube.region
    elements: list[Element] = []
    if region.description:
        elements.append(Note(region.description))
    if attribution := str(view.cube.attributes.get("attribution", "") or region.attribution):
        elements.append(Note(attribution))
    elements.append(
        drawn(
            _locator(view),
            "Map of the blocks of the cube in longitude and latitude, coloured by the part they belong to",
            "The blocks of the cube, by the part of the data they belong to. Training data are never used for "
            "testing, nor test data for training.",
        )
    )
    elements.append(Facts(_facts(view)))
    return ReportSection("place", "What and where", elements)


def _locator(view: ReportView) -> Figure:
    """A map of the split units in degrees, with their names where they are few."""
    grid = view.cube.grid
    squares, codes = view.squares
    side = (grid.block if len(squares) == len(grid.blocks) else grid.chunk) * grid.resolution
    corners = np.array([[(y, x), (y, x + 1), (y + 1, x + 1), (y + 1, x)] for y, x in squares], float)
    lon, lat = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True).transform(
        grid.left + corners[..., 1] * side, grid.top - corners[..., 0] * side
    )
    lon -= 360 * np.rint((lon - lon.flat[0]) / 360)  # across 180 degrees
    stretch = 1 / np.cos(np.radians((lat.min() + lat.max()) / 2))
    box = _padded(lon, lat, stretch)
    ratio = float(np.clip((box[3] - box[2]) * stretch / (box[1] - box[0]), 0.3, 1.1))
    width = 6.6 if ratio < 0.8 else 4.6
    figure = Figure(figsize=(width, width * ratio + 0.5), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=box[:2], ylim=box[2:], aspect=stretch, xlabel="longitude", ylabel="latitude")
    _degrees(axes)
    colours = [SPLIT_COLOURS[code] for code in codes]
    axes.add_collection(
        PolyCollection(list(np.stack([lon, lat], -1)), facecolors=colours, edgecolors="white", linewidths=0.4)
    )
    middles = np.stack([lon.mean(1), lat.mean(1)], -1)
    if side / 1000 / KM_PER_DEGREE < 0.02 * (box[3] - box[2]):
        # Too small to be seen at this scale: mark the middles as well.
        axes.scatter(middles[:, 0], middles[:, 1], s=22, c=colours, marker="s", linewidths=0)
    if len(squares) == len(grid.blocks) <= MOST_NAMES:
        points_per_degree = 72 * (width - 1) / (box[1] - box[0])
        _write_names(axes, middles, points_per_degree * np.array([1.0, stretch]), [view.names[b] for b in squares])
    _scale_bar(axes, box, stretch)
    present = [part for part in SPLIT_COLOURS if part in codes]
    figure.legend(
        handles=handles([(SPLIT_NAMES[part], SPLIT_COLOURS[part]) for part in present]),
        loc="outside lower center",
        ncols=len(present),
    )
    return figure


def _padded(lon: NDArray[np.float64], lat: NDArray[np.float64], stretch: float) -> Box:
    """(west, east, south, north) of the points, with a margin and room for the scale bar below."""
    west, east, south, north = lon.min(), lon.max(), lat.min(), lat.max()
    pad = 0.08 * max(north - south, (east - west) / stretch)
    return west - pad * stretch, east + pad * stretch, south - 1.6 * pad, north + pad


def _write_names(
    axes: Axes, middles: NDArray[np.float64], points_per_degree: NDArray[np.float64], names: Sequence[str]
) -> None:
    """Write a name beside each middle (n, 2), in degrees."""
    for name, middle, offset in zip(names, middles, _offsets(middles * points_per_degree, names), strict=True):
        axes.annotate(name, tuple(middle), offset, textcoords="offset points", fontsize=8, va="center", ha="left")


def _offsets(middles: NDArray[np.float64], names: Sequence[str]) -> list[tuple[float, float]]:
    """Where each name begins, in points from its mark: right, left, above or below, so that names overlap each
    other and other marks as little as possible. `middles` (n, 2) are the marks in points."""
    right = middles[:, 0].max() + 40
    taken: list[Box] = [(x - 4, y - 4, x + 4, y + 4) for x, y in middles]
    offsets: list[tuple[float, float]] = []
    for (x, y), name in zip(middles, names, strict=True):
        width = 4.9 * len(name)
        choices = ((7.0, 0.0), (-7.0 - width, 0.0), (-width / 2, 11.0), (-width / 2, -11.0))

        boxes = [(x + dx, y + dy - 5, x + dx + width, y + dy + 5) for dx, dy in choices]
        crowded = [sum(_meet(box, other) for other in taken) + 5 * (box[2] > right) for box in boxes]
        best = int(np.argmin(crowded))
        offsets.append(choices[best])
        taken.append(boxes[best])
    return offsets


def _meet(a: Box, b: Box) -> bool:
    return bool(a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3])


class _Degrees(Formatter):
    """Degrees with the letter of their side."""

    def __init__(self, positive: str, negative: str) -> None:
        self.letters = positive, negative

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{abs(x):.6g}° {self.letters[int(x < 0)]}"


def _degrees(axes: Axes) -> None:
    for axis, (positive, negative) in ((axes.xaxis, "EW"), (axes.yaxis, "NS")):
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(_Degrees(positive, negative))
    axes.grid(axis="both")
    for spine in axes.spines.values():
        spine.set_visible(True)


def _scale_bar(axes: Axes, box: Box, stretch: float) -> None:
    """A bar of a round number of kilometres, about a fifth of the width, in the lower left corner."""
    west, east, south, north = box
    wanted = (east - west) / stretch * KM_PER_DEGREE / 5
    power = 10.0 ** np.floor(np.log10(wanted))
    length = max(step * power for step in (1, 2, 5) if step * power <= wanted)
    width, height = length / KM_PER_DEGREE * stretch, 0.008 * (north - south)
    x, y = west + 0.03 * (east - west), south + 0.035 * (north - south)
    axes.add_patch(Rectangle((x, y), width, height, color="#333333"))
    text = f"{length:g} km" if length >= 1 else f"{1000 * length:g} m"
    axes.text(x + width / 2, y + 1.6 * height, text, ha="center", va="bottom", fontsize=8.5)


def _facts(view: ReportView) -> list[tuple[str, str]]:
    cube, grid, region = view.cube, view.cube.grid, view.cube.region
    days = int(np.count_nonzero((view.status == Status.STORED).any(axis=1)))
    months = [month for month in region.period.season.months if month in region.period.months]
    season = "" if len(months) == 12 else f", {months_in_words(months)}"
    classes = f"; {plural(len(cube.legend.classes), 'class')}" if cube.legend else "none"
    labels = ", ".join(map(str, cube.label_years)) + classes
    cells = f"daily, cells of {grid.weather_cell * grid.resolution / 1000:.3g} km"
    rows = [
        ("coordinate system", f"{CRS.from_user_input(grid.crs).name} ({grid.crs})"),
        ("resolution", f"{grid.resolution:g} m"),
        (
            "blocks",
            f"{len(grid.blocks)} of {grid.block} × {grid.block} pixels ({view.side_km:.3g} km per side), "
            f"in chunks of {grid.chunk} × {grid.chunk}; {len(grid.blocks) * view.side_km**2:,.3g} km² in all",
        ),
        ("period", f"{region.period.start} to {region.period.end}{season}"),
        ("seasons", region.period.season.words),
        ("days seen", f"{plural(int(days), 'day')} on which at least one block was stored"),
        ("places", _places(view)),
        ("years", "; ".join(_years(view))),
        ("weather", f"{', '.join(cube.weather)}; {cells}" if cube.weather else "none"),
        ("labels", labels),
        *(_source(record, cube.path) for record in cube.attributes.get("sources", [])),
        ("size on disk", _size(view)),
        ("digest", cube.digest or "none recorded"),
        *_made(cube.attributes),
    ]
    return [(name, value) for name, value in rows if value]


def _source(record: dict[str, Any], cube: Location) -> tuple[str, str]:
    """(what, where it is from) of one record of the cube's sources."""
    layer = str(record.get("layer", "")).replace("_", " ")
    what = record.get("product") or layer or f"{record.get('role', 'data')} from"
    origin = " ".join(str(record[key]) for key in ("from", "url", "path", "collection") if record.get(key))
    origin = expanded(origin, cube)
    details = [str(record[key]) for key in ("processing", "source", "licence") if record.get(key)]
    return str(what), "; ".join(words for words in (origin, *details) if words)


def _made(attributes: dict[str, Any]) -> list[tuple[str, str]]:
    finished = str(attributes.get("finished", attributes.get("created", "unknown")))[:19].replace("T", " ")
    software = ", ".join(f"{name} {version}" for name, version in attributes.get("software", {}).items())
    return [("made", f"{finished} UTC"), ("software", software)]


def _places(view: ReportView) -> str:
    """How many blocks, or chunks where blocks are divided, belong to each part."""
    squares, codes = view.squares
    what = "blocks" if len(squares) == len(view.cube.grid.blocks) else "chunks"
    return f"{what}: " + ", ".join(f"{codes.count(part)} {SPLIT_NAMES[part]}" for part in SPLIT_NAMES if part in codes)


def _years(view: ReportView) -> list[str]:
    return [
        f"{SPLIT_NAMES[part]} " + ", ".join(str(year) for year, code in view.year_split.items() if code is part)
        for part in SPLIT_NAMES
        if part in view.year_split.values()
    ]


def _size(view: ReportView) -> str:
    total = sum(size for _, size in objects(view.cube.path))
    return f"{total / 1e6:,.0f} MB" if total < 1e10 else f"{total / 1e9:,.0f} GB"
