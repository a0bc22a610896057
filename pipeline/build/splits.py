"""Write which part each place and year of a cube belongs to."""

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.splits import place_split, year_split
from mmvsf.datasets.recipe.region import Region
from mmvsf.datasets.storage.location import Location
from mmvsf.datasets.storage.store import write_values


def finish_splits(cube: Location, region: Region, grid: Grid) -> None:
    """Write which part each place and year belongs to."""
    write_values(cube, "splits/split", place_split(region, grid))
    write_values(cube, "splits/year_split", year_split(region))
