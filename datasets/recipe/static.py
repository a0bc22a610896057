"""The recipe's section of static layers: terrain and soil."""

from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from mmvsf.datasets.variables import STATIC_NAMES

from .schema import RecipeModel
from .target import MemberName, SourceName, SourceOptions


class Static(RecipeModel):
    SOURCE_LINES: ClassVar[tuple[str, ...]] = ("path",)
    source: SourceName
    """Where terrain and soil come from: `archive` (GeoTIFFs on disk), `public` (the Planetary Computer, no account),
    `earthengine`, or a source of an installed package."""
    options: SourceOptions = Field(default_factory=dict)
    """Options of a source of another package."""
    path: str | None = None
    """Of `archive`: the folder with elevation.tif and soil_water.tif, or with folders of tiles of these names."""
    layers: Annotated[tuple[MemberName, ...], Field(min_length=1)] = STATIC_NAMES
    """Layers of the cube: elevation (m), slope (degrees, computed from the elevation), soil_water (mm, in the US)."""

    @field_validator("layers")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in value if name not in STATIC_NAMES]
        if unknown or len(set(value)) < len(value):
            raise ValueError(f"takes some of {', '.join(STATIC_NAMES)}, each once; found {', '.join(unknown or value)}")
        return value
