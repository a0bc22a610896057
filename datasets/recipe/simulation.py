"""The section of a recipe whose archive is simulated."""

from typing import Annotated

from pydantic import Field

from .schema import RecipeModel


class Simulation(RecipeModel):
    """Simulate the archive before it is read (the `sandbox` regions)."""

    path: str
    """Folder for the simulated archive."""
    seed: Annotated[int, Field(ge=0)]
    """Seed of the simulated world."""
    southern: bool = False
    """Whether the world lies in New South Wales, where crops grow from October to April."""
    crop_dose: Annotated[float, Field(ge=0, le=1)] = 1.0
    """How far crops follow the weather of the year: 1 entirely, 0 not at all (they follow the mean weather)."""
    soil_dose: Annotated[float, Field(ge=0, le=1)] = 1.0
    """How far the wetness of bare soil follows the weather of the year: 1 entirely, 0 not at all."""
