"""Targets: numerical quantities to learn, such as yield or soil moisture."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from .place import NAME_PATTERN
from .schema import RecipeModel

SourceName = Annotated[str, Field(pattern=NAME_PATTERN)]
"""The name that a source is registered by; whether there is one is known to who builds, not to who reads."""

MemberName = Annotated[str, Field(max_length=40)]
"""The name of a variable, layer or polarisation; which there are is checked where it is used."""

SourceOptions = dict[str, str | int | float | bool | tuple[str, ...]]

TargetName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
"""The name of an array: lower-case letters, digits and underscores."""


class Target(RecipeModel):
    SOURCE_LINES: ClassVar[tuple[str, ...]] = ("path", "column", "year_column", "layer")
    source: SourceName
    """Where the numbers come from: `archive` (one raster a year on disk), `vector` (a column of polygons or points), or
    a source of an installed package."""
    options: SourceOptions = Field(default_factory=dict)
    """Options of a source of another package."""
    path: str | None = None
    """Path of the files, with {year} in place of the year."""
    column: str | None = None
    """Of `vector`: the column that holds the numbers; {year} stands for the year."""
    year_column: str | None = None
    """Of `vector`: the column that holds the year of a feature, as a number, text or date."""
    layer: str | None = None
    """Of `vector`: the layer of a file with several."""
    units: Annotated[str, Field(min_length=1, max_length=40)]
    """Units of the numbers, as UDUNITS writes them: t ha-1, m3 m-3, 1."""
    long_name: str = ""
    """The quantity in words."""
    valid_range: tuple[float, float] | None = None
    """Least and greatest number that are possible; others are refused."""
    years: Annotated[tuple[int, ...], Field(min_length=1)]
    """Years with numbers: the names of their seasons."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        by_year = "{year}" in f"{self.path} {self.column}" or self.year_column is not None
        if self.path is not None and len(self.years) > 1 and not by_year:
            raise ValueError("path needs {year} where there are numbers of several years")
        if len(set(self.years)) < len(self.years):
            raise ValueError("years names a year twice")
        if self.valid_range is not None and self.valid_range[0] >= self.valid_range[1]:
            raise ValueError("valid_range is [least, greatest]")
        return self
