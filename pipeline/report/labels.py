"""The labels: a map of one year, and the share of each class in every year."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.cube.legend import Legend
from mmvsf.datasets.variables import CONFIDENCE_FILL

from .drawing import WIDTH, class_handles, class_image, colour, map_frame
from .elements import Absent, Cell, Part, Section, Table, drawn, percent
from .view import ReportView, spread

COUNTED = 200
"""Blocks whose labels are counted, at most."""
LISTED = 20
"""Classes in the table, at most: the most frequent."""


def labels_section(sample: ReportView) -> Section:
    """A label map of the example year and a table of shares."""
    title, legend = "Labels", sample.cube.legend
    if legend is None or not sample.cube.label_years:
        text = "This cube has no labels. Add `labels` to its recipe and build it again."
        return Section("labels", title, [Absent(text, f"{sample.command('dataset')} --overwrite")])
    year = sample.example_year
    parts: list[Part] = [
        drawn(
            _map(sample, legend, year),
            f"Crop labels of {year} on up to three blocks",
            f"Crop and cover classes of {year}.",
        ),
        _shares(sample, legend),
    ]
    return Section("labels", title, parts)


def _map(sample: ReportView, legend: Legend, year: int) -> Figure:
    blocks, side = sample.example_blocks, sample.side_km
    width = WIDTH if len(blocks) > 1 else 0.55 * WIDTH
    figure = Figure(figsize=(width, min(width / len(blocks), 4.4) + 0.9), layout="constrained")
    row = figure.subplots(1, len(blocks), squeeze=False)[0]
    maps = [sample.labels(year, *sample.cube.grid.block_slices(block)) for block in blocks]
    for number, (axes, block, codes) in enumerate(zip(row, blocks, maps, strict=True)):
        axes.imshow(class_image(codes, legend.classes), extent=(0, side, 0, side), interpolation="nearest")
        axes.set_title(f"{sample.names[block]} ({sample.part_name(block)})")
        map_frame(axes, side, y_label=number == 0)
    entries = class_handles(legend.classes, maps)
    figure.legend(handles=entries, loc="outside lower center", ncols=min(len(entries), 7 if len(blocks) > 1 else 3))
    return figure


def _shares(sample: ReportView, legend: Legend) -> Table:
    """Percent of the labelled pixels that each class has in each year; and of all pixels that have a label."""
    blocks = spread(sample.cube.grid.blocks, COUNTED)
    years = sample.cube.label_years
    counts = np.zeros((len(years), len(legend.classes)), np.int64)
    for position, year in enumerate(years):
        for block in blocks:
            found, number = np.unique(sample.labels(year, *sample.cube.grid.block_slices(block)), return_counts=True)
            own = dict(zip(found.tolist(), number.tolist(), strict=True))
            counts[position] += [own.get(code, 0) for code in legend.codes]
    known = counts.sum(axis=1)
    listed = [c for c in np.argsort(-counts.sum(axis=0), kind="stable")[:LISTED] if counts[:, c].any()]
    pixels = len(blocks) * sample.cube.grid.block**2
    rows = [
        [
            Cell(entry.name, swatch=colour(entry.color)),
            *(Cell(percent(counts[p, c] / known[p] if known[p] else None)) for p in range(len(years))),
        ]
        for c, entry in enumerate(legend.classes)
        if c in listed
    ]
    if others := np.setdiff1d(np.flatnonzero(counts.any(axis=0)), listed).tolist():
        share = [counts[p, others].sum() / known[p] if known[p] else None for p in range(len(years))]
        rows.append([Cell(f"{len(others)} other classes"), *(Cell(percent(value)) for value in share)])
    if sample.cube.confidence:
        rows.append([Cell("mean confidence"), *(Cell(percent(_confidence(sample, year, blocks))) for year in years)])
    rows.append([Cell("labelled, of all pixels"), *(Cell(percent(known[p] / pixels)) for p in range(len(years)))])
    scope = "" if len(blocks) == len(sample.cube.grid.blocks) else f", on {len(blocks)} blocks"
    return Table(f"Share of the labelled pixels{scope}", ["class", *map(str, years)], rows)


def _confidence(sample: ReportView, year: int, blocks: Sequence[BlockIndex]) -> float | None:
    """Mean confidence of a year's labels on some blocks, as a fraction; None where none is known."""
    total = count = 0
    for block in blocks:
        found = sample.labels(year, *sample.cube.grid.block_slices(block), array="confidence")
        known = found[found != CONFIDENCE_FILL]
        total, count = total + int(known.sum(dtype=np.int64)), count + known.size
    return total / count / 100 if count else None
