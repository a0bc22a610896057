"""The sizes of an evaluation."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from mmvsf.datasets.cube.cube import Cube
from mmvsf.model.cropmap.head import MappingOptions
from mmvsf.model.mmvsf.sizes import SIZES, NetworkConfig

CLAIM = ("sm-vsf", "mm-vsf")
"""The objectives by which the claim about weather is decided."""
SEASON = "season"
DATES: tuple[str, ...] = ("06-01", "07-01", "08-01", SEASON)
"""Month and day at whose end a map is drawn, from images by then and weather before them; and the whole season."""


@dataclass(frozen=True, slots=True)
class HeadOptions:
    """How a head is trained on frozen features."""

    steps: int = 400
    pixels: int = 512
    """Of one step. A head looks at one patch at a time, so they come from as many windows as there are."""
    learning_rate: float = 8e-3
    """Of 2e-3, 4e-3 and 8e-3 the best at the validation place, on an encoder with random weights; with 2e-3 four times
    the pixels give three points of F1 less."""
    few_rate: float = 2e-3
    """Where the labelled pixels are so few that each would be seen more than four times: the better of this and 8e-3 at
    the validation place, with a tenth of the fields."""
    passes: int = 32
    """How often each labelled pixel is seen at most; training ends then. With a hundredth of the fields a fourth of the
    steps, which is about this, gives five points of F1 more."""
    early: float = 0.5
    """Chance that the seasons of a step end early, after any of their images."""


@dataclass(frozen=True, slots=True)
class CropOptions:
    """The sizes of the trials of crop mapping."""

    train_windows: int = 180
    """Training windows, spread evenly over the training part."""
    score_windows: int = 36
    """Windows of each held-out set that are scored, spread evenly."""
    images: int = 24
    """Images of a season that every method is given, spread evenly over those of the whole season also where a map is
    drawn before its end."""
    fractions: tuple[float, ...] = (1.0, 0.1, 0.01)
    """Shares of the labelled fields; maps by date and of random pixels are drawn for the first."""
    dates: tuple[str, ...] = DATES
    head: HeadOptions = field(default_factory=HeadOptions)
    """Of heads on frozen features."""
    network: MappingOptions = field(default_factory=lambda: MappingOptions(steps=300, images=12, early=0.5))
    """Of whole networks, finetuned or from scratch."""
    pixels: int = 12_000
    """Training pixels of classifiers of single pixels."""
    convolution: int = 300
    """Training steps of the convolution over a pixel's series."""
    random_pixels: float = 0.2
    """Share of the pixels that the random split holds out; none for 0."""

    @classmethod
    def quick(cls) -> CropOptions:
        """Small enough to see within a minute that everything works."""
        return cls(
            train_windows=48,
            score_windows=12,
            images=16,
            fractions=(1.0, 0.1),
            dates=("07-01", SEASON),
            head=HeadOptions(steps=50),
            network=MappingOptions(steps=20, images=8, early=0.5),
            pixels=2_000,
            convolution=60,
        )


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """The sizes of an evaluation. No single piece depends on those of the plan (`years`, `full_years`, `seeds`)."""

    steps: int = 1000
    batch_size: int = 8
    size: int = 16
    """Pixels a side of the training windows."""
    images: int = 12
    mask_ratio: float = 0.25
    rates: tuple[float, ...] = (1e-3, 2e-3)
    """Peak learning rates, of which each objective takes the best by validation loss after a third of the steps. 4e-3
    is ahead by then and behind at the end, as trials of MM-VSF showed."""
    network: str = "compact"
    windows: int = 24
    """Scored windows of each held-out set."""
    pairs: int = 20
    """Scored forecasts of each window."""
    gaps: int = 4
    """Missing images of each window."""
    scored: int = 32
    """Pixels a side of the scored windows."""
    tree_windows: int = 300
    """Training windows of the boosted trees that forecast, spread evenly over the training part."""
    tree_rows: int = 30_000
    """Pixels that they learn from."""

    crops: CropOptions = field(default_factory=CropOptions)

    years: int = 4
    """How many years are held out in turn, where the cube has so many, for CLAIM and its opponents."""
    full_years: int = 1
    """How many of them for all other methods."""
    seeds: int = 2
    """Trainings of CLAIM in the full years, in the control as well; elsewhere one."""

    @property
    def for_training(self) -> dict[str, Any]:
        """All settings that a pretrained encoder depends on, beside objective, learning rate, year and seed."""
        shape = asdict(NetworkConfig((), (), **SIZES[self.network]))
        return {**self._some("steps", "batch_size", "size", "images", "mask_ratio", "network"), "shape": shape}

    @property
    def for_forecasts(self) -> dict[str, Any]:
        """All settings that scored forecasts depend on."""
        return {**self.for_training, **self._some("windows", "pairs", "gaps", "scored", "tree_windows", "tree_rows")}

    def _some(self, *names: str) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name in names}


FULL = EvaluationSettings()
QUICK = EvaluationSettings(
    steps=60,
    rates=(2e-3,),
    windows=4,
    pairs=8,
    gaps=2,
    tree_rows=5_000,
    crops=CropOptions.quick(),
    years=2,
    full_years=1,
    seeds=1,
)


def settings_for(cube: Cube, settings: EvaluationSettings) -> EvaluationSettings:
    """The settings for a cube: those of single pixels for one of point series."""
    if cube.grid.chunk > 1:
        return settings
    steps = settings.steps if settings.steps == QUICK.steps else 600
    return replace(settings, size=1, scored=1, batch_size=32, steps=steps, windows=0, pairs=32)
