"""The sound cubes of the kit."""

from __future__ import annotations

from .kind import Kind, day

CROSSING = ((2020, "2020-10-01", "2021-09-30"), (2021, "2021-10-01", "2022-09-30"))
NOTES = (("README.md", b"# A cube\n"), ("stac/collection.json", b"{}"))

GOOD: dict[str, Kind] = {
    "plain": Kind(),
    "two-tiles": Kind(blocks=((2, 1), (3, 1), (4, 2))),
    "without-labels": Kind(label_seasons=()),
    "label-confidence": Kind(confidence=True),
    "static": Kind(static=("elevation", "slope", "soil_water")),
    "every-layer": Kind(confidence=True, static=("elevation",), label_seasons=(2020, 2021)),
    "season-named-by-its-start": Kind(seasons=CROSSING, label_seasons=(2020,)),
    "season-named-by-its-end": Kind(
        seasons=tuple((name + 1, start, end) for name, start, end in CROSSING), label_seasons=(2021, 2022)
    ),
    "negative-tiles": Kind(blocks=((-2, -3), (-9, 1), (0, -1)), noisy=()),
    "other-origin": Kind(origin=(-15.0, 4_000_005.0)),
    "large-weather-cells": Kind(weather_cell=200),
    "small-weather-cells": Kind(weather_cell=4, weather=("tmax",)),
    "one-weather-variable": Kind(weather=("snow",)),
    "other-bands": Kind(bands=("nir", "red", "surface_temperature")),
    "without-weather": Kind(weather=()),
    "images-alone": Kind(weather=(), label_seasons=()),
    "radar": Kind(radar=("ascending", "descending")),
    "radar-of-one-direction": Kind(radar=("descending",), polarisations=("hh",), label_seasons=()),
    "nothing-acquired": Kind(acquired=False),
    "one-block": Kind(blocks=((5, 6),), noisy=()),
    "tiles-far-apart": Kind(blocks=((0, 0), (4000, -700)), noisy=((0, 0),)),
    "tiles-of-two-blocks": Kind(tile=2),
    "another-crs": Kind(crs="EPSG:5070", resolution=10.0, noisy=((2, 1),)),
    "long-calendar": Kind(
        first_day=day("2020-01-01") // 32 * 32,
        shards=24,
        block=8,
        chunk=4,
        seasons=((2020, "2020-01-01", "2020-12-31"), (2021, "2021-01-01", "2021-12-31")),
        noisy=(),
    ),
    "before-1970": Kind(first_day=-64, seasons=((1969, "1969-01-01", "1969-12-31"),), label_seasons=(1969,)),
    "files-beside-it": Kind(beside=NOTES),
}
