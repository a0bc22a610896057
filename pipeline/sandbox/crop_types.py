"""The twelve land covers and the constants of their growth.

Set so that an average central Iowa year gives the usual calendar (USDA NASS, Usual Planting and Harvesting
Dates): corn sown around 5 May, soybeans two weeks later, corn closed by late June and ripe in mid-September,
soybeans closed three weeks later and yellow sooner, winter wheat green in April and ripe in early July. Three pairs
differ by timing alone (corn and sorghum, winter and spring wheat, soybeans and dry beans) and three look alike until
midsummer (soybeans and dry beans, winter wheat and double crop, pasture and hay).
Codes, names and colours are those of the USDA NASS Cropland Data Layer.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class CropType:
    """Growth constants of one land cover. Heat units are degree days between `base` and 30 C."""

    code: int
    name: str
    color: str
    base: float
    """Degrees Celsius below which nothing develops."""
    start_day: int
    """Day of year from which sowing is possible (spring-sown crops) or heat counts (the others)."""
    sowing_warmth: float | None = None
    """Ten-day mean temperature that opens sowing; None where nothing is sown in spring."""
    sowing_days: float = 0
    """Workable days from then to sowing, on average."""
    leaf_area: float
    """Highest green leaf area index of a good field."""
    half: float
    """Heat units from sowing or start to half of the leaf area."""
    speed: float
    """Heat units over which the leaf area unfolds (scale of a logistic curve)."""
    perennial: bool = False
    """Perennials age in autumn only; annuals by heat, drought and frost too."""
    yellow: float
    """Ageing units at which half of the leaves are yellow."""
    yellow_speed: float
    """Ageing units over which they turn (scale of a logistic curve)."""
    autumn_day: int
    """Day of year from which short days age the leaves."""
    autumn_rate: float
    """Ageing units of a short day."""
    standing: float
    """Share of the yellow leaf area that stays upright."""
    ripe: float | None = None
    """Ageing units at which the dry-down to harvest begins; None without harvest."""
    dry_down: float = 0
    """Workable days from ripe to harvest, on average."""
    stubble: float = 0
    """Ground cover of the residue after harvest."""
    cuts: tuple[float, float] = (np.inf, np.inf)
    """Heat units to the first cut of hay, and between cuts."""
    roots: float
    """Water within reach, as a share of the soil's capacity."""


COVERS = (
    CropType(
        code=1, name="Corn", color="#ffd200", base=10, start_day=98, sowing_warmth=10, sowing_days=10,
        leaf_area=5.2, half=430, speed=62, yellow=1490, yellow_speed=75, autumn_day=250, autumn_rate=4,
        standing=0.80, ripe=1520, dry_down=17, stubble=0.75, roots=1.0,
    ),
    CropType(
        code=5, name="Soybeans", color="#256f00", base=10, start_day=112, sowing_warmth=13.5, sowing_days=14,
        leaf_area=5.6, half=590, speed=80, yellow=1375, yellow_speed=42, autumn_day=245, autumn_rate=7,
        standing=0.22, ripe=1475, dry_down=9, stubble=0.45, roots=0.9,
    ),
    CropType(
        code=24, name="Winter Wheat", color="#a46f00", base=0, start_day=60,
        leaf_area=4.6, half=330, speed=75, yellow=1400, yellow_speed=75, autumn_day=366, autumn_rate=0,
        standing=0.80, ripe=1640, dry_down=9, stubble=0.65, roots=0.9,
    ),
    CropType(
        code=36, name="Alfalfa", color="#ffa4e1", base=5, start_day=60, perennial=True,
        leaf_area=4.6, half=230, speed=55, yellow=45, yellow_speed=10, autumn_day=262, autumn_rate=1,
        standing=0.25, cuts=(480, 590), roots=1.4,
    ),
    CropType(
        code=176, name="Grassland/Pasture", color="#e8ffbe", base=4, start_day=60, perennial=True,
        leaf_area=3.5, half=190, speed=55, yellow=42, yellow_speed=12, autumn_day=258, autumn_rate=1,
        standing=0.90, roots=0.7,
    ),
    CropType(
        code=141, name="Deciduous Forest", color="#92cc92", base=5, start_day=70, perennial=True,
        leaf_area=4.8, half=235, speed=32, yellow=33, yellow_speed=6, autumn_day=258, autumn_rate=1,
        standing=0.20, roots=1.8,
    ),
    CropType(
        code=4, name="Sorghum", color="#ff9e0a", base=10, start_day=125, sowing_warmth=15, sowing_days=16,
        leaf_area=4.9, half=450, speed=62, yellow=1330, yellow_speed=85, autumn_day=255, autumn_rate=4,
        standing=0.80, ripe=1420, dry_down=18, stubble=0.70, roots=1.1,
    ),
    CropType(
        code=42, name="Dry Beans", color="#a80000", base=10, start_day=112, sowing_warmth=13.5, sowing_days=15,
        leaf_area=5.2, half=590, speed=80, yellow=1110, yellow_speed=42, autumn_day=245, autumn_rate=7,
        standing=0.22, ripe=1190, dry_down=8, stubble=0.35, roots=0.8,
    ),
    CropType(
        code=23, name="Spring Wheat", color="#d8b56b", base=0, start_day=80, sowing_warmth=5, sowing_days=6,
        leaf_area=4.4, half=560, speed=75, yellow=1380, yellow_speed=75, autumn_day=366, autumn_rate=0,
        standing=0.80, ripe=1620, dry_down=9, stubble=0.60, roots=0.9,
    ),
    CropType(
        code=26, name="Dbl Crop WinWht/Soybeans", color="#707000", base=0, start_day=60,
        leaf_area=4.6, half=330, speed=75, yellow=1370, yellow_speed=75, autumn_day=366, autumn_rate=0,
        standing=0.80, ripe=1580, dry_down=5, stubble=0.65, roots=0.9,
    ),
    CropType(
        code=37, name="Other Hay/Non Alfalfa", color="#a5f58c", base=4, start_day=60, perennial=True,
        leaf_area=3.8, half=200, speed=55, yellow=42, yellow_speed=12, autumn_day=258, autumn_rate=1,
        standing=0.70, cuts=(900, 1100), roots=0.8,
    ),
    CropType(
        code=121, name="Developed/Open Space", color="#999999", base=4, start_day=60, perennial=True,
        leaf_area=0.7, half=190, speed=55, yellow=42, yellow_speed=12, autumn_day=258, autumn_rate=1,
        standing=0.50, roots=0.6,
    ),
)  # fmt: skip

(CORN, SOYBEANS, WHEAT, ALFALFA, PASTURE, FOREST, SORGHUM, BEANS, SPRING_WHEAT, DOUBLE_CROP, HAY, ROAD) = range(12)
"""Positions in `COVERS`."""
