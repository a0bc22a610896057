"""A pretrained network as modules of plain tensors, in the units of a cube, that `torch.export` can capture.

Letters in shapes: T images, C bands, H x W pixels, D days, V weather variables, P targets, E width, p pixels a side of
a patch. Days count from 1970-01-01 and are int64.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmvsf.datasets.samples.batch import Batch
from mmvsf.datasets.samples.statistics import Moments
from mmvsf.model.mmvsf.checkpoint import Checkpoint


class _Standalone(nn.Module):
    """A network that takes one window in the units of its bands and weather."""

    band_mean: Tensor
    band_std: Tensor
    weather_mean: Tensor
    weather_std: Tensor

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__()
        self.network, self.sees_weather = checkpoint.network.eval(), checkpoint.weather
        for kind, moments in (("band", checkpoint.normalisation.bands), ("weather", checkpoint.normalisation.weather)):
            for moment, values in _tensors(moments).items():
                self.register_buffer(f"{kind}_{moment}", values)

    def batch(
        self, images: Tensor, valid: Tensor, days: Tensor, weather: Tensor, weather_days: Tensor, targets: Tensor
    ) -> Batch:
        """A batch of one window, whose forecasts start from its last image."""
        normalised = (images - self.band_mean[:, None, None]) / self.band_std[:, None, None]
        images = torch.where(valid[:, None], normalised.clamp(-10, 10), 0)[None]
        seen = (weather - self.weather_mean) / self.weather_std * self.sees_weather
        count, (bands, height, width) = targets.shape[0], images.shape[2:]
        return Batch(
            images=images,
            image_days=days[None],
            valid=valid[None],
            weather=seen[None],
            weather_start=weather_days[:1],
            weather_index=torch.zeros(1, dtype=torch.int64),
            origin=(torch.zeros_like(targets) + days.shape[0] - 1)[None],
            target=images.new_zeros(1, count, bands, height, width),
            target_valid=valid.new_zeros(1, count, height, width),
            target_day=targets[None],
        )


class StandaloneEncoder(_Standalone):
    """The embedding of a window on a day; an ONNX file of it is one for `mmvsf embed --encoder`."""

    def forward(
        self, images: Tensor, valid: Tensor, days: Tensor, weather: Tensor, weather_days: Tensor, until: Tensor
    ) -> Tensor:
        """Embeddings (H / p, W / p, E) on the day `until` (), from images up to it and weather up to the day before.

        images (T, C, H, W) in the units of their bands, valid (T, H, W) bool, of days (T,); weather (D, V) in the units
        of the cube, of the consecutive days weather_days (D,).
        """
        blank = torch.zeros_like(images[:1])  # an image without a valid pixel has the embedding of its day
        batch = self.batch(
            torch.cat([blank, images]),
            torch.cat([torch.zeros_like(valid[:1]), valid]),
            torch.cat([until[None], days]),
            weather,
            weather_days,
            until[None],
        )
        encoded, patch = self.network.encode(batch), self.network.config.patch
        index = encoded.rank[:, None, :1, None].expand(-1, encoded.tokens.shape[1], -1, encoded.tokens.shape[3])
        rows, columns = (side // patch for side in images.shape[2:])
        return encoded.tokens.gather(2, index).reshape(rows, columns, -1)


class StandaloneForecaster(_Standalone):
    """The images of later days."""

    def forward(
        self, images: Tensor, valid: Tensor, days: Tensor, weather: Tensor, weather_days: Tensor, targets: Tensor
    ) -> Tensor:
        """Images (P, C, H, W) in the units of their bands, of the days `targets` (P,), on or after the last of `days`;
        the other arguments are those of `StandaloneEncoder`, with days sorted and weather up to the day before the last
        target."""
        batch = self.batch(images, valid, days, weather, weather_days, targets)
        forecast = self.network.forecast(self.network.encode(batch), batch.origin, batch.target_day)[0]
        return forecast * self.band_std[:, None, None] + self.band_mean[:, None, None]


def _tensors(moments: Moments) -> dict[str, Tensor]:
    return {name: torch.tensor(getattr(moments, name), dtype=torch.float32) for name in ("mean", "std")}
