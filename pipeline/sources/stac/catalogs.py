"""The public catalogues that scenes can come from."""

from dataclasses import dataclass
from datetime import date
from urllib.parse import urlsplit

from mmvsf.datasets.errors import InputError
from mmvsf.pipeline.layers.imagery.products import PRODUCTS, Product
from mmvsf.pipeline.sources.transport.earthdata import Earthdata
from mmvsf.pipeline.sources.transport.endpoints import address, plain_url
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

KNOWN_GAPS = {
    ("planetary-computer", "hls-s30"): (
        date(2026, 6, 16),
        "the product did not end: the Planetary Computer's ingest broke from 16 to 18 June 2026 over missing browse"
        " images, and LP DAAC has the granules (imagery.catalog: [planetary-computer, lpcloud])",
    ),
}
"""(catalogue, product) -> the day from which on scenes may be missing, and why (github.com/microsoft/
planetary-computer-tasks, pull request 378)"""


@dataclass(frozen=True)
class Catalog:
    """A STAC API and how its files are read."""

    name: str
    url: str
    collections: dict[str, str] | None
    """product -> collection, of the products that a known catalogue has; None for one that is not known"""
    access: Access

    def collection_of(self, product: Product) -> str:
        """The collection of a product. A product that the recipe declares is in the collection that it names. Raises
        InputError for a product that the catalogue lacks."""
        if product.files:
            raise InputError(
                f"imagery.custom: {product.name} is made of files, but a catalogue has items; name a collection"
            )
        if self.collections is None or product.name not in PRODUCTS:
            return product.collections[0]
        if product.name in self.collections:
            return self.collections[product.name]
        raise InputError(
            f"{self.name} has no {product.name}; it has {', '.join(self.collections)} (imagery.catalog,"
            " imagery.products)"
        )

    @property
    def reach(self) -> int:
        """How near the hosts may be that it names: as near as its own, see `transport.reach`."""
        return reach_of_service(self.url)

    def reader(self, retry_policy: RetryPolicy) -> RemoteReader:
        """A reader of its files."""
        return RemoteReader(self.access, retry_policy, self.reach)


def catalog(name: str, retry_policy: RetryPolicy) -> Catalog:
    """The catalogue of a name that a recipe may use, at its own address or the environment's (`endpoints`), or the one
    at an https:// address, which is read without an account.

    Raises InputError for anything else."""
    if name.startswith(("https://", "http://")):
        return Catalog(urlsplit(_checked(name)).netloc, name, None, NoAuth())
    if name not in COLLECTIONS:
        raise InputError(
            f"there is no catalogue '{name}'; imagery.catalog is one of {', '.join(COLLECTIONS)}, or https://..."
        )
    access: dict[str, Access] = {
        "planetary-computer": SasSigned(address("sas"), retry_policy),
        "lpcloud": Earthdata(address("urs"), retry_policy),
        "earth-search": NoAuth(),
    }
    return Catalog(name, address(name), COLLECTIONS[name], access[name])


def _checked(address: str) -> str:
    """An address that a recipe gives. Raises InputError for one without a host, with credentials, or of plain HTTP to
    another machine, where anybody on the way could change the pixels."""
    try:
        parts, shown = urlsplit(address), plain_url(address)
    except ValueError as error:
        raise InputError(f"imagery.catalog is not an address: {error}") from None
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if (
        not parts.hostname
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
        or (parts.scheme != "https" and not local)
    ):
        raise InputError(
            f"imagery.catalog {shown} is not the https:// address of a STAC API; give that of its landing page,"
            " without a name, a password or a query"
        )
    return address
