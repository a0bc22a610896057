"""A STAC search as a stand-in understands it: by GET or POST, and which items it finds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode


def as_query(asked: dict[str, Any]) -> str:
    """A search as the query of an address: lists as `name[0]=...`, as CMR writes them."""
    pairs = []
    for name, value in asked.items():
        if isinstance(value, list):
            pairs += [(f"{name}[{number}]", entry) for number, entry in enumerate(value)]
        else:
            pairs.append((name, json.dumps(value) if isinstance(value, dict) else value))
    return urlencode(pairs)


def of_query(query: dict[str, str]) -> dict[str, Any]:
    """A search by GET in the form of one by POST."""
    asked: dict[str, Any] = {}
    for name, value in query.items():
        key, bracket, _ = name.partition("[")
        if bracket:
            asked.setdefault(key, []).append(value)
        else:
            asked[key] = value.split(",") if key in ("collections", "ids", "bbox") else value
    if "bbox" in asked:
        asked["bbox"] = [float(number) for number in asked["bbox"]]
    if "intersects" in asked:
        asked["intersects"] = json.loads(asked["intersects"])
    return asked


def matches(item: dict[str, Any], asked: dict[str, Any]) -> bool:
    """Whether an item is searched for. `intersects` is taken by its bounds."""
    if asked.get("collections") and item["collection"] not in asked["collections"]:
        return False
    if asked.get("ids") and item["id"] not in asked["ids"]:
        return False
    box = asked.get("bbox") or (bounds(asked["intersects"]["coordinates"]) if asked.get("intersects") else None)
    if box is not None and not any(_meet(one, other) for one in _parts(item["bbox"]) for other in _parts(box)):
        return False
    if asked.get("datetime"):
        first, _, last = asked["datetime"].partition("/")
        begin, end = interval(item)
        if first not in ("", "..") and end < moment(first):
            return False
        if (last or first) not in ("", "..") and begin > moment(last or first):
            return False
    return True


def is_across(box: Any) -> bool:
    """Whether a box of degrees crosses 180 degrees, where its west is greater than its east."""
    return bool(box) and box[0] > box[2]


def _parts(box: Sequence[float]) -> list[Sequence[float]]:
    """A box as one or two boxes within 180 degrees."""
    west, south, east, north = box
    return [(west, south, 180.0, north), (-180.0, south, east, north)] if is_across(box) else [box]


def _meet(one: Sequence[float], other: Sequence[float]) -> bool:
    return one[0] <= other[2] and one[2] >= other[0] and one[1] <= other[3] and one[3] >= other[1]


def interval(item: dict[str, Any]) -> tuple[datetime, datetime]:
    """When an item begins and ends."""
    properties = item["properties"]
    if properties.get("datetime"):
        return moment(properties["datetime"]), moment(properties["datetime"])
    return moment(properties["start_datetime"]), moment(properties["end_datetime"])


def moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def bounds(coordinates: Any) -> tuple[float, float, float, float]:
    """(west, south, east, north) of nested GeoJSON coordinates."""
    points = list(_points(coordinates))
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


def _points(coordinates: Any) -> Iterable[tuple[float, float]]:
    if isinstance(coordinates[0], (int, float)):
        yield float(coordinates[0]), float(coordinates[1])
    else:
        for part in coordinates:
            yield from _points(part)
