"""Scenes that a cube was built from and that its source lists no longer.

A service that lists less than it did is more often at fault than right, and planning without those scenes would empty
their shards. So what was listed is recorded with the state of the files, and compared before anything is written.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from mmvsf.pipeline.raster.scene import Scene

Listing = Mapping[str, Sequence[Any]]
"""acquisition -> product, id and day of a scene"""


def listing_of(scenes: Iterable[Scene]) -> dict[str, list[Any]]:
    """What is to be recorded of the scenes of a plan."""
    return {_acquisition(scene): [scene.product, scene.id, scene.day] for scene in scenes if not scene.fault}


def unlisted(
    recorded: Listing, scenes: Collection[Scene], products: Collection[str], days: Collection[int]
) -> list[tuple[str, int]]:
    """(id, day) of the recorded scenes of some products and days that are not among `scenes`, by day. One that was
    replaced is there: by its id, or as another version of its acquisition."""
    acquired, ids = {_acquisition(scene) for scene in scenes}, {(scene.product, scene.id) for scene in scenes}
    wanted, period = set(products), set(days)
    missing = [
        (name, day)
        for acquisition, (product, name, day) in recorded.items()
        if acquisition not in acquired and (product, name) not in ids and product in wanted and day in period
    ]
    return sorted(missing, key=lambda scene: scene[::-1])


def _acquisition(scene: Scene) -> str:
    return sha256(repr(scene.acquisition).encode()).hexdigest()[:24]
