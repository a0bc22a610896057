"""Write metadata for catalogues and hubs beside a cube; the cube itself does not change."""

import json
import re
from typing import Any

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.location import Location, objects, write_whole
from mmvsf.pipeline.build.card import write_dataset_card

from .croissant import croissant
from .facts import CubeFacts
from .stac import ITEMS, collection, item

SIZES = ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"), (1e7, "1M<n<10M"))
"""Upper bounds of the hubs' categories of size"""

ITEM = re.compile(r"x-?\d+_y-?\d+\.json", re.ASCII)
"""The file of a tile's item"""


def publish(path: Location, url: str | None = None) -> list[Location]:
    """Write the descriptions of a finished cube to the folder `<name>.publish` beside it, and return the files.

    Items of tiles that the cube no longer has are removed.
    Raises InputError for an address that is none, InputError or IncompleteError as `Cube.open` does, and OSError.
    """
    if url is not None and not re.fullmatch(r"(https?|s3|gs|az)://[^/\s]+(/\S*)?", url):
        raise InputError(
            f"--url {url} is not an address; write that of the published cube, such as https://host/iowa.zarr"
        )
    cube = Cube.open(path)
    facts = CubeFacts(cube, url.rstrip("/") if url else None)
    folder = folder_of(cube.path)
    documents = {"collection.json": collection(facts), "croissant.json": croissant(facts)}
    documents |= {f"{ITEMS}/{tile.name}.json": item(facts, tile) for tile in cube.grid.tiles}
    for name, document in documents.items():
        write_whole(folder / name, _encoded(document))
    for name, _ in objects(folder / ITEMS):
        if ITEM.fullmatch(name) and f"{ITEMS}/{name}" not in documents:
            (folder / ITEMS / name).unlink()
    card = write_dataset_card(cube, folder / "README.md", _front(facts))
    return [*(folder / name for name in documents), card]


def folder_of(cube: Location) -> Location:
    """Where the descriptions of a cube are."""
    return cube.with_name(f"{cube.name.removesuffix('.zarr')}.publish")


def _encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False).encode()


def _front(facts: CubeFacts) -> dict[str, Any]:
    """What hubs read at the head of a card."""
    images = facts.images()
    size = next((name for bound, name in SIZES if images < bound), "10M<n<100M")
    return {
        "license_link": "#licence-and-attribution",
        "size_categories": [size],
        "task_categories": ["image-segmentation", "time-series-forecasting"],
        "configs": [{"config_name": "default", "data_files": f"{facts.cube.path.name}/**"}],
        "viewer": False,  # hubs show tables, not arrays
    }
