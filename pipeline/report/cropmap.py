"""The crop map: scores on the held-out sets, the confusion of classes, and the map beside the labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmvsf.datasets.cube.legend import LegendClass

from .applied_map import MAPPER, applied_map
from .areas import area_elements
from .cropmap_figures import confusion_matrix, map_beside_labels
from .drawing import colour
from .elements import Absent, Cell, Element, Note, ReportSection, ReportTable, percent, png_file
from .runs import DAMAGED, METHODS, SETS, Rows, best_cells, damaged, ordered, other_cube, read_metrics
from .view import ReportView

MEASURES = (("accuracy", "accuracy"), ("mean_f1", "F1"), ("miou", "IoU"))


def cropmap_section(view: ReportView, runs: Path) -> ReportSection:
    """Scores, confusion and map of a crop mapping run; where there is none, the newest map of `mmvsf map`."""
    folder, command = runs / "cropmap", view.command("cropmap")
    path = folder / "metrics.json"
    elements: list[Element]
    try:
        metrics = read_metrics(path)
        if metrics is None:
            elements = applied_map(view, runs) or [_absent(view, command)]
        else:
            elements = _elements(view, metrics, folder, command)
    except DAMAGED as error:
        elements = [damaged(path, error, command)]
    return ReportSection("cropmap", "Crop map", elements)


def cropmap_headline(runs: Path) -> tuple[str, str] | None:
    """(value, what it is): accuracy in a held-out year, beside the random forest's."""
    try:
        rows: Rows = (read_metrics(runs / "cropmap/metrics.json") or {})["scores"]
        for held_out in ("new_year", "both", "new_place"):
            accuracy = {row["method"]: row["accuracy"] for row in rows if row["set"] == held_out}
            if accuracy.get("mmvsf") is not None:
                baselines = [name for name in ("random_forest", "majority") if accuracy.get(name)]
                beside = [f"{METHODS[name]} {percent(accuracy[name], 0)}" for name in baselines]
                what = "; ".join((f"accuracy of the crop map, {SETS[held_out]}", *beside))
                return percent(accuracy["mmvsf"], 0), what
    except DAMAGED:
        pass
    return None


def _absent(view: ReportView, command: str) -> Absent:
    if view.cube.legend is not None and view.cube.label_years:
        return Absent("This cube has no crop map yet. To make one:", command)
    text = "This cube has no crop map yet. Without labels it is mapped by the mapper of another region:"
    return Absent(text, f"{view.command('map')} {MAPPER}")


def _elements(view: ReportView, metrics: dict[str, Any], folder: Path, command: str) -> list[Element]:
    rows: Rows = metrics["scores"]
    classes = [LegendClass(int(c["code"]), str(c["name"]), colour(str(c["color"]))) for c in metrics["classes"]]
    elements: list[Element] = [*other_cube(metrics.get("cube"), view.cube.digest, command)]
    if rows:
        text = (
            "Scores on labelled pixels of places and years that the model was not trained on; all methods on the same "
            "pixels. F1 and IoU are means over the classes that occur."
        )
        elements += [Note(text), _overall(rows), _by_class(rows, classes), *confusion_matrix(rows, classes)]
    else:
        elements.append(Note("No labelled pixel of this cube is held out, so there are no scores."))
    year = (metrics.get("map") or {}).get("year")
    picture = map_beside_labels(view, folder / "crop_map.tif", folder / "confidence.tif", classes, year)
    if picture is None:
        text = f"Crop map{f' of {year}' if year else ''}."
        picture = png_file(folder / "map.png", "Crop map, labels and confidence", text)
    elements.append(picture or Absent("The map itself is missing. To draw it again:", command))
    return [*elements, *area_elements(folder / "areas.json", view.cube.digest, view.command("areas"))]


def _overall(rows: Rows) -> ReportTable:
    """Methods down; every measure of every held-out set across."""
    held_out_sets, methods = ordered(rows, "set", tuple(SETS)), ordered(rows, "method", tuple(METHODS))
    scores = {(row["set"], row["method"]): row for row in rows}
    columns = [
        best_cells([scores.get((held_out, method), {}).get(measure) for method in methods], largest=True)
        for held_out in held_out_sets
        for measure, _ in MEASURES
    ]
    body = [[Cell(METHODS.get(m, m)), *(column[i] for column in columns)] for i, m in enumerate(methods)]
    head = ["method", *(name for _ in held_out_sets for _, name in MEASURES)]
    groups = (("", 1), *((SETS.get(name, name), len(MEASURES)) for name in held_out_sets))
    return ReportTable("Scores of the map, the best in bold", head, body, groups=groups)


def _by_class(rows: Rows, classes: Sequence[LegendClass]) -> ReportTable:
    """Classes down; every method in every held-out set across. Classes without a score are left out."""
    held_out_sets = ordered(rows, "set", tuple(SETS))
    methods = [method for method in ordered(rows, "method", tuple(METHODS)) if method != "majority"]
    per_class = {(row["set"], row["method"]): row.get("per_class") or {} for row in rows}
    body = []
    for entry in classes:
        columns = _f1(per_class, entry.name, held_out_sets, methods)
        if _any_score(columns):
            body.append([Cell(entry.name, swatch=colour(entry.color)), *_class_cells(columns)])
    head = ["class", *(METHODS.get(method, method) for _ in held_out_sets for method in methods)]
    groups = (("", 1), *((SETS.get(name, name), len(methods)) for name in held_out_sets))
    return ReportTable("F1 of each class", head, body, groups=groups)


def _f1(
    per_class: dict[tuple[str, str], dict[str, Any]], name: str, held_out_sets: Sequence[str], methods: Sequence[str]
) -> list[list[float | None]]:
    """A column per held-out set, a value per method; `per_class` maps (held-out set, method) to scores by class."""
    f1 = {key: scores.get(name, {}).get("f1") for key, scores in per_class.items()}
    return [[f1.get((held_out, method)) for method in methods] for held_out in held_out_sets]


def _any_score(columns: Sequence[Sequence[float | None]]) -> bool:
    return any(value is not None for column in columns for value in column)


def _class_cells(columns: Sequence[Sequence[float | None]]) -> list[Cell]:
    return [cell for column in columns for cell in best_cells(column, 2, largest=True)]
