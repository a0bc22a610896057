"""The addresses of public services, and the environment variables that replace them by a mirror or a test server."""

import os
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from mmvsf.datasets.errors import InputError

from .reach import LOOPBACK, reach_of_name


class Endpoint(NamedTuple):
    """The address of a service."""

    variable: str
    """variable of the environment that replaces the address"""
    url: str
    what: str


ENDPOINTS: dict[str, Endpoint] = {
    "planetary-computer": Endpoint(
        "MMVSF_STAC_URL", "https://planetarycomputer.microsoft.com/api/stac/v1", "STAC API of the Planetary Computer"
    ),
    "lpcloud": Endpoint(
        "MMVSF_STAC_URL", "https://cmr.earthdata.nasa.gov/cloudstac/LPCLOUD", "STAC API of NASA's LP DAAC"
    ),
    "earth-search": Endpoint(
        "MMVSF_STAC_URL", "https://earth-search.aws.element84.com/v1", "STAC API of Element 84's Earth Search"
    ),
    "sas": Endpoint(
        "MMVSF_SAS_URL",
        "https://planetarycomputer.microsoft.com/api/sas/v1/token",
        "signatures for the files of the Planetary Computer",
    ),
    "urs": Endpoint("MMVSF_URS_URL", "https://urs.earthdata.nasa.gov", "Earthdata login, for the files of LP DAAC"),
    "earthengine": Endpoint(
        "MMVSF_EARTHENGINE_URL",
        "https://earthengine-highvolume.googleapis.com",
        "Earth Engine; an address without TLS gets no credentials",
    ),
    "gridmet": Endpoint(
        "MMVSF_GRIDMET_URL", "https://thredds.northwestknowledge.net/thredds/ncss/grid/MET", "gridMET's THREDDS server"
    ),
    "power": Endpoint(
        "MMVSF_POWER_URL", "https://nasa-power.s3.us-west-2.amazonaws.com", "NASA POWER's bucket of Zarr stores"
    ),
    "ecmwf": Endpoint(
        "MMVSF_ECMWF_URL", "https://arco.datastores.ecmwf.int", "Zarr stores of the ECMWF data stores (ARCO)"
    ),
    "meteostat": Endpoint("MMVSF_METEOSTAT_URL", "https://data.meteostat.net", "meteostat's files"),
    "cropscape": Endpoint(
        "MMVSF_CROPSCAPE_URL", "https://nassgeodata.gmu.edu/axis2/services/CDLService", "CropScape's web service"
    ),
    "nass": Endpoint(
        "MMVSF_NASS_URL",
        "https://www.nass.usda.gov/Research_and_Science/Cropland/Release/datasets",
        "NASS's files of the Cropland Data Layer",
    ),
}
"""service -> endpoint. The catalogues share a variable, and what replaces all of them must have what a recipe takes; a
variable of its own, such as MMVSF_LPCLOUD_URL, goes before that."""


def address(service: str) -> str:
    """The address of a service: from the environment, or the public one; without a slash at the end.

    Raises InputError for one with a name or password in it: addresses are shown in messages and stored in cubes.
    """
    endpoint = ENDPOINTS[service]
    own = f"MMVSF_{service.upper().replace('-', '_')}_URL"
    variable = own if os.environ.get(own) else endpoint.variable
    url = (os.environ.get(variable) or endpoint.url).rstrip("/")
    if "@" in urlsplit(url).netloc:
        raise InputError(f"{variable} holds a name or password; give the address without it")
    return url


def public_address(service: str) -> str:
    """The address of a service as a cube stores it. Raises as `address`."""
    return plain_url(address(service))


def plain_url(url: str) -> str:
    """A URL without the user, the password and the query that it may carry."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return urlunsplit((parts.scheme, f"{host}:{parts.port}" if parts.port else host, parts.path, "", ""))


def is_confidential(url: str) -> bool:
    """Whether what is sent to a URL stays secret on its way: it is encrypted, or stays on this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or reach_of_name(parts.hostname or "") == LOOPBACK
