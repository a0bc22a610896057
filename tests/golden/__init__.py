"""The metadata of every group and array of one small cube, checked in so that a change of the format is a diff."""

from __future__ import annotations

from pathlib import Path

from mmvsf.datasets.cube.calendar import calendar_for
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.cube.legend import Legend, LegendClass
from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.datasets.cube.write import Content, write_template
from mmvsf.datasets.recipe.load import parse_region
from mmvsf.pipeline.layers.imagery.summarise import scenes_group

TREE = Path(__file__).parent / "cube"

RECIPE = {
    "name": "golden",
    "title": "A cube with every layer",
    "area": {"sites": [{"name": "one", "lon": -94.0, "lat": 42.0}, {"name": "two", "lon": -93.9, "lat": 42.0}]},
    "grid": {"crs": "EPSG:32615", "block": 32, "chunk": 16, "weather_cell": 32},
    "period": {"start": "2020-05-01", "end": "2021-06-30", "months": [5, 6]},
    "imagery": {"source": "archive", "path": "archive", "products": ["hls-l30", "hls-s30"]},
    "radar": {"source": "archive", "path": "radar"},
    "weather": {"source": "archive", "path": "weather.nc"},
    "static": {"source": "archive", "path": "terrain"},
    "labels": {
        "source": "planetary-computer",
        "years": [2020, 2021],
        "confidence": True,
    },
    "split": {"places": {"test": ["two"]}, "years": {"test": [2021]}},
}
LEGEND = Legend((LegendClass(1, "Corn", "#ffd300"), LegendClass(5, "Soybeans", "#267000")))


def write_cube(path: Path) -> None:
    """Write the empty cube of `RECIPE`, with its list of scenes."""
    region = parse_region(RECIPE, "golden")
    spec = CubeSpec(region, grid_from_recipe(region, path, path), calendar_for(region), LEGEND)
    scene = (0, 0, spec.calendar.first_day, 0, "HLS.S30.T15TVG", "hls-s30", "2020-05-01T17:00:00+00:00", "2.0", 0)
    write_template(path, spec, {}, Content(scenes=scenes_group([scene])))


def metadata(cube: Path) -> dict[str, str]:
    """Path below the cube -> text of each zarr.json."""
    return {str(file.relative_to(cube)): file.read_text() for file in sorted(cube.rglob("zarr.json"))}
