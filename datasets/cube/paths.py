"""Where a cube and its card are."""

from mmvsf.datasets.storage.location import Location


def cube_path(region: str, data_dir: Location) -> Location:
    """Where the cube of a region is."""
    return data_dir / f"{region}.zarr"


def expanded(text: str, cube: Location) -> str:
    """A path as a recipe has it, with the folder of the cube in the place of `{data_dir}`."""
    return text.replace("{data_dir}", str(cube.parent))


def card_path(cube: Location) -> Location:
    """Beside the cube; in it, it would change what the cube's digest covers."""
    return cube.with_name(f"{cube.name.removesuffix('.zarr')}.DATASET_CARD.md")
