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
