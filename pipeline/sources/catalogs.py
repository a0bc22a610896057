"""The public catalogues that scenes can come from, and the variables that put others in their place.

`MMVSF_STAC_URL`, `MMVSF_SAS_URL` and `MMVSF_URS_URL` replace the addresses of the catalogue, of the service that
signs and of the one that logs in, for a mirror or the stand-ins of `tests/servers`.
"""

import os
from dataclasses import dataclass

from .earthdata import Earthdata
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
    """The catalogue of a name that the recipe may use, at its own address or the environment's."""
    sas = os.environ.get("MMVSF_SAS_URL", "https://planetarycomputer.microsoft.com/api/sas/v1/token")
    login = os.environ.get("MMVSF_URS_URL", "https://urs.earthdata.nasa.gov")
    known = {
        "planetary-computer": Catalog(
            name,
            "https://planetarycomputer.microsoft.com/api/stac/v1",
            {"hls-l30": "hls2-l30", "hls-s30": "hls2-s30", "sentinel-2-l2a": "sentinel-2-l2a"},
            SasSigned(sas, patience),
            "none",
        ),
        "lpcloud": Catalog(
            name,
            "https://cmr.earthdata.nasa.gov/cloudstac/LPCLOUD",
            {"hls-l30": "HLSL30_2.0", "hls-s30": "HLSS30_2.0"},
            Earthdata(login, patience),
            "Earthdata (free)",
        ),
        "earth-search": Catalog(
            name,
            "https://earth-search.aws.element84.com/v1",
            {"sentinel-2-l2a": "sentinel-2-l2a"},
            Anyone(),
            "none",
        ),
    }
    found = known[name]
    return Catalog(
        found.name, os.environ.get("MMVSF_STAC_URL", found.url), found.collections, found.access, found.account
    )
