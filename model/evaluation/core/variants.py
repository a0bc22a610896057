"""Variants of the network, all trained as MM-VSF: the paper's, and ours without one of its additions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmvsf.model.mmvsf.objectives import OBJECTIVES, Objective

from .names import NO_INDICES, PAPER

HIGH_MASKING = OBJECTIVES["mm-vsf"].reconstruct_ratio
"""Share of the patches that are hidden in the paper, which says that it is high and not how high: that of He et al."""


@dataclass(frozen=True)
class Variant:
    """What differs from the network of the settings."""

    changes: Mapping[str, Any] = field(default_factory=dict)
    """Of its configuration."""
    network: str | None = None
    """Another size than that of the settings."""
    mask_ratio: float | None = None
    window: int | None = None
    """Pixels a side of its training windows."""
    batch_size: int | None = None
    steps: float = 1.0
    """Share of the steps of the settings."""


ABLATIONS: dict[str, Variant] = {
    NO_INDICES: Variant({"recent": ()}),
    "no-degree-days": Variant({"degree_days": False}),
    "no-copy": Variant({"copy": False}),
    "high-masking": Variant(mask_ratio=HIGH_MASKING),
}
"""Each lacks one of our additions."""

VARIANTS: dict[str, Variant] = {
    **ABLATIONS,
    PAPER: Variant(network="paper", mask_ratio=HIGH_MASKING, window=32, batch_size=4, steps=0.5),
}
"""The paper's patches are twice as large as ours and need larger windows; with half as many in a batch and half as many
steps it is trained on as many pixels."""


def objective_of(method: str) -> Objective:
    """The objective of a method that trains an encoder: its own, or MM-VSF's of a variant."""
    return OBJECTIVES["mm-vsf" if method in VARIANTS else method]
