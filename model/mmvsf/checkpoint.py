"""A trained model on disk: weights as safetensors, everything else as JSON. Nothing is pickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.reader import Normalisation
from mmvsf.datasets.samples.statistics import Moments

from .network import MMVSF
from .sizes import NetworkConfig

FORMAT_VERSION = 1
WEIGHTS, CONFIG = "weights.safetensors", "config.json"


@dataclass(frozen=True)
class Checkpoint:
    """A network with the statistics it was trained with; they win over those of any cube it is applied to."""

    network: MMVSF
    normalisation: Normalisation
    weather: bool
    """Whether it was trained to see weather."""
    config: dict[str, Any]
    """All of config.json."""


def new_network(config: NetworkConfig, normalisation: Normalisation) -> MMVSF:
    """A network with random weights that knows the units of its weather."""
    network = MMVSF(config)
    network.weather.mean.copy_(torch.tensor(normalisation.weather.mean))
    network.weather.std.copy_(torch.tensor(normalisation.weather.std))
    return network


def save_checkpoint(
    folder: Path,
    network: MMVSF,
    normalisation: Normalisation,
    cubes: Mapping[str, str],
    training: Mapping[str, Any],
    *,
    weather: bool = True,
) -> None:
    """Write weights.safetensors and config.json. `cubes` maps the names of the cubes trained on to their
    digests; `training` is what else should be remembered. Raises OSError where the disk refuses."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "format": "mmvsf-checkpoint",
        "format_version": FORMAT_VERSION,
        "network": asdict(network.config),
        "bands": asdict(normalisation.bands),
        "weather": asdict(normalisation.weather),
        "sees_weather": weather,
        "cubes": dict(cubes),
        "training": dict(training),
    }
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    save_file(state, str(folder / WEIGHTS))
    (folder / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def weights_digest(path: Path) -> str:
    """SHA-256 of a file of weights: the identity of a model."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read what `save_checkpoint` wrote. Raises InputError where it is missing, damaged or of another format."""
    if not (folder / CONFIG).is_file() or not (folder / WEIGHTS).is_file():
        raise InputError(f"there is no trained model in {folder}; make one with `mmvsf pretrain`")
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if config["format_version"] != FORMAT_VERSION:
            raise InputError(
                f"{folder} holds a model of format version {config['format_version']}, this program reads version "
                f"{FORMAT_VERSION}; train it again with `mmvsf pretrain`"
            )
        shape: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in config["network"].items()
        }
        normalisation = Normalisation(_moments(config["bands"]), _moments(config["weather"]))
        network = MMVSF(NetworkConfig(**shape))
        network.load_state_dict(load_file(str(folder / WEIGHTS)))
    except (json.JSONDecodeError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(
            f"the model in {folder} is damaged ({reason}); train it again with `mmvsf pretrain`"
        ) from error
    return Checkpoint(network.eval(), normalisation, bool(config["sees_weather"]), config)


def check_fits(checkpoint: Checkpoint, cube: Cube, where: Path) -> None:
    """Raise InputError where a cube carries other bands or weather variables than the model expects."""
    for kind, expected, found in (
        ("bands", checkpoint.normalisation.bands.names, cube.bands),
        ("weather variables", checkpoint.normalisation.weather.names, cube.weather),
    ):
        if tuple(expected) != tuple(found):
            raise InputError(
                f"the model in {where} expects the {kind} {', '.join(expected)}, but {cube.path} carries "
                f"{', '.join(found)}; pretrain on this cube, or choose a model trained on such a one"
            )


def _moments(raw: Mapping[str, Any]) -> Moments:
    return Moments(tuple(raw["names"]), tuple(map(float, raw["mean"])), tuple(map(float, raw["std"])))
