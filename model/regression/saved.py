"""A trained regressor on disk: weights as safetensors, the rest as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError, one_line
from mmvsf.datasets.json_text import parse_json
from mmvsf.datasets.samples.reader import Normalisation
from mmvsf.model.mmvsf.checkpoint import described_network, description, load_weights, save_weights
from mmvsf.model.records import write_json

from .head import Regressor

WEIGHTS, CONFIG = "regressor.safetensors", "regressor.json"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class SavedRegressor:
    """A regressor and what it was trained on."""

    regressor: Regressor
    normalisation: Normalisation
    target: str
    units: str
    config: Mapping[str, Any]
    """all of regressor.json"""


def save_regressor(
    folder: Path, regressor: Regressor, normalisation: Normalisation, cube: Cube, target: str, about: Mapping[str, Any]
) -> None:
    """Write regressor.safetensors and regressor.json. `cube` is the one it was trained on; `about` is what else is
    kept. Raises IncompleteError where a weight is not finite, OSError where the disk refuses."""
    mapper = regressor.mapper
    config = {
        "format": "mmvsf-regressor",
        "format_version": FORMAT_VERSION,
        **description(mapper.network, normalisation),
        "sees_weather": mapper.sees_weather,
        "target": target,
        "units": cube.region.targets[target].units,
        "trained_on": {"cube": cube.digest, "region": cube.region.name},
        **about,
        "weights_sha256": save_weights(folder / WEIGHTS, regressor),
    }
    write_json(folder / CONFIG, config)


def load_regressor(folder: Path) -> SavedRegressor:
    """Read what `save_regressor` wrote. Raises InputError where it is missing, damaged or of another format."""
    if not (folder / CONFIG).is_file():
        raise InputError(f"there is no trained regressor in {folder}; train one with `mmvsf regress`")
    try:
        config = parse_json((folder / CONFIG).read_bytes())
        if (config["format"], config["format_version"]) != ("mmvsf-regressor", FORMAT_VERSION):
            raise ValueError(f"it is of format version {config['format_version']}, not {FORMAT_VERSION}")
        normalisation, network = described_network(config)
        regressor = Regressor(network, 0.0, 1.0, weather=config["sees_weather"])
        load_weights(folder / WEIGHTS, regressor, config["weights_sha256"])
        return SavedRegressor(regressor.eval(), normalisation, str(config["target"]), str(config["units"]), config)
    except (ValueError, LookupError, TypeError, AttributeError, RuntimeError, OSError, SafetensorError) as error:
        raise InputError(
            f"the regressor in {folder} is damaged ({one_line(error, 120)}); train it again with `mmvsf regress`"
        ) from error
