"""Static layers (terrain, soil): maps, and their range over the region."""

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.variables import STATIC_BY_NAME
from mmvsf.datasets.words import plural

from .drawing import MISSING, WIDTH, map_frame
from .elements import Cell, Element, ReportSection, ReportTable, drawn
from .view import ReportView, spread

SUMMARISED = 200
"""Blocks whose range is given, at most."""
COLOURS = {"elevation": "cividis", "slope": "magma", "soil_water": "YlGnBu"}
QUARTILES = (0, 25, 50, 75, 100)

Layers = dict[str, NDArray[np.float32]]


def static_sections(view: ReportView) -> list[ReportSection]:
    """A map of each static layer on the example blocks and a table of quartiles; nothing for a cube without."""
    cube = view.cube
    if not cube.static_layers:
        return []
    blocks = spread(cube.grid.blocks, SUMMARISED)
    layers = {block: cube.static(block) for block in {*blocks, *view.example_blocks}}
    names = ", ".join(name.replace("_", " ") for name in cube.static_layers)
    elements: list[Element] = [
        drawn(
            _maps(view, layers),
            f"Maps of {names} on up to three blocks",
            f"Static layers: {names}. Grey: no data. The colours span the range of the blocks shown.",
        ),
        _table(view, [layers[block] for block in blocks]),
    ]
    return [ReportSection("static", "Terrain and soil", elements)]


def _maps(view: ReportView, values: dict[BlockIndex, Layers]) -> Figure:
    layers, blocks, side = view.cube.static_layers, view.example_blocks, view.side_km
    square = min(WIDTH / 3, 2.9)
    figure = Figure(figsize=(square * len(blocks) + 1.2, square * len(layers) + 0.4), layout="constrained")
    rows = figure.subplots(len(layers), len(blocks), squeeze=False)
    for line, (row, name) in enumerate(zip(rows, layers, strict=True)):
        pixels = np.concatenate([values[block][name].ravel() for block in blocks])
        finite = pixels[np.isfinite(pixels)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        palette = colormaps[COLOURS[name]].with_extremes(bad=MISSING)
        scale = ScalarMappable(Normalize(low, high), palette)
        for number, (axes, block) in enumerate(zip(row, blocks, strict=True)):
            image = scale.to_rgba(np.ma.masked_invalid(values[block][name]))
            axes.imshow(image, extent=(0, side, 0, side), interpolation="nearest")
            if line == 0:
                axes.set_title(f"{view.names[block]} ({view.part_name(block)})")
            map_frame(axes, side, y_label=number == 0, x_label=line == len(layers) - 1)
        label = f"{name.replace('_', ' ')}, {STATIC_BY_NAME[name].units}"
        figure.colorbar(scale, ax=list(row), label=label, shrink=0.85)
    return figure


def _table(view: ReportView, blocks: list[Layers]) -> ReportTable:
    """Quartiles of each layer over all pixels that have data."""
    rows = []
    for name in view.cube.static_layers:
        values = np.concatenate([block[name].ravel() for block in blocks])
        finite = values[np.isfinite(values)]
        cells = (
            [f"{value:.4g}" for value in np.percentile(finite, QUARTILES)] if finite.size else ["–"] * len(QUARTILES)
        )
        share = f"{100 * finite.size / values.size:.0f} %"
        label = f"{name.replace('_', ' ')} ({STATIC_BY_NAME[name].units})"
        rows.append([Cell(label), *map(Cell, cells), Cell(share)])
    scope = "" if len(blocks) == len(view.cube.grid.blocks) else f", on {plural(len(blocks), 'block')}"
    head = ["layer", "minimum", "25 %", "median", "75 %", "maximum", "with data"]
    return ReportTable(f"Range of the static layers{scope}", head, rows)
