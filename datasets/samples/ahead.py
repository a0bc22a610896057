"""Reading ahead: all samples of a batch at a time, and the next batches while one is used."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch.utils.data import DataLoader, Dataset

from .batch import Batch
from .collate import TrainingSample, collate

BATCHES_AHEAD = 2


class Samples(Dataset[TrainingSample], ABC):
    """Samples by number. The reads of a batch are all begun before the first is waited for."""

    length: int
    """how many there are"""

    @abstractmethod
    def begin(self, number: int) -> Callable[[], TrainingSample]:
        """Draw a sample and begin to read it; the result is called for the sample.

        Either raises InputError for damage, and OSError where the disk or the bucket refuses.
        """

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> TrainingSample:
        return self.begin(number)()

    def __getitems__(self, numbers: Sequence[int]) -> list[TrainingSample]:
        begun = [self.begin(number) for number in numbers]
        return [finish() for finish in begun]


class SampleLoader(DataLoader[TrainingSample]):
    """Batches of samples in the order of their numbers. `workers` processes make them, or, if that is 0, a thread."""

    @classmethod
    def of(cls, samples: Samples, batch_size: int, workers: int = 0) -> SampleLoader:
        """A loader of all samples."""
        return cls(
            samples,
            batch_size,
            collate_fn=collate,
            num_workers=workers,
            pin_memory=torch.cuda.is_available(),
            # tensorstore's threads don't survive a fork.
            multiprocessing_context="spawn" if workers else None,
            persistent_workers=workers > 0,
        )

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        batches: Iterator[Batch] = super().__iter__()
        return batches if self.num_workers else _made_ahead(batches)


def _made_ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches, made in a thread. Raises what making them raises, in place of the batch."""
    pool = ThreadPoolExecutor(1)
    try:
        pending = deque(pool.submit(next, batches, None) for _ in range(BATCHES_AHEAD))
        while (batch := pending.popleft().result()) is not None:
            pending.append(pool.submit(next, batches, None))
            yield batch
    finally:
        pool.shutdown(cancel_futures=True)
