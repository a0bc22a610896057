"""Annual crop rasters in the form of the Cropland Data Layer: 30 m, in Albers coordinates, codes with colours."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .cdl_grid import Mosaic
from .crop_types import COVERS
from .label_errors import classify
from .world import SiteWorld


def write_labels(folder: Path, worlds: Sequence[SiteWorld]) -> None:
    """`crop_<year>.tif` (uint8, 0 = background) for every season, `confidence_<year>.tif` (uint8, per cent) and
    `truth_<year>.tif`, what grew there; and `legend.csv`. Raises OSError if the disk refuses."""
    folder.mkdir(parents=True, exist_ok=True)
    codes = np.array([cover.code for cover in COVERS], dtype=np.uint8)
    colours = {0: (0, 0, 0, 255), **{cover.code: (*_rgb(cover.color), 255) for cover in COVERS}}
    mosaic = Mosaic.of(worlds)
    for year in worlds[0].spec.years:
        name = year + worlds[0].spec.placement.label_years
        labels = [classify(site, year) for site in mosaic.sites]
        mosaic.write(folder / f"crop_{name}.tif", [codes[label.cover] for label in labels], colours)
        mosaic.write(folder / f"truth_{name}.tif", [codes[label.truth] for label in labels], colours)
        mosaic.write(folder / f"confidence_{name}.tif", [label.confidence for label in labels])
    with (folder / "legend.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["code", "name", "color"])
        writer.writerows([cover.code, cover.name, cover.color] for cover in COVERS)


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
