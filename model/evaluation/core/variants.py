"""Variants of the network, all trained as MM-VSF: the paper's, and ours without one of its additions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mmvsf.model.mmvsf.objectives import OBJECTIVES, Objective

from .names import PAPER

HIGH_MASKING = OBJECTIVES["mm-vsf"].reconstruct_ratio
"""Share of the patches that are hidden in the paper, which says that it is high and not how high: that of He et al."""


@dataclass(frozen=True)
class Variant:
    """What differs from the network of the settings."""

    changes: Mapping[str, Any] = field(default_factory=dict)
    """Of its configuration."""
    network: str | None = None
    """Another size than that of the settings."""
    site: bool = False
    """Whether it is given the static layers of the cube, and the length of the day."""
    mask_ratio: float | None = None
    window: int | None = None
    """Pixels a side of its training windows."""
    batch_size: int | None = None
    objective: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the objective of MM-VSF."""
    steps: float = 1.0
    """Share of the steps of the settings."""


ABLATIONS: dict[str, Variant] = {
    "patches": Variant({"patch": 4, "spatial_layers": 2, "decoder_layers": 1}),
    "recurrent": Variant({"decays": ()}),
    "squares": Variant(objective={"robust": 0.0}),
    "no-agreement": Variant(objective={"agreement": 0.0}),
    "no-degree-days": Variant({"degree_days": False}),
    "no-copy": Variant({"copy": False}),
    "high-masking": Variant(mask_ratio=HIGH_MASKING),
}
"""Each lacks one of our additions to the paper's network."""
SITE = "site"
OPTIONAL: dict[str, Variant] = {SITE: Variant(site=True)}
"""What a network may be given, and is not by default."""

VARIANTS: dict[str, Variant] = {
    **ABLATIONS,
    **OPTIONAL,
    PAPER: Variant(
        network="paper",
        mask_ratio=HIGH_MASKING,
        window=32,
        batch_size=4,
        objective={"robust": 0.0, "agreement": 0.0},
        steps=0.5,
    ),
}
"""The paper's patches have 8 pixels a side and need larger windows; with half as many in a batch and half as many steps
it sees as many pixels."""


def objective_of(method: str) -> Objective:
    """The objective of a method that trains an encoder: its own, or MM-VSF's of a variant."""
    if method not in VARIANTS:
        return OBJECTIVES[method]
    return replace(OBJECTIVES["mm-vsf"], **VARIANTS[method].objective)
