"""Mappings from one grid to another, cached while they are useful.

The relation of two grids is the same on every date, so it is worked out once and reused.
"""

from .byte_cache import ByteCache
from .resample import relate
from .resampler import Resampler
from .scene import RasterGrid

MAPPING_BYTES = 512 * 2**20
"""Mappings of imagery that a process keeps. The largest group of blocks in another projection needs 35 MB for each grid
of its scenes, and has eight of them where four tiles of Sentinel-2 meet; the groups of a region never all fit."""

CODE_MAPPING_BYTES = 96 * 2**20
"""The same of labels. A block of 256 pixels takes 13 MB."""

_mappings = ByteCache[Resampler](MAPPING_BYTES, lambda mapping: mapping.nbytes)
_code_mappings = ByteCache[Resampler](CODE_MAPPING_BYTES, lambda mapping: mapping.nbytes)


def resampler(source: RasterGrid, target: RasterGrid) -> Resampler:
    """The mapping from one grid to another. Both are north-up with square pixels.

    Raises ValueError for a rotated grid.
    """
    return _mappings.get_or_make((source, target), lambda: relate(source, target))


def code_resampler(source: RasterGrid, target: RasterGrid) -> Resampler:
    """The mapping for codes alone, without weights. Few are kept: labels need one of 25 points a pixel for each
    block, and every block but once a year.

    Raises ValueError for a rotated grid.
    """
    return _code_mappings.get_or_make((source, target), lambda: relate(source, target, weighted=False))
