"""The labels: a map of one year, and the share of each class in every year."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.cube.legend import Legend
from mmvsf.datasets.variables import CONFIDENCE_FILL
from mmvsf.datasets.words import plural

from .drawing import WIDTH, class_handles, class_image, colour, map_frame
from .elements import Absent, Cell, Element, ReportSection, ReportTable, drawn, percent
from .view import ReportView, spread

COUNTED = 200
"""Blocks whose labels are counted, at most."""
LISTED = 20
"""Classes in the table, at most: the most frequent."""


def labels_section(view: ReportView) -> ReportSection:
    """A label map of the example year and a table of shares."""
    title, legend = "Labels", view.cube.legend
    if legend is None or not view.cube.label_years:
        text = "This cube has no labels. Add `labels` to its recipe, then read only these:"
        return ReportSection("labels", title, [Absent(text, view.command("extend"))])
    year = view.example_year
    elements: list[Element] = [
        drawn(
            _map(view, legend, year),
            f"Crop labels of {year} on up to three blocks",
            f"Crop and land cover classes of {year}.",
        ),
        _shares(view, legend),
    ]
    return ReportSection("labels", title, elements)


def _map(view: ReportView, legend: Legend, year: int) -> Figure:
    blocks, side = view.example_blocks, view.side_km
    width = WIDTH if len(blocks) > 1 else 0.55 * WIDTH
    figure = Figure(figsize=(width, min(width / len(blocks), 4.4) + 0.9), layout="constrained")
    row = figure.subplots(1, len(blocks), squeeze=False)[0]
    maps = [view.labels(year, *view.cube.grid.block_slices(block)) for block in blocks]
    for number, (axes, block, codes) in enumerate(zip(row, blocks, maps, strict=True)):
        axes.imshow(class_image(codes, legend.classes), extent=(0, side, 0, side), interpolation="nearest")
        axes.set_title(f"{view.names[block]} ({view.part_name(block)})")
        map_frame(axes, side, y_label=number == 0)
    entries = class_handles(legend.classes, maps)
    figure.legend(handles=entries, loc="outside lower center", ncols=min(len(entries), 7 if len(blocks) > 1 else 3))
    return figure


def _shares(view: ReportView, legend: Legend) -> ReportTable:
    """Percent of the labelled pixels that each class has in each year; and of all pixels that have a label."""
    blocks, years = spread(view.cube.grid.blocks, COUNTED), view.cube.label_years
    counts = _count(view, legend, blocks)
    labelled = counts.sum(axis=1)

    def cells(of_years: NDArray[np.int64]) -> list[Cell]:
        """Of pixels in each year, as shares of the labelled ones."""
        return [Cell(percent(n / total if total else None)) for n, total in zip(of_years, labelled, strict=True)]

    frequent = np.argsort(-counts.sum(axis=0), kind="stable")[:LISTED]
    occurring = np.flatnonzero(counts.any(axis=0))
    rows = [
        [Cell(entry.name, swatch=colour(entry.color)), *cells(counts[:, c])]
        for c, entry in enumerate(legend.classes)
        if c in frequent and c in occurring
    ]
    if others := np.setdiff1d(occurring, frequent).tolist():
        rows.append([Cell(plural(len(others), "other class")), *cells(counts[:, others].sum(axis=1))])
    if view.cube.confidence:
        rows.append([Cell("mean confidence"), *(Cell(percent(_confidence(view, year, blocks))) for year in years)])
    pixels = len(blocks) * view.cube.grid.block**2
    rows.append([Cell("labelled, of all pixels"), *(Cell(percent(n / pixels)) for n in labelled)])
    scope = "" if len(blocks) == len(view.cube.grid.blocks) else f", on {plural(len(blocks), 'block')}"
    return ReportTable(f"Share of the labelled pixels{scope}", ["class", *map(str, years)], rows)


def _count(view: ReportView, legend: Legend, blocks: Sequence[BlockIndex]) -> NDArray[np.int64]:
    """(years, classes): pixels of each class of the legend on some blocks."""
    counts = np.zeros((len(view.cube.label_years), len(legend.classes)), np.int64)
    for position, year in enumerate(view.cube.label_years):
        for block in blocks:
            codes, pixels = np.unique(view.labels(year, *view.cube.grid.block_slices(block)), return_counts=True)
            of_code = dict(zip(codes.tolist(), pixels.tolist(), strict=True))
            counts[position] += [of_code.get(code, 0) for code in legend.codes]
    return counts


def _confidence(view: ReportView, year: int, blocks: Sequence[BlockIndex]) -> float | None:
    """Mean confidence of a year's labels on some blocks, as a fraction; None where there is none."""
    total = count = 0
    for block in blocks:
        confidence = view.labels(year, *view.cube.grid.block_slices(block), array="confidence")
        given = confidence[confidence != CONFIDENCE_FILL]
        total, count = total + int(given.sum(dtype=np.int64)), count + given.size
    return total / count / 100 if count else None
