"""The section of a recipe whose archive is simulated."""

from typing import Annotated

from pydantic import Field

from .schema import RecipeModel

Dose = Annotated[float, Field(ge=0, le=1)]


class Simulation(RecipeModel):
    """Simulate the archive before it is read (the `sandbox` regions)."""

    path: str
    """Folder for the simulated archive."""
    seed: Annotated[int, Field(ge=0)]
    """Seed of the simulated world."""
    southern: bool = False
    """Whether the world lies in New South Wales, where crops grow from October to April."""
    crop_dose: Dose = 1.0
    """How far crops follow the weather of the year: 1 entirely, 0 not at all (they follow the mean weather)."""
    soil_dose: Dose = 1.0
    """How far the wetness of bare soil follows the weather of the year: 1 entirely, 0 not at all."""
    climate_dose: Dose = 1.0
    """Share of the real fall of temperature with latitude: 1.5 degrees Celsius per degree in January, 0.75 in July."""
    management_dose: Dose = 1.0
    """Differences between fields in sowing, variety, irrigation, cover crops and failure beyond those of one farmer."""
    geometry_dose: Dose = 1.0
    """Irregular fields: turned and bent outlines, sizes of 0.5 to 60 ha, roads, terraces."""
    patch_dose: Dose = 1.0
    """Differences of soil within fields."""
    stress_dose: Dose = 1.0
    """Damage by drought, late frost, heat at flowering, waterlogging and winterkill."""
    blur_dose: Dose = 1.0
    """What a pixel takes from its neighbours."""
    cloud_dose: Dose = 1.0
    """Cloud beyond that of a clear region: with 1 there are 4 to 12 clear views a season."""
    haze_dose: Dose = 1.0
    """Thin cloud and haze that the mask misses."""
    sensor_dose: Dose = 1.0
    """Differences between sensors and angles that are left after harmonisation."""
    label_dose: Dose = 1.0
    """Errors of the labels."""
