"""Find the blocks that no scene reaches before anything is read: the check refuses a cube with such a block."""

from pyproj import Transformer

from mmvsf.datasets.cube.grid import BlockIndex, Grid
from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.datasets.words import plural
from mmvsf.pipeline.layers.imagery.plan import ImageryPlan

MOST_NAMED = 5
"""Blocks that a message names."""


def unseen_blocks(plan: ImageryPlan) -> list[BlockIndex]:
    """The blocks that no scene of the plan reaches, sorted; none where a scene of unknown place may reach any."""
    if plan.undated:
        return []
    seen = {block for _, block in plan.units}
    return sorted(block for block in plan.grid.blocks if block not in seen)


def describe_unseen(plan: ImageryPlan) -> str:
    """One line about the blocks that no scene reaches; empty if there are none."""
    unseen = unseen_blocks(plan)
    if not unseen:
        return ""
    names = [f"{plan.grid.block_name(block)} ({_lonlat(plan.grid, block)})" for block in unseen[:MOST_NAMED]]
    more = f" and {len(unseen) - MOST_NAMED} more" if len(unseen) > MOST_NAMED else ""
    return (
        f"{plan.layer}: no scene of the period reaches {plural(len(unseen), 'block')} of {len(plan.grid.blocks)}:"
        f" {', '.join(names)}{more}; leave them out of `area`, or take a longer period, more products or another source"
    )


def refuse_unseen(plan: ImageryPlan) -> None:
    """Raise InputError where no scene reaches a block; IncompleteError where a service could not be searched."""
    text = describe_unseen(plan)
    if text and plan.unanswered:
        raise IncompleteError(f"{text}. Not all services could be searched: {'; '.join(plan.unanswered)}")
    if text:
        raise InputError(text)


def _lonlat(grid: Grid, block: BlockIndex) -> str:
    """The middle of a block in degrees."""
    left, bottom, right, top = grid.block_geobox(block).boundingbox
    to_lonlat = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    lon, lat = to_lonlat.transform((left + right) / 2, (bottom + top) / 2)
    return f"lon {lon:.3f}, lat {lat:.3f}"
