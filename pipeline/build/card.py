"""The card of a cube: what it was made from, its intended use, limits and licences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.paths import card_path
from mmvsf.datasets.samples.folds import Fold
from mmvsf.datasets.sidecars.card import write_card
from mmvsf.datasets.storage.location import Location
from mmvsf.datasets.variables import Split, Status
from mmvsf.datasets.words import months_in_words
from mmvsf.pipeline.ledger import Ledger

TEMPLATE = Path(__file__).with_name("dataset_card.md")


def write_dataset_card(cube: Cube, path: Location | None = None, front: Mapping[str, Any] | None = None) -> Location:
    """Write the card of a finished cube to `path`, or else to `card_path`; every figure is from the cube or its ledger.
    `front` adds to its front matter. Raises OSError where the disk refuses."""
    region, grid, attributes = cube.region, cube.grid, cube.attributes
    status, fold = cube.array("blocks/status"), Fold.of(cube)
    weather = cube.group_attributes("weather") if cube.weather else {}
    simulated = region.simulate
    values = {
        "title": region.title,
        "description": region.description,
        "simulated": simulated,
        "start": region.period.start,
        "end": region.period.end,
        "months": months_in_words([month for month in region.period.season.months if month in region.period.months]),
        "season": region.period.season.words,
        "blocks": len(grid.blocks),
        "block": grid.block,
        "resolution": f"{grid.resolution:g}",
        "square_km": len(grid.blocks) * (grid.block * grid.resolution / 1000) ** 2,
        "crs": grid.crs,
        "bands": cube.bands,
        "stored": int((status == Status.STORED).sum()),
        "skipped": int((status == Status.SKIPPED_CLOUDY).sum()),
        "failed": int((status == Status.FAILED).sum()),
        "polarisations": cube.polarisations,
        "radar": [(orbit, *_counts(cube.array(f"blocks/{orbit}_status"))) for orbit in cube.orbits],
        "missing": attributes.get("acquisitions", {}).get("missing", []),
        "weather": cube.weather,
        "weather_source": weather.get("source", "source unknown"),
        "label_years": cube.label_years,
        "classes": _classes(cube),
        "parts": [
            {"name": code.name.lower(), "places": int((fold.places == code).sum()), "years": fold.years_of(cube, code)}
            for code in (Split.TRAIN, Split.VALIDATION, Split.TEST)
        ],
        "sites": region.area.sites,
        "attribution": attributes["attribution"],
        "sources": [_words(record) for record in attributes["sources"]],
        "digest": cube.digest,
        "created": attributes["created"],
        "software": attributes["software"],
        "recipe_file": attributes["recipe_file"],
        "store": cube.path.name,
        "tile": grid.tiles[0].name,
    }
    matter = {
        "pretty_name": region.title,
        "license": "other",
        "license_name": "see-licence-and-attribution",
        "tags": ["earth-observation", "satellite-image-time-series", *(["weather"] if cube.weather else []), "zarr"],
        **(front or {}),
    }
    return write_card(path or card_path(cube.path), TEMPLATE, matter, values)


def _counts(status: NDArray[np.uint8]) -> tuple[int, int]:
    """How many units are stored, and how many failed."""
    return int((status == Status.STORED).sum()), int((status == Status.FAILED).sum())


def _words(record: dict[str, str]) -> tuple[str, str]:
    """Name and description of a record of `provenance.sources_of`."""
    name = record.get("product") or record.get("layer") or record["role"]
    where = " ".join(record[key] for key in ("from", "url", "path", "collection") if key in record)
    rest = [record[key] for key in ("processing", "source") if key in record]
    licence = record.get("licence", "")
    if licence and not any(text.endswith(licence) for text in rest):
        rest.append(licence)
    return name.replace("_", " "), "; ".join([where, *rest])


def _classes(cube: Cube) -> list[dict[str, Any]]:
    """Share of each class among the labelled pixels of all years and blocks, as the ledger counted them; a cube that
    lies somewhere without its ledger is read."""
    if cube.legend is None:
        return []
    units = {
        f"labels/{year}/{cube.grid.block_name(block)}": (season, *cube.grid.block_slices(block))
        for season, year in enumerate(cube.label_years)
        for block in cube.grid.blocks
    }
    labels = cube.pixels("labels/crop")
    count: Counter[int] = Counter()
    for name, entry in Ledger.of_cube(cube.path).entries(units):
        if entry is not None:
            count.update({int(code): pixels for code, pixels in entry["counts"].items()})
        else:
            codes, pixels = np.unique(labels.read(units[name]), return_counts=True)
            count.update(dict(zip(codes.tolist(), pixels.tolist(), strict=True)))
    total = max(sum(count[code] for code in cube.legend.codes), 1)
    return [
        {"code": entry.code, "name": entry.name, "percent": 100 * count[entry.code] / total}
        for entry in cube.legend.classes
    ]
