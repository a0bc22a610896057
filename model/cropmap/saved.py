"""A trained mapper on disk, with all that is needed to apply it to another cube: weights as safetensors, the rest as
JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import nn

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.legend import Legend, LegendClass
from mmvsf.datasets.errors import InputError, one_line
from mmvsf.datasets.json_text import parse_json
from mmvsf.datasets.samples.reader import Normalisation
from mmvsf.model.mmvsf.checkpoint import check_fits, described_network, description, load_weights, save_weights
from mmvsf.model.mmvsf.learned import CLOSE
from mmvsf.model.records import write_json

from .calibration import Calibration
from .head import CropMapper

WEIGHTS, CONFIG = "mapper.safetensors", "mapper.json"
FORMAT_VERSION = 2


@dataclass(frozen=True)
class SavedMapper:
    """A mapper and what it was trained on."""

    mapper: CropMapper
    calibration: Calibration
    normalisation: Normalisation
    legend: Legend
    size: int
    """pixels a side of its windows"""
    config: Mapping[str, Any]
    """all of mapper.json"""

    @property
    def digest(self) -> str:
        """SHA-256 of its weights and calibration, which identifies it."""
        return str(self.config["weights_sha256"])


def save_mapper(
    folder: Path,
    mapper: CropMapper,
    calibration: Calibration,
    normalisation: Normalisation,
    cube: Cube,
    size: int,
    about: Mapping[str, Any],
) -> None:
    """Write mapper.safetensors and mapper.json. `cube` is the one it was trained on; `about` is what else is kept, such
    as the encoder it started from. Raises IncompleteError where a weight is not finite, OSError where the disk refuses.
    """
    if cube.legend is None:
        raise ValueError("a mapper is trained on a cube with labels")
    config = {
        "format": "mmvsf-mapper",
        "format_version": FORMAT_VERSION,
        **description(mapper.network, normalisation),
        "sees_weather": mapper.sees_weather,
        "head_weather": mapper.head_weather,
        "size": size,
        "classes": [{"code": c.code, "name": c.name, "color": c.color} for c in cube.legend.classes],
        "calibrated_days": len(calibration.days),
        "trained_on": {"cube": cube.digest, "region": cube.region.name, **conditions(cube)},
        **about,
        "weights_sha256": save_weights(folder / WEIGHTS, _together(mapper, calibration)),
    }
    write_json(folder / CONFIG, config)


def conditions(cube: Cube) -> dict[str, Any]:
    """What a cube's images are like, beside their bands, as far as a mapper depends on it."""
    period = cube.region.period
    return {
        "products": list(cube.region.imagery.products),
        "resolution": cube.grid.resolution,
        "season_from": period.season.begins,
        "months": list(period.months),
    }


def mapper_folder(path: Path) -> Path:
    """The folder of a mapper: the path, or `cropmap` in a region's runs. Raises InputError where there is none."""
    for folder in (path, path / "cropmap"):
        if (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file():
            return folder
    raise InputError(f"there is no trained mapper in {path}; train one with `mmvsf cropmap` on a cube with labels")


def load_mapper(folder: Path) -> SavedMapper:
    """Read what `save_mapper` wrote. Raises InputError where it is missing, damaged or of another format."""
    folder = mapper_folder(folder)
    try:
        config = parse_json((folder / CONFIG).read_bytes())
        if config["format"] != "mmvsf-mapper" or config["format_version"] != FORMAT_VERSION:
            raise InputError(
                f"{folder / CONFIG} is of format version {config['format_version']}, this program reads version"
                f" {FORMAT_VERSION}; train the mapper again with `mmvsf cropmap`"
            )
        normalisation, network = described_network(config)
        legend = Legend(tuple(LegendClass(int(c["code"]), str(c["name"]), str(c["color"])) for c in config["classes"]))
        mapper = CropMapper(
            network, len(legend.classes), weather=config["sees_weather"], head_weather=config["head_weather"]
        )
        calibration = Calibration(config["calibrated_days"], len(legend.classes), network.config.pixel_width)
        load_weights(folder / WEIGHTS, _together(mapper, calibration), config["weights_sha256"])
        config["trained_on"]["cube"], [config["trained_on"][key] for key in ("products", "resolution", "season_from")]
        return SavedMapper(mapper.eval(), calibration.eval(), normalisation, legend, int(config["size"]), config)
    except (ValueError, LookupError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        raise InputError(
            f"the mapper in {folder} is damaged ({one_line(error, 120)}); train it again with `mmvsf cropmap`"
        ) from error


def check_applies(saved: SavedMapper, cube: Cube, where: Path) -> list[str]:
    """What is different in a cube from the one that a mapper, saved in the folder `where`, was trained on, one line
    each. Raises InputError where it cannot be applied: other bands or weather, another resolution, other seasons."""
    check_fits(saved.normalisation, cube, where)
    learned, here = saved.config["trained_on"], conditions(cube)
    if cube.grid.chunk < saved.size and cube.grid.block < saved.size:
        raise InputError(
            f"the mapper in {where} sees windows of {saved.size} pixels, and the blocks of {cube.path} have"
            f" {cube.grid.block}; use a cube with larger blocks"
        )
    if here["season_from"] != learned["season_from"]:
        raise InputError(
            f"the mapper in {where} learned seasons that begin on {learned['season_from']}, and those of {cube.path}"
            f" begin on {here['season_from']}; use a mapper trained on such seasons"
        )
    ratio = max(here["resolution"], learned["resolution"]) / min(here["resolution"], learned["resolution"])
    if ratio > CLOSE:  # up to it, with a warning
        raise InputError(
            f"the mapper in {where} learned pixels of {learned['resolution']:g} m, and those of {cube.path} have"
            f" {here['resolution']:g} m; build a cube of {learned['resolution']:g} m, or train a mapper on this one"
        )
    differences = []
    if ratio > 1:
        differences.append(f"pixels of {here['resolution']:g} m, and {learned['resolution']:g} m in training")
    if new := sorted(set(here["products"]) - set(learned["products"])):
        differences.append(f"images of {', '.join(new)}, which were not in training")
    if set(here["months"]) != set(learned["months"]):
        differences.append(f"months {_listed(here['months'])}, and {_listed(learned['months'])} in training")
    return differences


def _listed(months: list[int]) -> str:
    return ", ".join(map(str, months))


def _together(mapper: CropMapper, calibration: Calibration) -> nn.Module:
    return nn.ModuleDict({"mapper": mapper, "calibration": calibration})
