"""From what a cube holds to what it is asked to hold: is that an extension, and where does what stands then lie?"""

import json
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.recipe.region import Region, parse_region
from mmvsf.datasets.storage.spec import GroupSpec
from mmvsf.datasets.variables import BAND_NAMES

from .calendar import Calendar
from .grid import Grid
from .layout import cube_layout
from .legend import Legend

Positions = dict[str, NDArray[np.int64]]
"""dimension -> for each old position along it, the new one"""


@dataclass(frozen=True)
class CubeSpec:
    """All that the arrays of a cube depend on."""

    region: Region
    grid: Grid
    calendar: Calendar
    legend: Legend | None
    """None for a cube without labels"""

    @property
    def weather(self) -> tuple[str, ...]:
        return self.region.weather.variables

    @property
    def years(self) -> tuple[int, ...]:
        return self.region.period.years

    @property
    def label_years(self) -> tuple[int, ...]:
        return tuple(sorted(self.region.labels.years)) if self.region.labels and self.legend else ()

    @property
    def static_layers(self) -> tuple[str, ...]:
        return self.region.static.layers if self.region.static else ()

    @property
    def confidence(self) -> bool:
        """Whether labels carry that of their source."""
        return bool(self.label_years and self.region.labels and self.region.labels.confidence)

    def groups(self) -> tuple[GroupSpec, ...]:
        """See `cube_layout`."""
        return cube_layout(
            self.grid,
            self.calendar,
            self.weather,
            self.years,
            self.label_years,
            self.legend,
            self.static_layers,
            self.confidence,
        )

    def attributes(self) -> dict[str, Any]:
        """The root attributes that hold it, as they come back from JSON."""
        attributes: dict[str, Any] = {
            "title": self.region.title,
            "region": self.region.model_dump(mode="json"),
            "grid": asdict(self.grid),
            "calendar": asdict(self.calendar),
            "weather_variables": self.weather,
            "label_years": self.label_years,
            "legend": self.legend.attributes() if self.legend else None,
        }
        # A cube without these parts says nothing of them.
        if self.static_layers:
            attributes["static_layers"] = self.static_layers
        if self.confidence:
            attributes["label_confidence"] = True
        loaded: dict[str, Any] = json.loads(json.dumps(attributes))
        return loaded

    @classmethod
    def from_attributes(cls, attributes: dict[str, Any], where: str) -> Self:
        """What `attributes` wrote. Raises InputError for a recipe that is none, KeyError or TypeError for the rest."""
        legend = Legend.from_attributes(attributes["legend"]) if attributes["legend"] else None
        region, grid = parse_region(attributes["region"], where), Grid.from_attributes(attributes["grid"])
        return cls(region, grid, Calendar(**attributes["calendar"]), legend)


def differences(old: CubeSpec, new: CubeSpec) -> list[str]:
    """Why `new` is no extension of `old`, one short reason each; empty where it is one (or the same)."""
    grids = old.grid, new.grid
    found = [
        f"grid.{name} is {now}, in the cube {was}"
        for name in ("crs", "resolution", "block", "chunk", "weather_cell")
        if (was := getattr(grids[0], name)) != (now := getattr(grids[1], name))
    ]
    found = found or _ground(*grids)
    found += _time(old.region, new.region) + _content(old.region, new.region) + _labels(old, new)
    return found + _static(old, new)


def positions(old: CubeSpec, new: CubeSpec) -> dict[str, Positions]:
    """For each group where the positions of `old` lie in `new`; a dimension that is not named keeps its positions.

    `new` is an extension of `old`.
    """
    grid, (down, right) = old.grid, _shift(old.grid, new.grid)
    days = np.arange(len(old.calendar)) + old.calendar.first_day - new.calendar.first_day
    ground = {"time": days}
    for axis, size, moved in (("y", grid.blocks_y, down), ("x", grid.blocks_x, right)):
        for dim, side in ((f"block_{axis}", 1), (f"chunk_{axis}", grid.chunks_per_block), (axis, grid.block)):
            ground[dim] = np.arange(size * side) + moved * side
    cells = {
        axis: np.arange(size) + moved * grid.block // grid.weather_cell
        for axis, size, moved in zip("yx", grid.weather_shape, (down, right), strict=True)
    }
    years = _members(old.years, new.years)
    return {
        "imagery": ground,
        "weather": {**ground, **cells},
        "static": ground,
        "labels": {**ground, "year": _members(old.label_years, new.label_years)},
        "splits": {**ground, "year": years},
        "statistics": {
            **ground,
            "year": years,
            "band": np.arange(len(BAND_NAMES)),
            "variable": _members(old.weather, new.weather),
        },
    }


def block_shift(old: CubeSpec, new: CubeSpec) -> tuple[int, int]:
    """By how many blocks the old blocks move (down, right), since the grid grew to the north or west."""
    return _shift(old.grid, new.grid)


def _shift(old: Grid, new: Grid) -> tuple[int, int]:
    side = old.block * old.resolution
    return round((new.top - old.top) / side), round((old.left - new.left) / side)


def _members(old: tuple[Any, ...], new: tuple[Any, ...]) -> NDArray[np.int64]:
    return np.array([new.index(member) for member in old], np.int64)


def _ground(old: Grid, new: Grid) -> list[str]:
    side, (down, right) = old.block * old.resolution, _shift(old, new)
    if max(abs(new.top - old.top - down * side), abs(old.left - new.left - right * side)) > 1e-6 * side:
        return ["grid.origin moves the lattice of the blocks"]
    covered = set(new.blocks)
    dropped = sum((by + down, bx + right) not in covered for by, bx in old.blocks)
    if dropped:
        return [f"area leaves out {dropped} of the cube's {len(old.blocks)} blocks"]
    if min(down, right) < 0 or old.blocks_y + down > new.blocks_y or old.blocks_x + right > new.blocks_x:
        return ["the rectangle around area is smaller than the cube's"]
    if any(moved * old.block % old.weather_cell for moved in (down, right)):
        return [
            f"area grows by {down} blocks to the north and {right} to the west, which moves the weather cells of"
            f" {old.weather_cell} pixels (blocks have {old.block})"
        ]
    return []


def _time(old: Region, new: Region) -> list[str]:
    found = []
    if new.period.start > old.period.start:
        found.append(f"period.start is {new.period.start}, in the cube {old.period.start}")
    if new.period.end < old.period.end:
        found.append(f"period.end is {new.period.end}, in the cube {old.period.end}")
    if dropped := set(old.period.months) - set(new.period.months):
        found.append(f"period.months leaves out {_names(dropped)}")
    if new.weather_start > old.weather_start:
        found.append(f"the weather begins on {new.weather_start}, in the cube on {old.weather_start}")
    if old.simulate or new.simulate:
        worlds = [(r.simulate, r.period, r.area.sites) for r in (old, new)]
        if worlds[0] != worlds[1]:
            found.append("simulate: with another period or other sites the whole simulated world is another")
    return found


def _content(old: Region, new: Region) -> list[str]:
    found = []
    if dropped := set(old.imagery.products) - set(new.imagery.products):
        found.append(f"imagery.products leaves out {_names(dropped)}")
    if lost := set(old.weather.variables) - set(new.weather.variables):
        found.append(f"weather.variables leaves out {_names(lost)}")
    kept = (
        ("imagery", ("skip_below_clear", "cloud_score")),
        ("weather", ("source", "collection")),
        ("labels", ("method",)),  # of another source they are read again, as the ledger says
    )
    for section, options in kept:
        was, now = getattr(old, section), getattr(new, section)
        if was is not None and now is not None:
            found += [
                f"{section}.{option} is {getattr(now, option)}, in the cube {getattr(was, option)}"
                for option in options
                if getattr(was, option) != getattr(now, option)
            ]
    return found


def _labels(old: CubeSpec, new: CubeSpec) -> list[str]:
    if not old.label_years:
        return []
    if not new.region.labels:
        return ["labels are left out"]
    found = []
    if dropped := set(old.label_years) - set(new.region.labels.years):
        found.append(f"labels.years leaves out {_names(dropped)}")
    if old.legend != new.legend:
        found.append("the legend of the labels is another")
    if old.confidence and not new.confidence:
        found.append("labels.confidence is left out")
    return found


def _static(old: CubeSpec, new: CubeSpec) -> list[str]:
    if dropped := set(old.static_layers) - set(new.static_layers):
        return [f"static.layers leaves out {_names(dropped)}"]
    if new.region.weather.source != "meteostat":
        return []
    was, now = (_elevation(extent.region) for extent in (old, new))
    if was != now:
        return ["the elevation of static, which temperatures of the source meteostat are brought to, is another"]
    if now and new.grid.weather_cell > new.grid.block and len(new.grid.blocks) > len(old.grid.blocks):
        return ["area gains blocks, and weather cells of several blocks, with their temperatures, another elevation"]
    return []


def _elevation(region: Region) -> tuple[str, str | None] | None:
    """Where a cube's elevation comes from."""
    static = region.static
    return (static.source, static.path) if static and "elevation" in static.layers else None


def _names(members: set[Any]) -> str:
    return ", ".join(map(str, sorted(members)))
