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
from mmvsf.datasets.samples.windows import HELD_OUT, index_windows
from mmvsf.datasets.words import plural
from mmvsf.model.mmvsf.checkpoint import Checkpoint, check_fits
from mmvsf.model.mmvsf.learned import Generation, LearnedCube, generations
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

    @property
    def _cubes(self) -> list[LearnedCube]:
        return [learned for generation in self.line for learned in generation.learned.values()]

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
            "held_out": {cube.digest: self._learned(cube) for cube in cubes},
        }

    def _learned(self, cube: Cube) -> dict[str, Any]:
        """Of the windows that a cube holds out, how many there are and how many the model, or one before it, was
        trained on, by the places and seasons that are recorded; and which of their cubes record none."""
        index = index_windows(cube)
        held_out = [window for part in HELD_OUT for window in index[part]]
        seen: set[tuple[int, int, int]] = set().union(*(learned.windows_in(cube, held_out) for learned in self._cubes))
        return {
            "same_cube": any(cube.digest in generation.cubes for generation in self.line),
            "windows": {part: len(index[part]) for part in HELD_OUT},
            "learned": {part: sum((w.row, w.column, w.year) in seen for w in index[part]) for part in HELD_OUT},
            "not_recorded": sorted({d for g in self.line for d in g.cubes if d not in g.learned}),
        }

    def notes(self, cubes: Sequence[Cube]) -> Iterator[str]:
        """What a user should know before the training, one line each."""
        about = self.about(cubes)
        for cube in cubes:
            if note := _held_out_note(about["held_out"][cube.digest], cube, self.folder):
                yield note
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


def _held_out_note(learned: dict[str, Any], cube: Cube, folder: Path) -> str | None:
    seen, windows = sum(learned["learned"].values()), sum(learned["windows"].values())
    if seen:
        return (
            f"warning: the model in {folder} was trained on {seen} of the {plural(windows, 'window')} that {cube.path}"
            " holds out: its scores there are not those of unseen data"
        )
    if learned["not_recorded"]:
        return (
            f"note: the model in {folder} does not record which places and years of its cubes it was trained on, so"
            f" they may be some that {cube.path} holds out"
        )
    if learned["same_cube"]:
        return f"note: the model in {folder} was trained on {cube.path} too, with the same places and years held out"
    return None
