"""Data modules for Lightning, under either of its names: `lightning` and `pytorch_lightning`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch.utils.data import DataLoader

from .ahead import SampleLoader
from .dataset import CubeDataset, Sample
from .folds import Fold
from .loader import ForecastSamples, SamplePlan
from .placement import NoWindowsError
from .reader import WindowReader
from .windows import index_windows


def _bases() -> tuple[type, ...]:
    """The data modules of the Lightning packages that are installed: a trainer takes only one of its own package.

    Raises ModuleNotFoundError where none is.
    """
    names = [name for name in ("lightning.pytorch", "pytorch_lightning") if find_spec(name.partition(".")[0])]
    return tuple(import_module(name).LightningDataModule for name in names or ["lightning"])


class CubeDataModule(*_bases()):  # type: ignore[misc]
    """A data set of a cube with its validation and test splits, for a Trainer of `lightning` or `pytorch_lightning`.

    Training batches are shuffled, in an order that depends only on `seed`. `val_dataloader` has batches of the split
    `validation`, `test_dataloader` of everything that is held out; both are empty if the cube holds nothing out.

    >>> import mmvsf
    >>> train = mmvsf.dataset("data/my-region.zarr", size=16, bands=("red", "nir", "ndvi"), composite="month")
    >>> data = mmvsf.CubeDataModule(train, batch_size=2)
    >>> batch = next(iter(data.train_dataloader()))
    >>> tuple(batch["images"].shape)  # samples, months, channels, rows, columns
    (2, 7, 3, 16, 16)
    """

    def __init__(self, train: CubeDataset, *, batch_size: int = 8, num_workers: int = 0, seed: int = 0) -> None:
        """`num_workers` processes read ahead; they are spawned, so a script must guard its start with `if __name__ ==
        "__main__":`."""
        super().__init__()
        self.train, self.batch_size, self.num_workers, self.seed = train, batch_size, num_workers, seed
        self._held_out: dict[str, CubeDataset | None] = {}

    def train_dataloader(self) -> DataLoader[Sample]:
        return self._loader(self.train, generator=torch.Generator().manual_seed(self.seed), shuffle=True)

    def val_dataloader(self) -> DataLoader[Sample] | list[Any]:
        return self._held_out_loader("validation")

    def test_dataloader(self) -> DataLoader[Sample] | list[Any]:
        return self._held_out_loader("test")

    def _held_out_loader(self, split: str) -> DataLoader[Sample] | list[Any]:
        """The batches of a split; none where it has no windows."""
        if split not in self._held_out:
            try:
                self._held_out[split] = self.train.with_split(split)
            except NoWindowsError:
                self._held_out[split] = None
        samples = self._held_out[split]
        return [] if samples is None else self._loader(samples)

    def _loader(self, samples: CubeDataset, **order: Any) -> DataLoader[Sample]:
        workers = self.num_workers
        return DataLoader(
            samples,
            self.batch_size,
            num_workers=workers,
            multiprocessing_context="spawn" if workers else None,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
            **order,
        )


class ForecastDataModule(*_bases()):  # type: ignore[misc]
    """The training and validation samples of one or more cubes for forecasting, as `Batch`es.

    >>> import mmvsf
    >>> from mmvsf.datasets.samples.loader import SamplePlan
    >>> from mmvsf.datasets.samples.reader import Normalisation, WindowReader
    >>> cube = mmvsf.Cube.open("data/my-region.zarr")
    >>> reader = WindowReader(cube, Normalisation.of([cube]))
    >>> data = ForecastDataModule([reader], SamplePlan(size=16, images=4), batch_size=2, steps=1)
    >>> batch = next(iter(data.train_dataloader()))
    >>> tuple(batch.images.shape)  # samples, images (eight of the season before), bands, rows, columns
    (2, 12, 6, 16, 16)
    """

    def __init__(
        self,
        readers: Sequence[WindowReader],
        plan: SamplePlan,
        *,
        batch_size: int,
        steps: int,
        first_step: int = 0,
        processes: int = 1,
        workers: int = 0,
        validation_batches: int = 4,
        folds: Sequence[Fold] | None = None,
    ) -> None:
        """`steps` batches on each of `processes`, of which `first_step` were done before (a resumed run). Splits are
        those of `folds`, one for each reader, or else of the recipes.

        Raises InputError where the training split of a cube is empty.
        """
        super().__init__()
        self.readers, self.plan = readers, plan
        self.batch_size, self.workers = batch_size, workers
        self.length, self.first = steps * batch_size * processes, first_step * batch_size * processes
        self.validation_length = validation_batches * batch_size
        splits = folds or [Fold.of(reader.cube) for reader in readers]
        indexes = [index_windows(reader.cube, fold) for reader, fold in zip(readers, splits, strict=True)]
        self.training = [index["train"] for index in indexes]
        self.validation = [index["validation"] for index in indexes]

    @property
    def has_validation(self) -> bool:
        """Whether any cube has windows for validation."""
        return any(self.validation)

    def train_dataloader(self) -> SampleLoader:
        samples = ForecastSamples(self.readers, self.training, self.plan, self.length, self.first)
        return SampleLoader.of(samples, self.batch_size, self.workers)

    def val_dataloader(self) -> SampleLoader:
        """The same samples every time."""
        samples = ForecastSamples(self.readers, self.validation, self.plan, self.validation_length)
        return SampleLoader.of(samples, self.batch_size, self.workers)
