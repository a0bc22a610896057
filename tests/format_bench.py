"""What the cube format costs: verified reads, the listing of a large cube, and the end of a build of one.

python -m tests.format_bench [--blocks 10000]

The large cube is simulated: files of the right length with nothing in them, listed by a manifest.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from mmvsf.datasets.cube.calendar import calendar_for
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.cube.pixels import PixelArray
from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.datasets.cube.splits import year_split
from mmvsf.datasets.cube.verify import verify_cube
from mmvsf.datasets.cube.write import Content, finish_cube, root_attributes_of, shard_objects, write_template
from mmvsf.datasets.recipe.load import load_region, parse_region
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import Window, index_windows
from mmvsf.datasets.storage.manifest import Record

SHARD_BYTES = {"imagery/reflectance": 900_000, "imagery/quality": 40_000, "imagery/scene": 2_000}
"""Typical lengths of the shards of a block of 256 pixels and 32 days, 12 of which were seen"""


def reads(cube: Cube, repeats: int = 5) -> None:
    """Print what checking costs a window of 12 images: when its shards are first used, and later."""
    windows = list(index_windows(cube)["train"])
    normalisation, draw = Normalisation.of([cube]), np.random.default_rng(0).integers(len(windows), size=300)
    spent = [0.0]

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                spent[0] += time.perf_counter() - started

        return call

    steps = {name: getattr(PixelArray, name) for name in ("_begin_checks", "_finish_checks")}
    for name, step in steps.items():
        setattr(PixelArray, name, timed(step))
    try:
        for _ in range(repeats):
            reader = WindowReader(Cube.open(cube.path), normalisation, 0)
            for use in ("first use", "later"):
                spent[0] = 0.0
                whole = _timed(partial(_pass, reader, windows, draw))
                share = f"{1e6 * spent[0] / 300:.0f} us of {1e6 * whole / 300:.0f} us ({spent[0] / whole:.1%})"
                print(f"checks of a window of 12 images, {use}: {share}")
    finally:
        for name, step in steps.items():
            setattr(PixelArray, name, step)


def _pass(reader: WindowReader, windows: list[Window], draw: np.ndarray) -> None:  # type: ignore[type-arg]
    rng = np.random.default_rng(1)
    for number in draw:
        window = windows[int(number)]
        count = min(12, len(window.days))
        reader.images(window, window.days[np.sort(rng.choice(len(window.days), count, replace=False))])


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def large(blocks: int) -> None:
    """Print how long it takes to end a build of so many blocks, to find nothing to do, and to verify by listing."""
    side = round(blocks**0.5)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "large.zarr")
        spec = _large_spec(side, path)
        shards = _shards(path, spec)
        objects = sum(map(len, shards.values()))
        size = sum(record.length for members in shards.values() for record in members.values())
        print(f"{len(spec.grid.blocks)} blocks in {len(spec.grid.tiles)} tiles, {objects} shards, {size / 1e9:.0f} GB")
        attributes = root_attributes_of(spec, {})
        content = Content({"seasons/split": year_split(spec.region)})
        ending = _timed(lambda: finish_cube(path, spec, content, shards, attributes, time="2026-01-01"))
        nothing = _timed(lambda: finish_cube(path, spec, content, shards, attributes, time="2026-01-01"))
        listing = _timed(lambda: verify_cube(path, list_only=True))
        opening = _timed(lambda: Cube.open(path))
        print(f"end of a build {ending:.1f} s, nothing to do {nothing:.1f} s, verify --list {listing:.1f} s")
        print(f"open {opening:.3f} s; root zarr.json {(path / 'zarr.json').stat().st_size / 1e6:.2f} MB")
        victim = next(path.rglob("reflectance/c/*/0/1/1"))
        victim.unlink()
        started = time.perf_counter()
        damage = verify_cube(path, list_only=True).damage
        print(f"one lost shard: {[str(each) for each in damage]} in {time.perf_counter() - started:.1f} s")


def _large_spec(side: int, path: Path) -> CubeSpec:
    iowa = load_region("iowa")[0].model_dump(mode="json", exclude_unset=True)
    step = 256 * 30.0
    corner = (200 * step, 400 * step) if side > 200 else (40 * step, 600 * step)
    area = {"file": str(path.with_name("area.geojson"))}
    right, top = corner[0] + side * step - 1, corner[1] + side * step - 1
    ring = [[corner[0] + 1, corner[1] + 1], [right, corner[1] + 1], [right, top], [corner[0] + 1, top]]
    geometry = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    feature = {"type": "Feature", "properties": {}, "geometry": geometry}
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32615"}}
    path.with_name("area.geojson").write_text(
        str({"type": "FeatureCollection", "crs": crs, "features": [feature]}).replace("'", '"')
    )
    iowa |= {"area": area, "labels": None, "split": {}}
    region = parse_region({key: value for key, value in iowa.items() if value is not None}, "bench")
    return CubeSpec(region, grid_from_recipe(region, path, path.parent), calendar_for(region), None)


def _shards(path: Path, spec: CubeSpec) -> dict[str, dict[str, Record]]:
    """Empty files in place of all shards, and their records."""
    write_template(path, spec, {})
    shards: dict[str, dict[str, Record]] = {}
    hashes = {name: sha256(name.encode()).hexdigest() for name in SHARD_BYTES}
    records = {name: Record(size, hashes[name], "00000000").members() for name, size in SHARD_BYTES.items()}
    for block in spec.grid.blocks:
        for shard in range(spec.calendar.shards):
            for part, name, record in shard_objects(spec, block, shard, records):
                shards.setdefault(part, {})[name] = record
                file = path / part / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch()
                os.truncate(file, record.length)
    return shards


def main() -> None:
    """Measure the cube format."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cube", type=Path, default=Path("data/sandbox.zarr"))
    parser.add_argument("--blocks", type=int, default=2500)
    options = parser.parse_args()
    reads(Cube.open(options.cube))
    large(options.blocks)


if __name__ == "__main__":
    main()
