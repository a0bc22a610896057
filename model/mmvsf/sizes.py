"""The configuration of a network, and the sizes that have names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

RECENT = (2.0, 6.0, 20.0)
"""Days after which the effect of a day's weather has fallen to 1 / e, for the antecedent indices: topsoil dries within
days, the root zone within weeks. After Kohler and Linsley (1951), "Predicting the runoff from storm rainfall"."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """The configuration of a network, on which its shapes depend; it is stored with the weights."""

    bands: tuple[str, ...]
    weather: tuple[str, ...]
    patch: int = 4
    width: int = 128
    heads: int = 4
    mlp: int = 256
    spatial_layers: int = 2
    temporal_layers: int = 2
    decoder_layers: int = 1
    """Spatial layers over the forecast embeddings, as many as in the paper. Without one, the visible patches of
    an image would not reach its hidden ones, and masked reconstruction would be forecasting from earlier images."""
    weather_width: int = 128
    fine: int = 32
    """Channels of the full-resolution path; 0 leaves it out."""
    pixel_width: int = 64
    recent: tuple[float, ...] = RECENT
    """Time constants of the antecedent indices, in days; none leaves them out."""
    degree_days: bool = True
    """Whether growing degrees are given beside the daily weather, and the sums of both beside its memory."""
    copy: bool = True
    """Whether the last clear value of each pixel is given to the decoder, and kept by a gate."""

    @property
    def indices(self) -> int:
        """How many antecedent indices there are."""
        return len(self.recent) * len(self.weather)


# `paper` is the network of the paper, without what was added here.
SIZES: dict[str, dict[str, Any]] = {
    "compact": {},
    "paper": {"patch": 8, "width": 512, "heads": 8, "mlp": 1024, "spatial_layers": 4, "temporal_layers": 1,
              "decoder_layers": 1, "weather_width": 512, "fine": 0, "recent": (), "degree_days": False, "copy": False},
    "large": {"width": 384, "heads": 6, "mlp": 1536, "spatial_layers": 6, "temporal_layers": 6,
              "weather_width": 384, "fine": 64},
    "series": {"patch": 1, "width": 64, "mlp": 128, "spatial_layers": 0, "weather_width": 64, "fine": 0,
               "pixel_width": 32},
}  # fmt: skip
