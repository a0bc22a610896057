"""The ground: maps of the layers that do not change, and their range over the region."""

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.variables import STATIC_BY_NAME

from .drawing import MISSING, WIDTH, map_frame
from .elements import Cell, Part, Section, Table, drawn
from .view import ReportView, spread

SUMMARISED = 200
"""Blocks whose range is told, at most."""
COLOURS = {"elevation": "cividis", "slope": "magma", "soil_water": "YlGnBu"}
QUARTILES = (0, 25, 50, 75, 100)

Layers = dict[str, NDArray[np.float32]]


def ground_sections(sample: ReportView) -> list[Section]:
    """A map of each static layer on the example blocks and a table of quartiles; nothing for a cube without."""
    cube = sample.cube
    if not cube.static_layers:
        return []
    blocks = spread(cube.grid.blocks, SUMMARISED)
    found = {block: cube.static(block) for block in {*blocks, *sample.example_blocks}}
    names = ", ".join(name.replace("_", " ") for name in cube.static_layers)
    parts: list[Part] = [
        drawn(
            _maps(sample, found),
            f"Maps of {names} on up to three blocks",
            f"The ground: {names}. Grey is unknown. Colours run over the range of the blocks shown.",
        ),
        _table(sample, [found[block] for block in blocks]),
    ]
    return [Section("ground", "The ground", parts)]


def _maps(sample: ReportView, found: dict[BlockIndex, Layers]) -> Figure:
    layers, blocks, side = sample.cube.static_layers, sample.example_blocks, sample.side_km
    square = min(WIDTH / 3, 2.9)
    figure = Figure(figsize=(square * len(blocks) + 1.2, square * len(layers) + 0.4), layout="constrained")
    rows = figure.subplots(len(layers), len(blocks), squeeze=False)
    for line, (row, name) in enumerate(zip(rows, layers, strict=True)):
        known = np.concatenate([found[block][name].ravel() for block in blocks])
        known = known[np.isfinite(known)]
        low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
        palette = colormaps[COLOURS[name]].with_extremes(bad=MISSING)
        scale = ScalarMappable(Normalize(low, high), palette)
        for number, (axes, block) in enumerate(zip(row, blocks, strict=True)):
            image = scale.to_rgba(np.ma.masked_invalid(found[block][name]))
            axes.imshow(image, extent=(0, side, 0, side), interpolation="nearest")
            if line == 0:
                axes.set_title(f"{sample.names[block]} ({sample.part_name(block)})")
            map_frame(axes, side, y_label=number == 0, x_label=line == len(layers) - 1)
        label = f"{name.replace('_', ' ')}, {STATIC_BY_NAME[name].units}"
        figure.colorbar(scale, ax=list(row), label=label, shrink=0.85)
    return figure


def _table(sample: ReportView, blocks: list[Layers]) -> Table:
    """Quartiles of each layer over all known pixels."""
    rows = []
    for name in sample.cube.static_layers:
        values = np.concatenate([block[name].ravel() for block in blocks])
        known = values[np.isfinite(values)]
        cells = [f"{value:.4g}" for value in np.percentile(known, QUARTILES)] if known.size else ["–"] * len(QUARTILES)
        share = f"{100 * known.size / values.size:.0f} %"
        label = f"{name.replace('_', ' ')} ({STATIC_BY_NAME[name].units})"
        rows.append([Cell(label), *map(Cell, cells), Cell(share)])
    scope = "" if len(blocks) == len(sample.cube.grid.blocks) else f", on {len(blocks)} blocks"
    return Table(f"Range of the ground{scope}", ["layer", "least", "25 %", "median", "75 %", "most", "known"], rows)
