"""Cubes of the kit that their writer got wrong: hashes and lengths fit, what they prove does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import numpy as np
from zarr.codecs import BloscCodec

from .cube import Files
from .damaged import LARGE, SMALL, TILE
from .edits import (
    Wrong,
    at,
    attribute,
    manifest,
    metadata,
    reencoded,
    root,
    status,
    values,
    whole_manifest,
    without,
    written,
)
from .good import CROSSING
from .kind import FAILED, NOT_ACQUIRED, OUTSIDE, SKIPPED_CLOUDY, STORED, Kind, day


def corrupt(name: str, byte: int) -> Callable[[Files], object]:
    def change(files: Files) -> None:
        content = bytearray(files[name])
        content[byte] ^= 16
        files[name] = bytes(content)

    return change


def drop_tail(objects: dict[str, Any], files: Files) -> None:
    del objects[LARGE.removeprefix(f"{TILE}/")][2:]


def add_tail(objects: dict[str, Any], files: Files) -> None:
    objects[SMALL.removeprefix(f"{TILE}/")].append(sha256(files[SMALL][-4096:]).hexdigest()[:16])


def wrong_tail(objects: dict[str, Any], files: Files) -> None:
    objects[LARGE.removeprefix(f"{TILE}/")][2] = "0123456789abcdef"


def stray(name: str) -> Callable[[Files], object]:
    return lambda files: files.update({name: b"0123456789"})


def superfluous(files: Files) -> None:
    files.update({name.replace(TILE, "tiles/x5_y5"): content for name, content in files.items() if TILE in name})


def half_pixel(array: Any) -> Any:
    return array + 15.0


UNITS = f"{TILE}/blocks/status"
PIXELS = f"{TILE}/imagery/reflectance"

UNITS, PIXELS, WEATHER = f"{TILE}/blocks/status", f"{TILE}/imagery/reflectance", f"{TILE}/weather"
TWO_YEARS = Kind(seasons=((2020, "2020-01-01", "2020-12-31"), (2021, "2021-01-01", "2021-12-31")))
DISAGREES = ("status-disagrees", UNITS)
RADAR, PASSES = Kind(radar=("ascending",)), f"{TILE}/blocks/ascending"
OF_RADAR = ("status-disagrees", f"{PASSES}_status")
ROOT, WHOLE, PART = "zarr.json", "manifest.json", f"manifest/{TILE}.json"
LEVEL_THREE, LEVEL_FIVE = ([BloscCodec(cname="zstd", clevel=level, shuffle="shuffle")] for level in (3, 5))

WRONG: dict[str, Wrong] = {
    # the root
    "incomplete": root(lambda a: a.update(complete=False), ("incomplete", ROOT)),
    "complete-is-not-told": root(lambda a: a.pop("complete"), ("incomplete", ROOT)),
    "version-1": root(lambda a: a.update(format_version=1), ("wrong-version", ROOT)),
    "version-3": root(lambda a: a.update(format_version=3), ("wrong-version", ROOT)),
    "no-cube": root(lambda a: a.update(format="other-cube"), ("bad-root", ROOT)),
    "no-grid": root(lambda a: a.pop("grid"), ("bad-root", ROOT)),
    "seasons-are-text": root(lambda a: a.update(seasons=["2021"]), ("bad-root", ROOT)),
    "no-history": root(lambda a: a.update(history={}), ("bad-root", ROOT)),
    "calendar-of-part-shards": root(lambda a: a["calendar"].update(first_day=18750), ("bad-root", ROOT)),
    "grid-beside-the-tiles": root(lambda a: a["grid"].update(left=480.0), ("bad-root", ROOT)),
    "block-outside-the-grid": root(lambda a: a["grid"]["blocks"].append([0, 99]), ("bad-root", ROOT)),
    "chunks-that-divide-no-block": root(lambda a: a["grid"].update(chunk=5), ("bad-root", ROOT)),
    "another-digest": root(lambda a: a.update(digest="0" * 64), ("digest-mismatch", ROOT)),
    # the manifest
    "manifest-with-white-space": whole_manifest(
        lambda m: json.dumps(m, sort_keys=True).encode(), ("bad-manifest", WHOLE)
    ),
    "manifest-unsorted": whole_manifest(
        lambda m: json.dumps(dict(reversed(m.items())), separators=(",", ":")).encode(), ("bad-manifest", WHOLE)
    ),
    "manifest-with-more": whole_manifest(lambda m: m.update(more=1), ("bad-manifest", WHOLE)),
    "manifest-of-a-strange-part": whole_manifest(
        lambda m: m["parts"].update(others=m["parts"]["scenes"]), ("bad-manifest", WHOLE)
    ),
    "wrong-count-of-objects": whole_manifest(
        lambda m: m["parts"][TILE].update(objects=m["parts"][TILE]["objects"] + 1), ("bad-manifest", PART)
    ),
    "wrong-sum-of-bytes": whole_manifest(lambda m: m["parts"][TILE].update(bytes=0), ("bad-manifest", PART)),
    "part-with-white-space": manifest(lambda o, _: json.dumps({"objects": o}).encode(), ("bad-manifest", PART)),
    "short-hash": manifest(lambda o, _: o["zarr.json"].__setitem__(1, "77ab"), ("bad-manifest", PART)),
    "strange-name": manifest(lambda o, _: o.update({"../zarr.json": o["zarr.json"]}), ("bad-manifest", PART)),
    "large-shard-without-tail": manifest(drop_tail, ("bad-manifest", LARGE)),
    "small-shard-with-tail": manifest(add_tail, ("bad-manifest", SMALL)),
    "wrong-tail": manifest(wrong_tail, ("hash-mismatch", LARGE)),
    "chunk-outside-its-array": written(stray(f"{PIXELS}/c/9/0/0/0"), ("stray-object", f"{PIXELS}/c/9/0/0/0")),
    # parts, groups and arrays
    "tile-not-written": written(without(f"{TILE}/"), ("wrong-parts", TILE)),
    "tile-too-many": written(superfluous, ("wrong-parts", "tiles/x5_y5")),
    "scenes-not-written": written(without("scenes/"), ("wrong-parts", "scenes")),
    "group-not-written": written(without(f"{TILE}/weather/"), ("missing-group", f"{TILE}/weather")),
    "array-not-written": written(without(f"{TILE}/labels/purity/"), ("missing-array", f"{TILE}/labels/purity")),
    "variable-not-written": written(without(f"{WEATHER}/tmax/"), ("missing-array", f"{WEATHER}/tmax")),
    "coordinate-not-written": written(without(f"{TILE}/blocks/y/"), ("missing-array", f"{TILE}/blocks/y")),
    "metadata-is-none": written(stray(f"{UNITS}/zarr.json"), ("bad-metadata", f"{UNITS}/zarr.json")),
    "array-where-a-group-is-due": written(
        lambda files: files.update({f"{TILE}/chunks/zarr.json": files[f"{UNITS}/zarr.json"]}),
        ("bad-metadata", f"{TILE}/chunks/zarr.json"),
    ),
    "wrong-type": written(metadata(PIXELS, "data_type", "uint16"), ("wrong-type", PIXELS)),
    "wrong-shape": written(metadata(f"{TILE}/chunks/split", "shape", [8, 9]), ("wrong-shape", f"{TILE}/chunks/split")),
    "wrong-fill": written(metadata(PIXELS, "fill_value", 0), ("wrong-fill", PIXELS)),
    "wrong-fill-of-weather": written(metadata(f"{WEATHER}/tmin", "fill_value", 0.0), ("wrong-fill", f"{WEATHER}/tmin")),
    "wrong-dimensions": written(
        metadata(PIXELS, "dimension_names", ["band", "time", "y", "x"]), ("wrong-dimensions", PIXELS)
    ),
    "no-dimensions": written(metadata(UNITS, "dimension_names", None), ("wrong-dimensions", UNITS)),
    "wrong-chunks": written(
        reencoded(f"{TILE}/imagery/quality", shards=True, chunks=(8, 8, 8)), ("wrong-chunks", f"{TILE}/imagery/quality")
    ),
    "status-in-one-chunk": written(reencoded(UNITS, shards=False, chunks=(64, 4, 4)), ("wrong-chunks", UNITS)),
    "wrong-level-of-compression": written(
        reencoded(UNITS, shards=False, compressors=LEVEL_FIVE), ("wrong-codecs", UNITS)
    ),
    "chunks-without-checksum": written(
        reencoded(f"{TILE}/labels/crop", shards=True, compressors=LEVEL_THREE),
        ("wrong-codecs", f"{TILE}/labels/crop"),
    ),
    "damaged-before-it-was-hashed": written(corrupt(LARGE, 4000), ("bad-chunk", LARGE)),
    "status-damaged-before-it-was-hashed": written(
        lambda files: files.update({f"{UNITS}/c/0/0/0": b"no Blosc at all"}), ("bad-chunk", f"{UNITS}/c/0/0/0")
    ),
    # axes
    "wrong-crs": written(attribute(f"{TILE}/labels", "proj:code", "EPSG:32614"), ("wrong-crs", f"{TILE}/labels")),
    "wrong-crs-of-the-grid-mapping": written(
        attribute(f"{WEATHER}/spatial_ref", "crs_wkt", 'PROJCRS["other",ID["EPSG",5070]]'), ("wrong-crs", WEATHER)
    ),
    "wrong-transform": written(
        attribute(f"{TILE}/imagery", "spatial:transform", [30.0, 0.0, 15.0, 0.0, -30.0, 1920.0]),
        ("wrong-transform", f"{TILE}/imagery"),
    ),
    "wrong-geotransform": written(
        attribute(f"{TILE}/blocks/spatial_ref", "GeoTransform", "0 480 0 0 0 -480"),
        ("wrong-transform", f"{TILE}/blocks"),
    ),
    "unsorted-time": written(
        values(f"{TILE}/imagery/time", lambda a: np.concatenate([a[:5], a[6:7], a[5:6], a[7:]])),
        ("unsorted-time", f"{TILE}/imagery/time"),
    ),
    "repeated-day": written(
        values(f"{TILE}/blocks/time", lambda a: at(3, a[2])(a)), ("unsorted-time", f"{TILE}/blocks/time")
    ),
    "calendar-one-day-late": written(values(f"{WEATHER}/time", lambda a: a + 1), ("wrong-calendar", f"{WEATHER}/time")),
    "y-ascending": written(values(f"{TILE}/imagery/y", lambda a: a[::-1]), ("wrong-coordinates", f"{TILE}/imagery/y")),
    "half-a-pixel-off": written(values(f"{TILE}/imagery/x", half_pixel), ("wrong-coordinates", f"{TILE}/imagery/x")),
    "weather-cells-off": written(values(f"{WEATHER}/y", lambda a: a - 240.0), ("wrong-coordinates", f"{WEATHER}/y")),
    "bands-in-another-order": written(
        values(f"{TILE}/imagery/band", lambda a: np.asarray(a)[[2, 1, 0, 3, 4, 5]]),
        ("wrong-coordinates", f"{TILE}/imagery/band"),
    ),
    "another-season-of-labels": written(
        values(f"{TILE}/labels/season", lambda a: a - 1), ("wrong-coordinates", f"{TILE}/labels/season")
    ),
    # seasons
    "seasons-overlap": written(
        values("seasons/end", at(0, day("2021-01-01"))), ("bad-seasons", "seasons/start"), kind=TWO_YEARS
    ),
    "season-of-six-months": written(values("seasons/end", lambda a: a - 180), ("bad-seasons", "seasons/start")),
    "season-of-another-name": written(
        values("seasons/start", lambda a: a + 800),
        ("bad-seasons", "seasons/start"),
        kind=Kind(seasons=CROSSING[:1], label_seasons=()),
    ),
    # codes and pixels
    "unknown-split": written(values(f"{TILE}/chunks/split", at((4, 4), 9)), ("unknown-code", f"{TILE}/chunks/split")),
    "unknown-split-of-a-season": written(values("seasons/split", at(0, 4)), ("unknown-code", "seasons/split")),
    "radar-of-a-day-not-acquired": written(values(f"{PASSES}_status", at((6, 2, 2), 1)), OF_RADAR, kind=RADAR),
    "radar-status-outside": written(values(f"{PASSES}_status", at((8, 0, 0), 1)), OF_RADAR, kind=RADAR),
    "radar-orbit-without-a-pass": written(values(f"{PASSES}_orbit", at((8, 2, 2), 5)), OF_RADAR, kind=RADAR),
    "radar-pass-without-an-orbit": written(values(f"{PASSES}_orbit", at((6, 2, 2), 0)), OF_RADAR, kind=RADAR),
    "radar-of-an-unknown-orbit": written(
        values(f"{PASSES}_orbit", at((6, 2, 2), 176)),
        ("unknown-code", f"{PASSES}_orbit"),
        kind=RADAR,
    ),
    "radar-of-float": written(
        metadata(f"{TILE}/radar/ascending", "data_type", "float32"),
        ("wrong-type", f"{TILE}/radar/ascending"),
        kind=RADAR,
    ),
    "radar-polarisations-swapped": written(
        values(f"{TILE}/radar/polarisation", lambda names: names[::-1]),
        ("wrong-coordinates", f"{TILE}/radar/polarisation"),
        kind=RADAR,
    ),
    "a-direction-is-missing": written(
        without(f"{TILE}/radar/ascending/"), ("missing-array", f"{TILE}/radar/ascending"), kind=RADAR
    ),
    "unknown-status": written(status(NOT_ACQUIRED, 7), ("unknown-code", UNITS)),
    "stored-without-pixels": written(status(NOT_ACQUIRED, STORED), DISAGREES),
    "shard-lost-before-it-was-hashed": written(without(SMALL), DISAGREES),
    "pixels-of-a-day-not-acquired": written(status(STORED, NOT_ACQUIRED), DISAGREES),
    "pixels-of-a-day-that-failed": written(status(STORED, FAILED), DISAGREES),
    "mask-of-a-day-not-acquired": written(status(SKIPPED_CLOUDY, NOT_ACQUIRED), DISAGREES),
    "pixels-of-a-cloudy-day": written(status(STORED, SKIPPED_CLOUDY), DISAGREES),
    "pixels-outside-the-period": written(status(STORED, OUTSIDE), DISAGREES),
    "status-outside-the-recipe": written(values(UNITS, at((10, 0, 0), NOT_ACQUIRED)), DISAGREES),
}
