"""The result of a search for scenes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmvsf.pipeline.raster.scene import Scene


@dataclass(frozen=True)
class FoundScenes:
    """What a search gives."""

    scenes: tuple[Scene, ...]
    """by time and id, with those that have a `fault`"""
    items: int = 0
    """entries of the catalogue that were looked at"""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """reason, such as "outside the period" -> entries that are no scene of the cube"""
    undated: tuple[str, ...] = ()
    """for each faulty entry whose day cannot be known, what is wrong: no day can be marked for it, and without
    `--accept-failed` the build stays incomplete"""
    unanswered: tuple[str, ...] = ()
    """for each of several services that was not searched or did not answer, why; the scenes are those of the others"""
