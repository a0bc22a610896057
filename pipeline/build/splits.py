"""Write which part each place and year of a cube belongs to."""

from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.datasets.cube.splits import place_split, year_split
from mmvsf.datasets.storage.location import Location
from mmvsf.datasets.storage.store import write_values


def write_splits(cube: Location, spec: CubeSpec) -> None:
    """Write `splits/split` and `splits/year_split`. Raises OSError if the disk refuses."""
    write_values(cube, "splits/split", place_split(spec.region, spec.grid))
    write_values(cube, "splits/year_split", year_split(spec.region))
