"""A trained model on disk: weights as safetensors, everything else as JSON. Nothing is pickled."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import IncompleteError, InputError, one_line
from mmvsf.datasets.json_text import parse_json
from mmvsf.datasets.samples.folds import Fold
from mmvsf.datasets.samples.reader import Normalisation
from mmvsf.datasets.samples.statistics import Moments
from mmvsf.datasets.storage.outputs import write_verified
from mmvsf.model.records import write_json

from .learned import LearnedCube, differences, far_off, generations
from .network import MMVSF
from .sizes import NetworkConfig

FORMAT_VERSION = 4
WEIGHTS, CONFIG = "model.safetensors", "config.json"


class DivergedError(IncompleteError):
    """A training whose loss or weights are no longer finite."""


@dataclass(frozen=True)
class Checkpoint:
    """A network with the statistics it was trained with; they win over those of any cube it is applied to."""

    network: MMVSF
    normalisation: Normalisation
    weather: bool
    """Whether it was trained to see weather."""
    config: dict[str, Any]
    """All of config.json."""

    def unlike(self, cube: Cube) -> list[str]:
        """In what a cube that fits differs from all that the model, and those before it, learned from, one phrase
        each."""
        learned = [each for generation in generations(self.config) for each in generation.learned.values()]
        return [*differences(learned, cube), *far_off(self.normalisation, cube)]


def new_network(config: NetworkConfig, normalisation: Normalisation) -> MMVSF:
    """A network with random weights that knows the units of its weather."""
    network = MMVSF(config)
    network.weather.mean.copy_(torch.tensor(normalisation.weather.mean))
    network.weather.std.copy_(torch.tensor(normalisation.weather.std))
    network.mean.copy_(torch.tensor(normalisation.bands.mean))
    network.std.copy_(torch.tensor(normalisation.bands.std))
    return network


def save_checkpoint(
    folder: Path,
    network: MMVSF,
    normalisation: Normalisation,
    cubes: Sequence[Cube],
    training: Mapping[str, Any],
    *,
    weather: bool = True,
    folds: Sequence[Fold] | None = None,
    start: Checkpoint | None = None,
) -> None:
    """Write model.safetensors and config.json. `cubes` are those trained on, by the splits of `folds` or else of their
    recipes; `start` is the model that the training began from; `training` is what else is kept of the training, for
    people. Raises OSError where the disk refuses."""
    splits = folds or [Fold.of(cube) for cube in cubes]
    learned = {cube.digest: LearnedCube.of(cube, fold) for cube, fold in zip(cubes, splits, strict=True)}
    before = generations(start.config) if start is not None else ()
    config = {
        "model_type": "mmvsf",
        "architectures": ["MMVSF"],
        "format": "mmvsf-checkpoint",
        "format_version": FORMAT_VERSION,
        **description(network, normalisation),
        "sees_weather": weather,
        "cubes": cube_names(cubes),
        "learned": {digest: facts.model_dump(mode="json") for digest, facts in learned.items()},
        "started_from": [generation.model_dump(mode="json") for generation in before],
        "training": dict(training),
        "weights_sha256": save_weights(folder / WEIGHTS, network),
    }
    write_json(folder / CONFIG, config)


def save_weights(path: Path, network: nn.Module) -> str:
    """Write the weights of a network as safetensors and return the SHA-256 of the file. Raises DivergedError where a
    weight is not finite, and OSError where the disk refuses or the file is not what was written."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    if broken := not_finite(tensors):
        raise DivergedError(
            f"{path}: the weights {broken} are not finite, so the training diverged and nothing was saved; train again"
            " with a lower --learning-rate"
        )
    # safetensors' own `save_file` makes files that only their owner may read.
    content = save(tensors)
    write_verified(path, content)
    return hashlib.sha256(content).hexdigest()


def load_weights(path: Path, network: nn.Module, digest: str) -> None:
    """Read the weights that `save_weights` wrote, whose SHA-256 is `digest`, into a network. Raises ValueError,
    RuntimeError or SafetensorError where they are other ones, or not finite."""
    if weights_digest(path) != digest:
        raise ValueError(f"{path.name} is not the file that its configuration describes")
    tensors = load_file(str(path))
    if broken := not_finite(tensors):
        raise ValueError(f"the weights {broken} are not finite")
    network.load_state_dict(tensors)


def not_finite(tensors: Mapping[str, Tensor]) -> str:
    """The name of the first tensor with a value that is infinite or no number; empty where there is none."""
    return next((name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()), "")


def cube_names(cubes: Sequence[Cube]) -> dict[str, str]:
    """The names of cubes' regions by digest: a cube is identified by its digest, since two may have one name."""
    return {cube.digest: cube.region.name for cube in cubes}


def weights_digest(path: Path) -> str:
    """SHA-256 of a file of weights, which identifies a model."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def model_folder(folder: Path) -> Path:
    """The folder of a model's files: `folder` itself, or in a repository as the cache of Hugging Face's hub keeps it
    (`models--OWNER--NAME`) the snapshot of its branch `main`. Raises InputError where there is no such snapshot."""
    branch = folder / "refs/main"
    if not branch.is_file():
        return folder
    snapshot = folder / "snapshots" / Path(branch.read_text(encoding="utf-8", errors="replace").strip()).name
    if not snapshot.is_dir():
        raise InputError(f"{branch} names no folder in {folder / 'snapshots'}; download the repository again")
    return snapshot


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read what `save_checkpoint` wrote. Raises InputError where it is missing, damaged or of another format."""
    if not (folder / CONFIG).is_file():
        raise InputError(f"there is no trained model in {folder}; make one with `mmvsf pretrain`")
    try:
        config = parse_json((folder / CONFIG).read_bytes())
        if config["format_version"] != FORMAT_VERSION:
            raise InputError(
                f"{folder} holds a model of format version {config['format_version']}, this program reads version "
                f"{FORMAT_VERSION}; train it again with `mmvsf pretrain`"
            )
        if not (folder / WEIGHTS).is_file():
            raise ValueError(f"there is no {WEIGHTS}")
        normalisation, network = described_network(config)
        load_weights(folder / WEIGHTS, network, config["weights_sha256"])
        config["training"], generations(config)  # read later
        return Checkpoint(network.eval(), normalisation, bool(config["sees_weather"]), config)
    except (ValueError, LookupError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        raise InputError(
            f"the model in {folder} is damaged ({one_line(error, 120)}); train it again with `mmvsf pretrain`"
        ) from error


def description(network: MMVSF, normalisation: Normalisation) -> dict[str, Any]:
    """The part of a configuration that `described_network` reads."""
    static = normalisation.static if network.config.static is not None else None
    return {
        "network": asdict(network.config),
        "bands": asdict(normalisation.bands),
        "weather": asdict(normalisation.weather),
        "static": None if static is None else asdict(static),
    }


def described_network(config: Mapping[str, Any]) -> tuple[Normalisation, MMVSF]:
    """The statistics, and a network with random weights, that a configuration describes in `network`, `bands`,
    `weather` and, for a model that is given the site, `static`. Raises LookupError, TypeError or ValueError where it is
    damaged."""
    shape: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in config["network"].items()
    }
    static = config.get("static")  # models of earlier releases have none
    normalisation = Normalisation(
        _moments(config["bands"]), _moments(config["weather"]), None if static is None else _moments(static)
    )
    return normalisation, MMVSF(NetworkConfig(**shape))


def check_fits(normalisation: Normalisation, cube: Cube, where: Path) -> None:
    """Raise InputError where a cube carries other bands or weather variables than a model with these statistics, from
    `where`, expects."""
    for kind, expected, actual in (
        ("bands", normalisation.bands.names, cube.bands),
        ("weather variables", normalisation.weather.names, cube.weather),
    ):
        if tuple(expected) != tuple(actual):
            raise InputError(
                f"the model in {where} expects the {kind} {', '.join(expected) or 'none'}, but {cube.path} carries "
                f"{', '.join(actual) or 'none'}; pretrain on this cube, or choose a model trained on cubes like it"
            )


def _moments(raw: Mapping[str, Any]) -> Moments:
    return Moments(tuple(raw["names"]), tuple(map(float, raw["mean"])), tuple(map(float, raw["std"])))
