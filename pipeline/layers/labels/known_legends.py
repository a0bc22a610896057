"""Legends that a recipe can name in place of a file: `legend: cdl`, `worldcover`, `worldcereal-maize`, ...

WorldCover: ESA WorldCover 10 m, 2020 (v100) and 2021 (v200), tiles of 3 x 3 degrees in EPSG:4326; classes and colours
as in its product user manual; 0 is no data. © ESA WorldCover project, contains modified Copernicus Sentinel data
processed by the ESA WorldCover consortium; CC BY 4.0.

WorldCereal: ESA WorldCereal 10 m 2021 (v100), one raster an agro-ecological zone, season and product, in which 0 is
"not" and 100 is "yes" (Van Tricht et al. 2023, doi:10.5194/essd-15-5491-2023); CC BY 4.0. 0 is a class there, so the
cube has other codes: 1 for "not", 2 for "yes".
"""

from dataclasses import dataclass

from mmvsf.datasets.cube.legend import ClassTable, Legend, LegendClass

from .cdl_classes import CDL, CDL_LICENCE

CC_BY = "CC-BY-4.0"

WORLDCOVER = Legend(
    (
        LegendClass(10, "Tree cover", "#006400"),
        LegendClass(20, "Shrubland", "#ffbb22"),
        LegendClass(30, "Grassland", "#ffff4c"),
        LegendClass(40, "Cropland", "#f096ff"),
        LegendClass(50, "Built-up", "#fa0000"),
        LegendClass(60, "Bare or sparse vegetation", "#b4b4b4"),
        LegendClass(70, "Snow and ice", "#f0f0f0"),
        LegendClass(80, "Permanent water bodies", "#0064c8"),
        LegendClass(90, "Herbaceous wetland", "#0096a0"),
        LegendClass(95, "Mangroves", "#00cf75"),
        LegendClass(100, "Moss and lichen", "#fae6a0"),
    )
)

WORLDCOVER_ATTRIBUTION = (
    "ESA WorldCover project, contains modified Copernicus Sentinel data processed by the ESA WorldCover consortium"
)

WORLDCEREAL = {
    "temporarycrops": "temporary crops",
    "maize": "maize",
    "wintercereals": "winter cereals",
    "springcereals": "spring cereals",
    "irrigation": "active irrigation",
    "activecropland": "active cropland",
}
"""product of WorldCereal -> its class in words"""

WORLDCEREAL_VALUES = {"0": 1, "100": 2, "255": 0}


@dataclass(frozen=True)
class KnownLegend:
    """The classes of a product, and its terms."""

    table: ClassTable
    licence: str
    source: str = ""
    """the attribution that it asks for"""


def _worldcereal(name: str) -> KnownLegend:
    legend = Legend((LegendClass(1, f"no {name}", "#b0a08c"), LegendClass(2, name, "#c87800")))
    source = "ESA WorldCereal 10 m 2021 v100, produced by the ESA WorldCereal consortium"
    return KnownLegend(ClassTable(legend, WORLDCEREAL_VALUES), CC_BY, source)


KNOWN_LEGENDS: dict[str, KnownLegend] = {
    "cdl": KnownLegend(ClassTable(CDL), CDL_LICENCE),
    "worldcover": KnownLegend(ClassTable(WORLDCOVER), CC_BY, WORLDCOVER_ATTRIBUTION),
    **{f"worldcereal-{product}": _worldcereal(name) for product, name in WORLDCEREAL.items()},
}
