"""Values that have broken readers."""

from __future__ import annotations

import copy
import random
from datetime import date, datetime
from typing import Any

NASTY: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**30, 10**5000, 0.0, -0.0, 1e-300, 1e308, -1e308,
    float("nan"), float("inf"), float("-inf"), "", " ", "x" * 10_000, "9" * 5_000, "\x00", "a\nb", "\u202e",
    "\ud800", "[/red]", "[bold]", ":smile:", "<b>", "|", "{data_dir}", "{0}", "{year}", "%s", "$HOME", "${NOWHERE}",
    "~", "~nobody", "/etc/passwd", "../../../../etc/passwd", "/dev/zero", "/dev/stdin", "http://127.0.0.1:9/",
    "/vsicurl/http://127.0.0.1:9/a.tif", "/vsizip//etc/a.zip/b.tif", "s3://bucket/key", "file:///etc/passwd",
    "EPSG:4326", "EPSG:3857", "EPSG:32701", "EPSG:0", "+proj=utm +zone=99", "+proj=ob_tran", "now", "2021-02-30",
    "0001-01-01", "9999-12-31", date(1, 1, 1), date(9999, 12, 31), date(2021, 2, 3), datetime(2021, 1, 1, 12), [], {},
    [[]], [None], [{}], {"": ""}, {"a": {"b": {}}}, [1, 2, 3, 4], [-180, -90, 180, 90], [179, 0, -179, 1],
    [0, 0, 0, 0], ["a"] * 300, list(range(300)), [float("nan")] * 4,
)  # fmt: skip


def nested(levels: int) -> Any:
    """Lists in lists."""
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


def any_value(rng: random.Random) -> Any:
    """A nasty value, or a few of them in a list or a mapping."""
    choice = rng.random()
    if choice < 0.02:
        return nested(rng.choice((5, 15, 50)))
    if choice < 0.1:
        return [any_value(rng) for _ in range(rng.randrange(5))]
    if choice < 0.15:
        return {rng.choice(("", "a", "name", "\x00", "x" * 300)): any_value(rng) for _ in range(rng.randrange(4))}
    return copy.deepcopy(rng.choice(NASTY))  # or a list could be put into itself


def paths(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places in a tree of mappings and lists."""
    found = [before] if before else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += paths(inner, (*before, key))
    return found


def mutate(rng: random.Random, tree: Any) -> None:
    """Change one place of a tree: another value, no value, one value more, or that of another place."""
    places = paths(tree)
    if not places:
        return
    *parents, last = rng.choice(places)
    holder = tree
    for key in parents:
        holder = holder[key]
    kind = rng.random()
    if kind < 0.6:
        holder[last] = any_value(rng)
    elif kind < 0.75:
        del holder[last]
    elif kind < 0.85 and isinstance(holder, dict):
        holder[rng.choice(("blocks", "extra", "source", "path", "years", "__class__", ""))] = any_value(rng)
    else:
        other = tree
        for key in rng.choice(places):
            other = other[key]
        holder[last] = other if not isinstance(other, (dict, list)) else any_value(rng)


def mutate_bytes(rng: random.Random, content: bytes) -> bytes:
    """Flip, cut, repeat or insert bytes."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        where, kind = rng.randrange(len(data) + 1), rng.random()
        if kind < 0.5 and where < len(data):
            data[where] = rng.randrange(256)
        elif kind < 0.65:
            del data[where : where + rng.choice((1, 4, 100))]
        elif kind < 0.8:
            data[where:where] = rng.choice((b"\x00", b"\xff\xff\xff\xff", b"[" * 50, b'"', b"1e999", b"-", b"\n", b"{"))
        elif kind < 0.9:
            del data[where:]
        else:
            data[where:where] = data[max(0, where - 40) : where]
    return bytes(data)
