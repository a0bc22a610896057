"""The recipe's section of radar."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from mmvsf.datasets.variables import ORBITS, POLARISATIONS

from .schema import RecipeModel
from .target import MemberName, SourceName, SourceOptions


class Radar(RecipeModel):
    SOURCE_LINES: ClassVar[tuple[str, ...]] = ("path", "catalog")
    source: SourceName
    """Where radar scenes come from: `archive` (a folder with STAC items and COGs), `stac` (a public catalogue), or a
    source of an installed package."""
    options: SourceOptions = Field(default_factory=dict)
    """Options of a source of another package."""
    path: str | None = None
    """Of `archive`: the folder with items.json (an ItemCollection), items.parquet or catalog.json (a catalogue)."""
    catalog: str | None = None
    """Of `stac`: planetary-computer, or the https:// address of a STAC API that needs no account."""
    product: Literal["sentinel-1-rtc"] = "sentinel-1-rtc"
    """Radiometrically terrain-corrected backscatter of Sentinel-1 (gamma0)."""
    polarisations: Annotated[tuple[MemberName, ...], Field(min_length=1)] = ("vv", "vh")
    """Polarisations of the cube, in this order: vv and vh over land, hh and hv over ice. Scenes without one of them are
    left out."""
    orbit: Literal["both", "ascending", "descending"] = "both"
    """Directions of the passes that are taken. Each is an array of its own."""
    complete_above: Annotated[float, Field(ge=0, le=1)] = 0.95
    """A build that could read a smaller share of its blocks and days ends as incomplete."""

    @field_validator("polarisations")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in value if name not in POLARISATIONS]
        if unknown or len(set(value)) < len(value):
            raise ValueError(
                f"takes some of {', '.join(POLARISATIONS)}, each once; found {', '.join(unknown or value)}"
            )
        return value

    @property
    def orbits(self) -> tuple[str, ...]:
        """The directions, each the name of an array."""
        return ORBITS if self.orbit == "both" else (self.orbit,)
