"""Confusion counts in groups, as plain rows that can be added up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.samples.windows import Window
from mmvsf.datasets.variables import CONFIDENCE_FILL
from mmvsf.model.metrics import class_scores, confusion

from .fields import LabelMaps

Row = dict[str, Any]

KINDS = ("all", "interior", "edge", "confident", "doubtful")
"""All labelled pixels; those whose 3 x 3 neighbourhood is of one class, and the others; and, where the cube has it,
those whose label has a confidence of CONFIDENT percent or more, and of less."""
CONFIDENT = 85


class Confusions:
    """Confusion counts by set, date, block, year and kind of pixel."""

    def __init__(self, maps: LabelMaps, classes: int) -> None:
        self.maps, self.classes = maps, classes
        self.counts: dict[tuple[str, str, str, int, str], NDArray[np.int64]] = {}

    def add(
        self, part: str, date: str, window: Window, labels: NDArray[np.int64], predicted: NDArray[np.int64]
    ) -> None:
        """One map (H, W) of a window against its classes (H, W), of which -1 is left out."""
        row, column, year = self.maps.key(window)
        pixels = {"all": np.ones(labels.shape, np.bool_), "interior": self.maps.interior(window)}
        pixels["edge"] = ~pixels["interior"]
        if (confidence := self.maps.confidence(window)) is not None:
            known = confidence != CONFIDENCE_FILL
            pixels["confident"] = known & (confidence >= CONFIDENT)
            pixels["doubtful"] = known & (confidence < CONFIDENT)
        for kind, chosen in pixels.items():
            key = (part, date, f"{row},{column}", year, kind)
            self.counts[key] = self.counts.get(key, 0) + confusion(labels[chosen], predicted[chosen], self.classes)

    def rows(self, columns: Row) -> list[Row]:
        """One row for each group, with further columns that are the same in all."""
        return [
            {
                **columns,
                "set": part,
                "date": date,
                "block": block,
                "year": year,
                "kind": kind,
                "n": int(counts.sum()),
                "confusion": counts.tolist(),
            }
            for (part, date, block, year, kind), counts in self.counts.items()
        ]


def crop_scores(rows: Iterable[Row], names: Sequence[str]) -> dict[str, Any]:
    """Accuracy, mean F1 and mIoU over the classes that occur, and the scores of each class, of the sum of rows; as
    `class_scores`. `names` are those of the classes."""
    total = np.zeros((len(names), len(names)), np.int64)
    for row in rows:
        total += np.array(row["confusion"], np.int64)
    return class_scores(total, names)
