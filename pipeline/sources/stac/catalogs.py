"""The public catalogues that scenes can come from."""

from dataclasses import dataclass

from mmvsf.datasets.errors import InputError
from mmvsf.pipeline.sources.transport.earthdata import Earthdata
from mmvsf.pipeline.sources.transport.endpoints import address
from mmvsf.pipeline.sources.transport.http import RetryPolicy
from mmvsf.pipeline.sources.transport.reach import reach_of_service
from mmvsf.pipeline.sources.transport.remote_raster import RemoteReader
from mmvsf.pipeline.sources.transport.signing import Access, NoAuth, SasSigned

COLLECTIONS: dict[str, dict[str, str]] = {
    "planetary-computer": {
        "hls-l30": "hls2-l30",
        "hls-s30": "hls2-s30",
        "sentinel-2-l2a": "sentinel-2-l2a",
        "landsat-c2-l2": "landsat-c2-l2",
    },
    "lpcloud": {"hls-l30": "HLSL30_2.0", "hls-s30": "HLSS30_2.0"},
    "earth-search": {"sentinel-2-l2a": "sentinel-2-l2a"},
}
"""catalogue -> product -> collection"""


@dataclass(frozen=True)
class Catalog:
    """A STAC API and how its files are read."""

    name: str
    url: str
    collections: dict[str, str]
    """product -> collection"""
    access: Access

    @property
    def reach(self) -> int:
        """How near the hosts may be that it names: as near as its own, see `transport.reach`."""
        return reach_of_service(self.url)

    def reader(self, retry_policy: RetryPolicy) -> RemoteReader:
        """A reader of its files."""
        return RemoteReader(self.access, retry_policy, self.reach)


def catalog(name: str, retry_policy: RetryPolicy) -> Catalog:
    """The catalogue of a name that a recipe may use, at its own address or the environment's (`endpoints`).

    Raises InputError for a name that is not known."""
    if name not in COLLECTIONS:
        raise InputError(f"there is no catalogue '{name}'; imagery.catalog is one of {', '.join(COLLECTIONS)}")
    access: dict[str, Access] = {
        "planetary-computer": SasSigned(address("sas"), retry_policy),
        "lpcloud": Earthdata(address("urs"), retry_policy),
        "earth-search": NoAuth(),
    }
    return Catalog(name, address(name), COLLECTIONS[name], access[name])
