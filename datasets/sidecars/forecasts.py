"""The files of a forecast that `mmvsf forecast` leaves in a folder, as far as others read them.

forecast.json           what was forecast: `ForecastRecord`
forecast-<day>.tif      (band,) float32, the median in the units of the band, NaN where nothing is forecast
quantiles-<day>.tif     (band x quantile,) int16 as the cube stores its bands, the quantiles of the first band first
ndvi-<day>.tif          (quantile,) int16 x 1e-4, where the bands are enough for it
difference-<day>.tif    (quantile,) int16, under a scenario: less the weather that it changes
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.json_text import parse_json

FOLDER = "forecast"
"""Below the folder of a run: one folder for each forecast."""
RECORD = "forecast.json"
TILES = "tiles"
"""The folder of what is done, while a forecast is being made."""
MEDIAN, QUANTILE, NDVI, DIFFERENCE = "forecast", "quantiles", "ndvi", "difference"
"""Kinds of layers."""


def layer_file(kind: str, day: date | str) -> str:
    """The name of the file of a layer and day, a date or YYYY-MM-DD."""
    return f"{kind}-{day}.tif"


def quantile_name(level: float) -> str:
    """Of 0.05, q05."""
    return f"q{round(100 * level):02}"


def quantile_bands(bands: Sequence[str], levels: Sequence[float]) -> tuple[str, ...]:
    """The names of the bands of quantiles-<day>.tif."""
    return tuple(f"{band} {quantile_name(level)}" for band in bands for level in levels)


class Named(BaseModel):
    """The weather ahead or a scenario, of which only the name matters here."""

    model_config = ConfigDict(frozen=True)

    name: str


class ForecastRecord(BaseModel):
    """What readers of a forecast need of its forecast.json."""

    model_config = ConfigDict(frozen=True)

    region: str
    issued: date
    """the last day whose images were used"""
    days: Annotated[tuple[date, ...], Field(min_length=1)]
    """sorted, all after the day of issue"""
    weather: Named
    scenario: Named | None
    quantiles: tuple[Annotated[float, Field(gt=0, lt=1)], ...]
    """their levels, sorted; the one in the middle is the median"""
    files: tuple[str, ...]

    @model_validator(mode="after")
    def _sorted(self) -> Self:
        if list(self.days) != sorted(set(self.days)) or self.issued >= self.days[0]:
            raise ValueError("its days are not sorted, or not after the day of issue")
        middle = self.quantiles[len(self.quantiles) // 2 :][:1]
        if list(self.quantiles) != sorted(set(self.quantiles)) or middle != (0.5,) or len(self.quantiles) % 2 == 0:
            raise ValueError("its quantiles are not around a median")
        return self

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The record in the folder of a forecast. Raises InputError where there is none, as long as the forecast is not
        finished, or where it is damaged."""
        try:
            return cls.model_validate(parse_json((folder / RECORD).read_bytes()))
        except FileNotFoundError:
            raise InputError(f"{folder}: it is not finished; run its `mmvsf forecast` again") from None
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"]))
            words = problem["msg"].removeprefix("Value error, ")
            reason = f"{where}: {words}" if where else words
        except (ValueError, OSError) as error:
            reason = str(error)
        raise InputError(f"{folder / RECORD} is damaged ({reason}); make the forecast again")
