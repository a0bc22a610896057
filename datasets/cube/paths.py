"""Where a cube and its card are."""

from mmvsf.datasets.storage.location import Location


def cube_path(region: str, data_dir: Location) -> Location:
    """Where the cube of a region is."""
    return data_dir / f"{region}.zarr"


def card_path(cube: Location) -> Location:
    """Beside the cube; in it, it would change what the cube's digest covers."""
    return cube.with_name(f"{cube.name.removesuffix('.zarr')}.DATASET_CARD.md")
