"""The configuration of a network, and the sizes that have names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

DECAYS = (2.0, 6.0, 20.0, 60.0)
"""Days after which the effect of a day's weather has fallen to 1 / e: topsoil dries within days, the root zone within
weeks, and growth remembers months. After Kohler and Linsley (1951), "Predicting the runoff from storm rainfall"."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """The configuration of a network, on which its shapes depend; it is stored with the weights."""

    bands: tuple[str, ...]
    weather: tuple[str, ...]
    patch: int = 1
    """Pixels a side of a patch, the unit that is followed through time."""
    width: int = 64
    heads: int = 4
    mlp: int = 128
    spatial_layers: int = 0
    """Of attention between the patches of an image; 0 where each is followed alone."""
    temporal_layers: int = 2
    decoder_layers: int = 0
    """Spatial layers over the forecast embeddings. With none the visible patches of an image do not reach its hidden
    ones, and masked reconstruction is forecasting from earlier images."""
    weather_width: int = 64
    decays: tuple[float, ...] = DECAYS
    """Time constants of the memory of weather, in days; none makes it a recurrent network, as in the paper."""
    pixel_width: int = 64
    degree_days: bool = True
    """Whether growing degrees are given beside the daily weather, and the sums of both beside its memory."""
    copy: bool = True
    """Whether the last clear value of each pixel is given to the decoder, and kept by a gate."""
    static: tuple[str, ...] | None = None
    """The static layers that it is given, with the length of the day; None where it knows nothing of the site."""

    @property
    def site_inputs(self) -> int:
        """Numbers that tell the length of a day."""
        return 0 if self.static is None else 2


# `paper` is the network of the paper, without what was added here.
SIZES: dict[str, dict[str, Any]] = {
    "compact": {},
    "paper": {"patch": 8, "width": 512, "heads": 8, "mlp": 1024, "spatial_layers": 4,
              "temporal_layers": 1, "decoder_layers": 1, "weather_width": 512, "decays": (),
              "degree_days": False, "copy": False},
    "large": {"width": 256, "heads": 8, "mlp": 1024, "temporal_layers": 6, "weather_width": 256, "pixel_width": 256},
}  # fmt: skip
