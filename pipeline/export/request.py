"""What an export contains: which arrays, which days or season, and how days are combined."""

from dataclasses import dataclass
from datetime import date
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import date_of, day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import ORBITS, STATIC_NAMES, WEATHER_BY_NAME
from mmvsf.pipeline.inspect.days import parse_day, time_index

Reduce = Literal["median", "mean", "none"]

IMAGERY, COMPOSED = ("reflectance", "quality", "scene", "ndvi"), ("reflectance", "ndvi")
"""Arrays of a day of images, and those of which a period can be made one"""
LABELS = ("crop", "purity", "confidence")


@dataclass(frozen=True)
class Request:
    """The options that say what is exported. Raises InputError for those that do not go together, whatever the cube."""

    what: str = "reflectance"
    day: str | None = None
    start: str | None = None
    end: str | None = None
    year: int | None = None
    reduce: str | None = None

    def __post_init__(self) -> None:
        if self.group == "labels":
            self._refuse("labels", day=self.day, start=self.start, end=self.end, reduce=self.reduce)
        elif self.group == "static":
            times = {"day": self.day, "start": self.start, "end": self.end, "year": self.year, "reduce": self.reduce}
            self._refuse("static layers", **times)
        else:
            self._check_days()

    @property
    def group(self) -> str:
        """The group that it is read from."""
        if self.what in IMAGERY:
            return "imagery"
        if self.what in ORBITS:
            return "radar"
        if self.what in LABELS:
            return "labels"
        if self.what == "weather" or self.what in WEATHER_BY_NAME:
            return "weather"
        if self.what == "static" or self.what in STATIC_NAMES:
            return "static"
        names = (*IMAGERY, *ORBITS, *LABELS, "weather", "static")
        raise InputError(
            f"'{self.what}' cannot be exported; choose one of {', '.join(names)}, a weather variable or a static layer"
        )

    def _refuse(self, of: str, **options: object) -> None:
        """Raise InputError for options that do not apply."""
        for name, value in options.items():
            if value is not None:
                takes = "a year only (--year)" if of == "labels" else "no time"
                raise InputError(f"--{name} {value} does not apply to {of}; {self.what} takes {takes}")

    def _check_days(self) -> None:
        """The days of imagery or weather: one of a day, a period and a year, and how they are reduced."""
        if (self.start is None) != (self.end is None):
            raise InputError("a period has a first and a last day; give --start and --end")
        given = [value for value in (self.day, self.start, self.year) if value is not None]
        if len(given) != 1:
            raise InputError(
                f"{self.what} needs a day, YYYY-MM-DD (--day), or a period (--start and --end), or the year of a season"
                " (--year); give one of them"
            )
        if self.day is not None:
            parse_day(self.day)
        if self.start is not None and self.end is not None and parse_day(self.start) > parse_day(self.end):
            raise InputError(f"the period ends ({self.end}) before it starts ({self.start}); swap them")
        if self.reduce is not None and self.reduce not in get_args(Reduce):
            raise InputError(
                f"'{self.reduce}' is not a way to combine days; choose one of {', '.join(get_args(Reduce))}"
            )
        if self.day is not None and self.reduce is not None:
            raise InputError(f"--reduce {self.reduce} applies to several days; leave it out with --day")
        if self.day is None and self.what in IMAGERY and self.what not in COMPOSED and self.reduce != "none":
            raise InputError(f"{self.what} are codes, which have no median; give --day, or --reduce none")

    def days(self, cube: Cube) -> NDArray[np.int64]:
        """Positions of its days on the cube's time axis. Raises InputError for days or a season outside it."""
        if self.day is not None:
            return np.array([time_index(cube, parse_day(self.day))])
        if self.start is not None and self.end is not None:
            first, last = parse_day(self.start), parse_day(self.end)
        else:
            first, last = self._season(cube)
        axis = cube.calendar.days
        positions = np.flatnonzero((axis >= day_number(first)) & (axis <= day_number(last)))
        if not positions.size:
            ends = " to ".join(str(date_of(axis[end])) for end in (0, -1))
            raise InputError(f"{cube.path} has no day from {first} to {last}; its calendar is {ends}")
        return positions

    def _season(self, cube: Cube) -> tuple[date, date]:
        """First and last day of the season of `year`. Raises InputError for another one than the cube's."""
        seasons = cube.array("seasons/season").tolist()
        if self.year not in seasons:
            raise InputError(f"{cube.path} has no season {self.year}; choose one of {', '.join(map(str, seasons))}")
        index = seasons.index(self.year)
        first, last = (cube.array(f"seasons/{end}")[index] for end in ("start", "end"))
        return date_of(int(first)), date_of(int(last))
