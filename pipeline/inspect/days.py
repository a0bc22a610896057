"""Days that a user names, looked up in a cube."""

from datetime import date

from mmvsf.datasets.cube.calendar import date_of, day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError


def parse_day(text: str) -> date:
    """A date written YYYY-MM-DD. Raises InputError."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"'{text}' is not a valid date; write YYYY-MM-DD") from error


def time_index(cube: Cube, day: date) -> int:
    """Position of a day on the cube's time axis. Raises InputError for a day outside it."""
    try:
        return cube.calendar.index(day_number(day))
    except IndexError as error:
        first, last = (date_of(cube.calendar.days[end]) for end in (0, -1))
        raise InputError(f"{cube.path}: {day} is outside its calendar, {first} to {last}") from error
