"""The plan as a picture and as a page: a map of the blocks, and the number of scenes of each month."""

import io
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mmvsf.datasets.cube.splits import place_split
from mmvsf.datasets.recipe.area import area_shape
from mmvsf.datasets.storage.outputs import write_verified
from mmvsf.datasets.variables import Split
from mmvsf.pipeline.build.plan import BuildPlan
from mmvsf.pipeline.disk_space import megabytes
from mmvsf.pipeline.estimate.preview import Preview
from mmvsf.pipeline.estimate.preview_table import MONTHS, duration, weather_words

from .drawing import SPLIT_COLOURS, SPLIT_NAMES, STYLE, WIDTH, handles
from .elements import Cell, Facts, Note, ReportSection, ReportTable, drawn
from .page import render

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")
"""Of products, by Okabe and Ito; used again where there are more."""


def write_picture(plan: BuildPlan, shown: Preview, data_dir: Path, path: Path) -> None:
    """Write the map and the scenes by month as a PNG file. Raises OSError if the disk refuses."""
    stream = io.BytesIO()
    with rc_context(STYLE):
        _figure(plan, shown, data_dir).savefig(stream, format="png", metadata={"Software": None})
    write_verified(path, stream.getvalue())


def write_page(plan: BuildPlan, shown: Preview, data_dir: Path, path: Path) -> None:
    """Write one HTML file that carries its picture. Raises OSError if the disk refuses."""
    region, facts = plan.region, shown.facts
    with rc_context(STYLE):
        picture = drawn(
            _figure(plan, shown, data_dir),
            "Map of the blocks to build and their area, and a chart of the scenes found by month",
            "The blocks to build, by the part of the data they belong to, and the scenes found.",
        )
    months, by_season = shown.months, shown.by_season
    rows = [
        [Cell(f"{product} {year}"), *(Cell(str(by_season[product, year, month])) for month in months)]
        for product, year in sorted({(product, year) for product, year, _ in by_season})
    ]
    sections = (
        ReportSection("place", "Where, and how many scenes", [*map(Note, shown.warnings), picture]),
        ReportSection(
            "scenes",
            "Scenes by month",
            [ReportTable("Scenes found", ["product and year", *(MONTHS[month - 1] for month in months)], rows)],
        ),
        ReportSection("cost", "What it takes", [Facts(_facts(plan, facts))]),
    )
    headlines = [
        (str(facts["blocks"]), f"{'block' if facts['blocks'] == 1 else 'blocks'}, {facts['square_kilometres']:,} km²"),
        (str(facts["scenes"]), "scenes"),
        (megabytes(facts["read_megabytes"] * 1e6), "to download" if facts["remote"] else "to read"),
        (duration(facts["seconds"]), "estimated"),
    ]
    write_verified(path, render(f"Plan: {region.title}", region.name, headlines, sections, "", "").encode())


def _facts(plan: BuildPlan, facts: dict[str, Any]) -> list[tuple[str, str]]:
    disk, free = megabytes(facts["disk_megabytes"] * 1e6), facts["free_megabytes"]
    needs = [f"{need.name} ({'present' if need.present else 'missing'})" for need in plan.requirements]
    return [
        ("grid", f"{facts['crs']}, {facts['resolution']:g} m, blocks of {facts['block_pixels']} pixels per side"),
        ("(day, block) units", str(facts["block_days"])),
        ("to download" if facts["remote"] else "to read", megabytes(facts["read_megabytes"] * 1e6)),
        ("requests", f"{facts['requests']:,}" if facts["remote"] else "none, the files are on disk"),
        ("in the bucket", disk) if free is None else ("on disk", f"{disk}; {megabytes(free * 1e6)} are free"),
        ("time", f"about {duration(facts['seconds'])}"),
        ("weather", weather_words(plan, facts)),
        ("labels", ", ".join(map(str, facts["label_years"])) or "none"),
        ("static layers", ", ".join(facts["static_layers"]) or "none"),
        ("needs", ", ".join(needs) or "no account, no key"),
        *(("quota", quota) for quota in plan.quotas),
    ]


def _figure(plan: BuildPlan, shown: Preview, data_dir: Path) -> Figure:
    """A map of the blocks above a chart of the scenes by month."""
    ratio = float(np.clip(plan.grid.blocks_y / plan.grid.blocks_x, 0.3, 1.1))
    figure = Figure(figsize=(WIDTH, WIDTH * ratio * 0.8 + 2.2), layout="constrained")
    block_map, chart = figure.subplots(2, 1, height_ratios=(4, 1))
    _draw_blocks(block_map, plan, data_dir)
    _draw_months(chart, shown)
    return figure


def _draw_blocks(axes: Axes, plan: BuildPlan, data_dir: Path) -> None:
    """The blocks in the colours of their parts, and the outline of the area, in km from the south-western corner."""
    grid, side = plan.grid, plan.grid.block * plan.grid.resolution / 1000
    height, width = grid.blocks_y * side, grid.blocks_x * side
    n = grid.chunks_per_block
    split = place_split(plan.region, grid)
    codes = [Split(split[by * n : by * n + n, bx * n : bx * n + n].min()) for by, bx in grid.blocks]
    squares = [Rectangle((bx * side, height - (by + 1) * side), side, side) for by, bx in grid.blocks]
    axes.add_collection(
        PatchCollection(squares, facecolors=[SPLIT_COLOURS[c] for c in codes], edgecolors="white", linewidths=0.3)
    )
    area = area_shape(plan.region.area, grid.crs, plan.recipe, data_dir)
    for shape in getattr(area, "geoms", [area]):
        if shape.geom_type == "Polygon":
            xs, ys = np.array(shape.exterior.coords).T[:2]
            axes.plot((xs - grid.left) / 1000, (ys - grid.top) / 1000 + height, color="#333333", linewidth=0.8)
    axes.set(aspect="equal", xlabel="km east", ylabel="km north", title=plan.region.title)
    axes.set_xlim(-0.02 * width, 1.02 * width)
    axes.set_ylim(-0.02 * height, 1.02 * height)
    axes.legend(handles=handles([(SPLIT_NAMES[c], SPLIT_COLOURS[c]) for c in sorted(set(codes))]), loc="best")


def _draw_months(axes: Axes, shown: Preview) -> None:
    """Scenes of each month, a colour per product."""
    months = sorted({(year, month) for _, year, month in shown.scenes})
    bottom = np.zeros(len(months))
    for colour, product in zip(cycle(COLOURS), sorted({product for product, _, _ in shown.scenes}), strict=False):
        counts = np.array([shown.scenes[product, *month] for month in months])
        axes.bar(range(len(months)), counts, bottom=bottom, color=colour, label=product)
        bottom += counts
    every = -(-len(months) // 12)
    axes.set_xticks(
        range(0, len(months), every), [f"{MONTHS[month - 1]} {year % 100:02d}" for year, month in months[::every]]
    )
    axes.set_ylabel("scenes")
    axes.legend(ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
