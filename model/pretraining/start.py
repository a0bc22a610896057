"""The trained model that a pretraining begins from: whether it fits, and what it already knows of the cubes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.reader import Normalisation
from mmvsf.model.mmvsf.checkpoint import Checkpoint, check_fits
from mmvsf.model.mmvsf.learned import Generation, generations, held_out_note, learned_held_out
from mmvsf.model.mmvsf.network import MMVSF
from mmvsf.model.mmvsf.sizes import SIZES, NetworkConfig

DEFAULT_SIZE = "compact"
OTHER_SIZE = "custom"
"""What a size is called that is none of SIZES."""


@dataclass(frozen=True)
class Start:
    """A trained model, from whose weights a training begins."""

    checkpoint: Checkpoint
    folder: Path

    @property
    def digest(self) -> str:
        """SHA-256 of its weights, which identifies it."""
        return str(self.checkpoint.config["weights_sha256"])

    @property
    def line(self) -> tuple[Generation, ...]:
        """The model, and those that it began from, newest first."""
        return generations(self.checkpoint.config)

    def network(self) -> MMVSF:
        """A copy of its network, to be trained."""
        return deepcopy(self.checkpoint.network).train()

    def check(self, cubes: Sequence[Cube], folder: Path, *, site: bool = False) -> None:
        """Raises InputError where a cube carries other variables, where the model should be given the `site` and was
        not, and where the results, which go to `folder`, would replace it: an interrupted training needs it again."""
        if site and self.checkpoint.network.config.static is None:
            raise InputError(f"--site: the model in {self.folder} was trained without the site; omit --site")
        for cube in cubes:
            check_fits(self.checkpoint.normalisation, cube, self.folder)
        if self.folder.resolve() == folder.resolve():
            raise InputError(
                f"the results of this training would replace the model in {folder} that it begins from; copy that"
                " folder and name the copy with --start"
            )

    def about(self, cubes: Sequence[Cube]) -> dict[str, Any]:
        """What metrics.json tells of it: its weights, all cubes that it and its forerunners were trained on, and what
        it learned of the held-out windows of `cubes`."""
        return {
            "weights_sha256": self.digest,
            "cubes": {digest: name for generation in reversed(self.line) for digest, name in generation.cubes.items()},
            "held_out": {cube.digest: learned_held_out(self.checkpoint.config, cube) for cube in cubes},
        }

    def notes(self, cubes: Sequence[Cube]) -> Iterator[str]:
        """What a user should know before the training, one line each."""
        about = self.about(cubes)
        for cube in cubes:
            learned = about["held_out"][cube.digest]
            if note := held_out_note(learned, cube, self.folder):
                yield note
            elif learned["same_cube"]:
                yield (
                    f"note: the model in {self.folder} was trained on {cube.path} too, with the same places and years"
                    " held out"
                )
            if unlike := self.checkpoint.unlike(cube):
                where = f"the model in {self.folder}"
                yield f"warning: {cube.path} is unlike what {where} learned from: {'; '.join(unlike)}"


def network_config(normalisation: Normalisation, size: str | None, start: Start | None) -> tuple[NetworkConfig, str]:
    """The network for inputs that are normalised so, and the name of its size: `size`, or that of the start. Raises
    InputError where there is no such size, or the start has another."""
    static = None if normalisation.static is None else normalisation.static.names
    shapes = {
        name: NetworkConfig(normalisation.bands.names, normalisation.weather.names, static=static, **shape)
        for name, shape in SIZES.items()
    }
    if size is not None and size not in SIZES:
        raise InputError(f"--size {size}: there is no such size; choose one of {', '.join(SIZES)}")
    if start is None:
        size = size or DEFAULT_SIZE
        return shapes[size], size
    config = start.checkpoint.network.config
    name = next((name for name, shape in shapes.items() if shape == config), OTHER_SIZE)
    if size not in (None, name):
        raise InputError(f"--size {size}: the model in {start.folder} has the size {name}, which is kept; omit --size")
    return config, name
