"""The crop map: scores on the held-out sets, the confusion of classes, and the map beside the labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.windows import Window

from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.cube.legend import LegendClass

from .drawing import MISSING, WIDTH, class_handles, class_image, colour, map_frame
from .elements import Absent, Cell, Note, Part, Section, Table, drawn, percent, png_file
from .runs import DAMAGED, METHODS, SETS, Rows, best_cells, damaged, ordered, other_cube, read_metrics
from .view import ReportView

MEASURES = (("accuracy", "accuracy"), ("mean_f1", "F1"), ("miou", "IoU"))
MOST_CLASSES = 16
"""Classes of a confusion matrix that is drawn, at most: the most frequent."""


def cropmap_section(sample: ReportView, runs: Path) -> Section:
    """Scores, confusion and map of a crop mapping run."""
    folder, command = runs / "cropmap", sample.command("cropmap")
    path = folder / "metrics.json"
    parts: list[Part]
    try:
        metrics = read_metrics(path)
        if metrics is None:
            parts = [Absent("No crop map was made of this cube yet. To make one:", command)]
        else:
            parts = _parts(sample, metrics, folder, command)
    except DAMAGED as error:
        parts = [damaged(path, error, command)]
    return Section("cropmap", "Crop map", parts)


def cropmap_headline(runs: Path) -> tuple[str, str] | None:
    """(value, what it is): accuracy in a held-out year, beside the random forest's."""
    try:
        rows: Rows = (read_metrics(runs / "cropmap/metrics.json") or {})["scores"]
        for part in ("new_year", "both", "new_place"):
            found = {row["method"]: row["accuracy"] for row in rows if row["set"] == part}
            if found.get("mmvsf") is not None:
                others = [f"{METHODS[m]} {percent(found[m], 0)}" for m in ("random_forest", "majority") if found.get(m)]
                what = "; ".join((f"accuracy of the crop map, {SETS[part]}", *others))
                return percent(found["mmvsf"], 0), what
    except DAMAGED:
        pass
    return None


def _parts(sample: ReportView, metrics: dict[str, Any], folder: Path, command: str) -> list[Part]:
    rows: Rows = metrics["scores"]
    classes = [LegendClass(int(c["code"]), str(c["name"]), colour(str(c["color"]))) for c in metrics["classes"]]
    parts: list[Part] = [*other_cube(metrics.get("cube"), sample.cube.digest, command)]
    if rows:
        text = (
            "Scores on labelled pixels of places and years that the mapper never saw; all methods on the same pixels. "
            "F1 and IoU are means over the classes that occur."
        )
        parts += [Note(text), _overall(rows), _by_class(rows, classes), *_confusion(rows, classes)]
    else:
        parts.append(Note("Nothing labelled is held out in this cube, so there are no scores."))
    year = (metrics.get("map") or {}).get("year")
    picture = _map_beside_labels(sample, folder / "crop_map.tif", folder / "confidence.tif", classes, year)
    if picture is None:
        text = f"Crop map{f' of {year}' if year else ''}."
        picture = png_file(folder / "map.png", "Crop map, labels and confidence", text)
    parts.append(picture or Absent("The map itself is not there. To draw it again:", command))
    return parts


def _overall(rows: Rows) -> Table:
    parts, methods = ordered(rows, "set", tuple(SETS)), ordered(rows, "method", tuple(METHODS))
    found = {(row["set"], row["method"]): row for row in rows}
    columns = [
        best_cells([found.get((part, method), {}).get(key) for method in methods], largest=True)
        for part in parts
        for key, _ in MEASURES
    ]
    body = [[Cell(METHODS.get(m, m)), *(column[i] for column in columns)] for i, m in enumerate(methods)]
    head = ["method", *(name for _ in parts for _, name in MEASURES)]
    groups = (("", 1), *((SETS.get(part, part), len(MEASURES)) for part in parts))
    return Table("Scores of the map, the best in bold", head, body, groups=groups)


def _by_class(rows: Rows, classes: Sequence[LegendClass]) -> Table:
    parts = ordered(rows, "set", tuple(SETS))
    methods = [method for method in ordered(rows, "method", tuple(METHODS)) if method != "majority"]
    found = {(row["set"], row["method"]): row.get("per_class") or {} for row in rows}
    body = []
    for entry in classes:
        scores = [[found.get((p, m), {}).get(entry.name, {}).get("f1") for m in methods] for p in parts]
        if any(value is not None for row in scores for value in row):
            cells = [cell for row in scores for cell in best_cells(row, 2, largest=True)]
            body.append([Cell(entry.name, swatch=colour(entry.color)), *cells])
    head = ["class", *(METHODS.get(method, method) for _ in parts for method in methods)]
    groups = (("", 1), *((SETS.get(part, part), len(methods)) for part in parts))
    return Table("F1 of each class", head, body, groups=groups)


def _confusion(rows: Rows, classes: Sequence[LegendClass]) -> list[Part]:
    """The confusion matrix of MM-VSF on the hardest set there is, in percent of each label."""
    found = {row["set"]: row for row in rows if row["method"] == "mmvsf" and row.get("confusion")}
    part = next((name for name in ("both", "new_year", "new_place") if name in found), None)
    if part is None:
        return []
    counts = np.asarray(found[part]["confusion"], np.float64)
    if counts.shape != (len(classes),) * 2:
        raise ValueError(f"the confusion matrix is {counts.shape}, the legend has {len(classes)} classes")
    total = counts.sum(0) + counts.sum(1)
    used = np.sort(np.argsort(-total, kind="stable")[: min(MOST_CLASSES, np.count_nonzero(total))])
    if len(used) == 0:
        return []
    support = counts[used].sum(1)
    share = 100 * np.divide(counts[np.ix_(used, used)], support[:, None], where=support[:, None] > 0,
                            out=np.zeros((len(used),) * 2))  # fmt: skip
    longest = 0.075 * max(len(classes[i].name) for i in used)
    side = 0.5 * len(used)
    figure = Figure(figsize=(side + longest + 2.3, side + 0.7 * longest + 0.8), layout="constrained")
    axes = figure.subplots()
    shown = axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    names = [classes[i].name for i in used]
    axes.set_xticks(range(len(used)), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(used)), [f"{n} ({int(s):,})" for n, s in zip(names, support, strict=True)])
    axes.set(xlabel="mapped as", ylabel="label (pixels)")
    for (row, column), value in np.ndenumerate(share):
        text = "" if support[row] == 0 else f"{value:.0f}" if value >= 0.5 else "·"
        axes.text(column, row, text, ha="center", va="center", fontsize=8.5, color="white" if value > 55 else "#222222")
    for spine in axes.spines.values():
        spine.set_visible(True)
    bar = figure.colorbar(shown, ax=axes, shrink=0.8)
    bar.set_label("percent of the label's pixels")
    few = "" if len(used) == np.count_nonzero(total) else f" The {len(used)} most frequent classes."
    caption = f"Confusion of classes, MM-VSF, {SETS[part]}: where the pixels of each label went, in percent.{few}"
    return [drawn(figure, "Confusion matrix", caption, vector=True)]


@dataclass(frozen=True)
class _Row:
    """One block of the map, each (H, W)."""

    block: BlockIndex
    mapped: NDArray[np.int64]
    labels: NDArray[np.integer[Any]] | None
    confidence: NDArray[np.float32]


def _map_beside_labels(
    sample: ReportView, tif: Path, confidence: Path, classes: Sequence[LegendClass], year: int | None
) -> Part | None:
    """Labels, map, where they differ, and confidence of up to three blocks; None where the files don't fit."""
    rows: list[_Row] = []
    try:
        with rasterio.open(tif) as mapped, rasterio.open(confidence) as sure:
            if mapped.shape != sample.cube.grid.shape or not mapped.transform.almost_equals(
                sample.cube.grid.geobox.transform
            ):
                return None
            by_name = {entry.name: entry.code for entry in classes}
            tags = {key: value for key, value in mapped.tags().items() if key.startswith("class_")}
            codes = {int(key[6:]): by_name.get(name, 0) for key, name in tags.items()}
            for block in sample.example_blocks:
                place = sample.cube.grid.block_slices(block)
                window = Window.from_slices(*place)
                values = mapped.read(1, window=window)
                translated = np.zeros(values.shape, np.int64)
                for value in np.unique(values):
                    translated[values == value] = codes.get(int(value), 0)
                labels = sample.labels(int(year), *place) if year in sample.cube.label_years and year else None
                share = sure.read(1, window=window).astype(np.float32)
                rows.append(_Row(block, translated, labels, np.where(share > 100, np.nan, share)))
    except (RasterioError, CPLE_BaseError, OSError):
        return None
    labelled = rows[0].labels is not None
    caption = (
        f"The crop map{f' of {year}' if year else ''} beside the labels. Red: mapped differently from the label; "
        "grey: unknown in one of them."
        if labelled
        else f"The crop map{f' of {year}' if year else ''}, and how sure it is."
    )
    return drawn(_map_figure(sample, rows, classes), "Crop map beside the labels", caption)


def _map_figure(sample: ReportView, rows: Sequence[_Row], classes: Sequence[LegendClass]) -> Figure:
    """One line a block: labels, map, difference and confidence; or map and confidence where nothing is labelled."""
    titles = ["labels", "crop map", "difference", "confidence"]
    if rows[0].labels is None:
        titles = ["crop map", "confidence"]
    width = WIDTH if len(titles) == 4 else 0.62 * WIDTH
    figure = Figure(figsize=(width, ((WIDTH - 0.9) / 4 - 0.2) * len(rows) + 0.9), layout="constrained")
    grid = figure.subplots(len(rows), len(titles), squeeze=False)
    side = sample.side_km
    for line, row in zip(grid, rows, strict=True):
        images = {"crop map": class_image(row.mapped, classes)}
        alike = ""
        if row.labels is not None:
            images |= {"labels": class_image(row.labels, classes), "difference": _difference(row.labels, row.mapped)}
            known = (row.labels > 0) & (row.mapped > 0)
            if known.any():
                alike = f"{percent(float((row.labels == row.mapped)[known].mean()), 0)} alike"
        for axes, title in zip(line, titles, strict=True):
            if title in images:
                axes.imshow(images[title], extent=(0, side, 0, side))
            else:
                shown = axes.imshow(row.confidence, cmap="viridis", vmin=0, vmax=100, extent=(0, side, 0, side))
                axes.set_facecolor(MISSING)
            heading = [title] if row is rows[0] else []
            axes.set_title(", ".join([*heading, *([alike] if title == "difference" and alike else [])]))
            map_frame(axes, side, y_label=title == titles[0], x_label=row is rows[-1])
        line[0].set_ylabel(f"{sample.names[row.block]} ({sample.part_name(row.block)})\nkm north", fontsize=8)
    figure.colorbar(shown, ax=list(grid[:, -1]), shrink=0.7, label="percent", aspect=8 * len(rows))
    maps = [values for row in rows for values in (row.mapped, row.labels) if values is not None]
    entries = class_handles(classes, maps)
    figure.legend(handles=entries, loc="outside lower center", ncols=min(len(entries), 7 if len(titles) == 4 else 4))
    return figure


def _difference(labels: NDArray[np.integer[Any]], mapped: NDArray[np.int64]) -> NDArray[np.uint8]:
    """(H, W, 3): red where they differ, near white where they agree, grey where one is unknown."""
    image = np.full((*labels.shape, 3), 246, np.uint8)
    image[labels != mapped] = (190, 40, 40)
    image[(labels == 0) | (mapped == 0)] = (217, 217, 217)
    return image
