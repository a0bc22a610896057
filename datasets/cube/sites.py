"""The places of a cube: the sites of its recipe, or the clusters that its blocks form."""

from mmvsf.datasets.recipe.region import Region

from .grid import BlockIndex, Grid


def blocks_of_sites(region: Region, grid: Grid) -> dict[str, tuple[BlockIndex, ...]]:
    """Name -> blocks, of the sites of a recipe (`area.sites`), or of the clusters `c1`, `c2`, ... of connected blocks,
    counted from the north west, row by row."""
    if region.area.sites is not None:
        places = {site.name: grid.block_of_point(site.lon, site.lat) for site in region.area.sites}
        return {name: (block,) for name, block in places.items() if block in grid.blocks}
    return {f"c{number}": blocks for number, blocks in enumerate(clusters(grid.blocks), start=1)}


def site_names(region: Region, grid: Grid) -> dict[BlockIndex, str]:
    """Block -> the names of the recipe's sites in it; empty where the area is not given by sites."""
    names: dict[BlockIndex, str] = {}
    for site in region.area.sites or ():
        block = grid.block_of_point(site.lon, site.lat)
        names[block] = f"{names[block]}, {site.name}" if block in names else site.name
    return names


def place_of(region: Region, grid: Grid, block: BlockIndex) -> str:
    """What to call a block: the names of the sites in it, or `block 12,3` (row, column)."""
    return site_names(region, grid).get(block, f"block {block[0]},{block[1]}")


def clusters(blocks: tuple[BlockIndex, ...]) -> list[tuple[BlockIndex, ...]]:
    """Groups of blocks that touch each other by an edge or a corner, each sorted, in the order of their first block."""
    left, groups = set(blocks), []
    for first in sorted(blocks):
        if first not in left:
            continue
        left.remove(first)
        group, border = [first], [first]
        while border:
            by, bx = border.pop()
            near = [(by + dy, bx + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (by + dy, bx + dx) in left]
            left.difference_update(near)
            group += near
            border += near
        groups.append(tuple(sorted(group)))
    return groups
