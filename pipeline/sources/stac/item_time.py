"""When the scene of an item was taken, whatever the item is."""

from datetime import UTC, datetime, timedelta
from typing import Any

from mmvsf.pipeline.raster.scene import granule_time

NEARLY_A_DAY = timedelta(hours=23)
"""The length of an interval from which on it is one of days"""


def acquired_at(entry: Any) -> datetime | None:
    """When the scene of an item was taken (UTC): as its name says where it is an HLS granule's, else its `datetime`,
    `start_datetime` or `end_datetime`, the first that is there. None where that is no time, whatever the entry is."""
    if not isinstance(entry, dict):
        return None
    if isinstance(entry.get("id"), str) and (named := granule_time(entry["id"])):
        return named
    return _moment(next((value for value in _times(entry) if value), None))


def says_a_date(entry: Any) -> bool:
    """Whether the time of an item is a date: midnight UTC to the second, or an interval of a day in place of a time."""
    if not isinstance(entry, dict):
        return False
    one, start, end = _times(entry)
    if one:
        start = end = one
    first, last = _moment(start), _moment(end)
    if first is None:
        return False
    return not any((first.hour, first.minute, first.second)) or (last is not None and last - first >= NEARLY_A_DAY)


def _times(entry: dict[str, Any]) -> list[Any]:
    """Its `datetime`, `start_datetime` and `end_datetime`."""
    properties = entry.get("properties")
    known = properties if isinstance(properties, dict) else {}
    return [known.get(key) for key in ("datetime", "start_datetime", "end_datetime")]


def _moment(value: Any) -> datetime | None:
    """The time that a text says (UTC), if it says one."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip().upper())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:  # at the first or the last day that Python knows
        return moment.replace(tzinfo=UTC)
    except ValueError:
        return None
