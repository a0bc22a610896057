"""Other networks, trained on a cube at first use: the ConvLSTM and the small Contextformer."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import torch
from torch import Tensor, nn

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.samples.batch import Batch
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.model.baselines.contextformer import Contextformer
from mmvsf.model.baselines.convlstm import ConvLSTM
from mmvsf.model.mmvsf.checkpoint import WEIGHTS, load_weights, save_weights
from mmvsf.model.mmvsf.objectives import masked_mean_square
from mmvsf.model.pretraining.fit import PretrainOptions, fit
from mmvsf.model.records import has_settings, read_record, write_record

from .forecasters import NetworkForecaster

RIVALS: dict[str, Callable[[int, int], nn.Module]] = {
    "convlstm": ConvLSTM,
    "contextformer": Contextformer,
}
"""By name: what makes the network from the numbers of bands and of weather variables."""
OPTIONS = PretrainOptions(learning_rate=1e-3, mask_ratio=0.0)
RECORD = "rival.json"


@dataclass(frozen=True, eq=False)
class Rival:
    """A network and the folder that keeps its weights."""

    name: str
    cube: Cube
    folder: Path

    def forecaster(self, device: torch.device) -> NetworkForecaster:
        """Trained on the training windows of the cube, or as it was kept. Raises InputError where there is no training
        window, OSError where the disk refuses."""
        normalisation = Normalisation.of([self.cube])
        torch.manual_seed(OPTIONS.seed)
        network = RIVALS[self.name](len(self.cube.bands), len(self.cube.weather))
        settings = {"cube": self.cube.digest, **OPTIONS.as_settings()}
        record, weights = read_record(self.folder / RECORD), self.folder / WEIGHTS
        if record is not None and has_settings(record, settings) and weights.is_file():
            load_weights(weights, network, record["weights_sha256"])
        else:
            self._train(network, WindowReader(self.cube, normalisation))
            write_record(self.folder / RECORD, settings, {"weights_sha256": save_weights(weights, network)})
        return NetworkForecaster(network.to(device).eval(), normalisation, device)

    def _train(self, network: nn.Module, reader: WindowReader) -> None:
        scratch = Path(mkdtemp())
        try:
            fit(network, _loss, [reader], OPTIONS, scratch, title=f"training {self.name}")
        finally:
            shutil.rmtree(scratch)


def _loss(network: nn.Module, batch: Batch, generator: torch.Generator, progress: float) -> Tensor:
    return masked_mean_square(network(batch), batch.target, batch.target_valid)
