"""How large an evaluation is."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from mmvsf.model.evaluation.crops.trial import CropOptions
from mmvsf.model.mmvsf.sizes import SIZES, NetworkConfig

CLAIM = ("sm-vsf", "mm-vsf")
"""The objectives by which the claim about weather is decided."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The sizes of an evaluation. Those of the plan (which years and seeds) change no single piece."""

    steps: int = 1000
    batch_size: int = 8
    size: int = 16
    """Pixels a side of the training windows; forecasts are judged on windows of 32."""
    images: int = 12
    mask_ratio: float = 0.25
    rates: tuple[float, ...] = (1e-3, 2e-3)
    """Peak learning rates, of which each objective takes the best by validation loss after a third of the steps. 4e-3
    is ahead by then and behind at the end, as trials of MM-VSF showed."""
    network: str = "compact"
    windows: int = 24
    """Judged windows of each held-out set."""
    pairs: int = 20
    """Judged forecasts of each window."""
    gaps: int = 4
    """Missing images of each window."""

    crops: CropOptions = field(default_factory=CropOptions)

    years: int = 0
    """How many years CLAIM is held out in turn; 0 for all of the cube."""
    few: int = 2
    """How many years are held out for all else."""
    seeds: int = 3
    """Trainings of each objective in the first of the `few` years, and of CLAIM in all of them, in the control as well;
    elsewhere one."""

    @property
    def of_training(self) -> dict[str, Any]:
        """All that a pretrained encoder depends on, beside objective, learning rate, year and seed."""
        shape = asdict(NetworkConfig((), (), **SIZES[self.network]))
        return {**self._some("steps", "batch_size", "size", "images", "mask_ratio", "network"), "shape": shape}

    @property
    def of_judging(self) -> dict[str, Any]:
        """All that judged forecasts depend on."""
        return {**self.of_training, **self._some("windows", "pairs", "gaps")}

    @property
    def of_crops(self) -> dict[str, Any]:
        """All that crop maps depend on."""
        return {**self.of_training, **self._some("crops")}

    def _some(self, *names: str) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name in names}


FULL = Settings()
QUICK = Settings(
    steps=60, rates=(2e-3,), windows=4, pairs=8, gaps=2, crops=CropOptions.quick(), years=2, few=1, seeds=1
)
