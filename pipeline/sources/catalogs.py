"""The public catalogues that scenes can come from."""

from dataclasses import dataclass

from .earthdata import Earthdata
from .endpoints import address
from .http import Patience
from .signing import Access, Anyone, SasSigned


@dataclass(frozen=True)
class Catalog:
    """A STAC API and how its files are read."""

    name: str
    url: str
    collections: dict[str, str]
    """product -> collection"""
    access: Access
    account: str
    """what a user needs, in words"""


def catalog(name: str, patience: Patience) -> Catalog:
    """The catalogue of a name that the recipe may use, at its own address or the environment's (`endpoints`)."""
    known = {
        "planetary-computer": Catalog(
            name,
            address(name),
            {"hls-l30": "hls2-l30", "hls-s30": "hls2-s30", "sentinel-2-l2a": "sentinel-2-l2a"},
            SasSigned(address("sas"), patience),
            "none",
        ),
        "lpcloud": Catalog(
            name,
            address(name),
            {"hls-l30": "HLSL30_2.0", "hls-s30": "HLSS30_2.0"},
            Earthdata(address("urs"), patience),
            "Earthdata (free)",
        ),
        "earth-search": Catalog(
            name,
            address(name),
            {"sentinel-2-l2a": "sentinel-2-l2a"},
            Anyone(),
            "none",
        ),
    }
    return known[name]
