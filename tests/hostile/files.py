"""Files of every kind that is read, changed in their content or in their bytes, and the reader of each."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import shapely
import xarray as xr

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.legend import read_legend
from mmvsf.datasets.cube.verify import verify_cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.area import read_polygons
from mmvsf.datasets.variables import DEFAULT_WEATHER
from mmvsf.pipeline.build.plan import build_plan
from mmvsf.pipeline.inspect.check import check_cube
from mmvsf.pipeline.inspect.summary import summary_tables
from mmvsf.pipeline.ledger import Ledger
from mmvsf.pipeline.raster.io import raster_grid, read_codes, read_measured
from mmvsf.pipeline.raster.scene import Asset
from mmvsf.pipeline.sources.archive.weather import ArchiveWeather

from ..pipeline.conftest import build_tiny
from ..pipeline.tiny_archive import SCENES, TinyArchive, weather_dataset
from .values import mutate, mutate_bytes

Reader = Callable[[], object]
DAYS = date(2020, 6, 1), date(2021, 6, 30)


@dataclass
class Files:
    """The tiny archive with its cube, in a folder of its own; each case is a copy of one file with a reader."""

    folder: Path

    def __post_init__(self) -> None:
        self.tiny = TinyArchive(self.folder / "tiny").write()
        build_tiny(self.tiny)
        self.weather = self.folder / "zarr/weather.zarr"
        weather_dataset().isel(time=slice(0, 300)).to_zarr(self.weather, zarr_format=3, consolidated=False)
        self.area = self.folder / "area.geojson"
        self.area.write_text(
            json.dumps(
                {
                    "type": "FeatureCollection",
                    "crs": {"type": "name", "properties": {"name": "EPSG:4326"}},
                    "features": [
                        {"type": "Feature", "properties": {"a": 1}, "geometry": shapely.box(-96, 42, -95, 43)}
                    ],
                },
                default=lambda shape: json.loads(shapely.to_geojson(shape)),
            )
        )
        self.kinds: dict[str, Callable[[random.Random], Reader]] = {
            "items.json": self._items,
            "recipe.yaml": self._recipe,
            "legend.csv": self._legend,
            "label.tif": lambda rng: self._raster(rng, self.tiny.root / "labels/crop_2021.tif"),
            "scene.tif": lambda rng: self._raster(rng, self.tiny.file(SCENES[0], "B8A")),
            "weather.nc": self._netcdf,
            "weather.zarr": self._zarr,
            "area.geojson": self._area,
            "cube": self._cube,
            "ledger": self._ledger,
            "metrics.json": self._metrics,
        }
        if find_spec("torch"):
            self._write_model()
            self.kinds["model"] = self._model

    def cases(self, count: int, seed: int) -> Iterator[tuple[str, Reader]]:
        """(name, reader) of so many inputs, the kinds in turn."""
        names = list(self.kinds)
        for number in range(count):
            kind = names[number % len(names)]
            yield f"{kind} {number}", self.kinds[kind](random.Random(f"{seed}/{number}"))

    @property
    def _place(self) -> Path:
        """An empty folder for one case."""
        shutil.rmtree(self.folder / "case", ignore_errors=True)
        (self.folder / "case").mkdir()
        return self.folder / "case"

    def _copy(self, rng: random.Random, source: Path) -> Path:
        """A damaged copy: of JSON its values in one half of the cases, else its bytes."""
        path = self._place / source.name
        path.write_bytes(damaged(rng, source.read_bytes(), source.suffix in (".json", ".geojson")))
        return path

    def _items(self, rng: random.Random) -> Reader:
        return self._with_changed(rng, self.tiny.root / "items.json", self._plan)

    def _recipe(self, rng: random.Random) -> Reader:
        return self._with_changed(rng, self.tiny.recipe, self._plan)

    def _plan(self) -> object:
        return build_plan(str(self.tiny.recipe), self.tiny.data, only_shown=True)

    def _with_changed(self, rng: random.Random, path: Path, read: Reader) -> Reader:
        """A reader for which a file in its place is changed meanwhile."""
        original = path.read_bytes()
        changed = damaged(rng, original, path.suffix == ".json")

        def run() -> None:
            path.write_bytes(changed)
            try:
                read()
            finally:
                path.write_bytes(original)

        return run

    def _legend(self, rng: random.Random) -> Reader:
        path = self._copy(rng, self.tiny.root / "labels/legend.csv")
        if rng.random() < 0.2:
            path.write_text(f"code,name\n1,{'x' * 200_000}\n")
        return lambda: read_legend(path)

    def _raster(self, rng: random.Random, source: Path) -> Reader:
        path = self._copy(rng, source)

        def read() -> None:
            grid = raster_grid(path)
            window = tuple(slice(0, min(size, 256)) for size in grid.shape)
            for reader in (read_codes, read_measured):
                reader(Asset(str(path), grid), (window[0], window[1]))

        return read

    def _netcdf(self, rng: random.Random) -> Reader:
        path = self._copy(rng, self.tiny.root / "weather/daily.nc")
        if rng.random() < 0.5:
            path.unlink()
            odd_weather(rng).to_netcdf(path, engine="h5netcdf")
        return lambda: ArchiveWeather(path).fetch(*DAYS, DEFAULT_WEATHER)

    def _zarr(self, rng: random.Random) -> Reader:
        store = self._place / "weather.zarr"
        shutil.copytree(self.weather, store)
        path = rng.choice(sorted(store.rglob("zarr.json")) + sorted(store.rglob("c*/0*"))[:3])
        if path.is_file():
            path.write_bytes(damaged(rng, path.read_bytes(), path.suffix == ".json"))
        return lambda: ArchiveWeather(store).fetch(*DAYS, DEFAULT_WEATHER)

    def _area(self, rng: random.Random) -> Reader:
        path = self._copy(rng, self.area)
        return lambda: read_polygons(path, f"area.file {path}")

    def _cube(self, rng: random.Random) -> Reader:
        cube = self._place / "tiny.zarr"
        shutil.copytree(self.tiny.cube, cube)
        path = rng.choice([cube / "manifest.json", cube / "zarr.json", *sorted(cube.rglob("*.json"))])
        path.write_bytes(damaged(rng, path.read_bytes(), json_text=True))

        def read() -> None:
            with suppress(InputError):  # a cube whose manifest is damaged is still opened and checked
                verify_cube(cube)
            Cube.open(cube).array("blocks/status")
            check_cube(cube)

        return read

    def _ledger(self, rng: random.Random) -> Reader:
        entry = rng.choice(sorted(Ledger.of_cube(self.tiny.cube).root.rglob("*.json")))
        return self._with_changed(rng, entry, lambda: build_plan(str(self.tiny.recipe), self.tiny.data).imagery)

    def _metrics(self, rng: random.Random) -> Reader:
        scores = [{"set": "new_place", "method": "mmvsf", "mean_f1": 0.5, "lead": "all", "variable": "mean", "mse": 1}]
        path = self._place / "pretrain/metrics.json"
        path.parent.mkdir()
        path.write_bytes(damaged(rng, json.dumps({"scores": scores, "forecast": scores}).encode(), json_text=True))
        return lambda: summary_tables(self.tiny.cube, path.parents[1])

    def _write_model(self) -> None:
        from mmvsf.datasets.samples.reader import Normalisation
        from mmvsf.model.mmvsf.checkpoint import new_network, save_checkpoint
        from mmvsf.model.mmvsf.sizes import NetworkConfig

        cube = Cube.open(self.tiny.cube)
        normalisation = Normalisation.of([cube])
        network = new_network(NetworkConfig(cube.bands, cube.weather), normalisation)
        (self.folder / "model").mkdir()
        save_checkpoint(self.folder / "model", network, normalisation, [cube], {})

    def _model(self, rng: random.Random) -> Reader:
        from mmvsf.model.mmvsf.checkpoint import load_checkpoint

        folder = self._place / "model"
        shutil.copytree(self.folder / "model", folder)
        path = folder / rng.choice(("config.json", "model.safetensors"))
        path.write_bytes(damaged(rng, path.read_bytes(), path.suffix == ".json"))
        return lambda: load_checkpoint(folder)


def damaged(rng: random.Random, content: bytes, json_text: bool) -> bytes:
    """The content of a file, changed."""
    if not json_text or rng.random() < 0.4:
        return mutate_bytes(rng, content)
    if rng.random() < 0.05:
        return rng.choice((b"[" * 100_000, b'{"a":' * 50_000, b"9" * 10_000, b"", b"null", b'"\\ud800"', b"\xff\xfe"))
    tree = {"": json.loads(content)}
    for _ in range(rng.choice((1, 1, 2, 4))):
        mutate(rng, tree[""] if isinstance(tree[""], (dict, list)) else tree)
    try:
        return json.dumps(tree[""], default=str).encode(errors="replace")
    except (ValueError, RecursionError, TypeError):
        return b'{"a": ' + b"[" * 5_000


def odd_weather(rng: random.Random) -> xr.Dataset:
    """Weather with an axis, a unit, a value or an attribute that no product has."""
    weather = weather_dataset().isel(time=slice(0, 300))
    name = rng.choice(sorted(map(str, weather.data_vars)))
    kind = rng.randrange(9)
    if kind == 0:
        weather[name].attrs["units"] = rng.choice(("", "furlong", "\x1b[2J", 3, "K" * 5_000, "mm d-1 | rm"))
    elif kind == 1:
        weather = weather.assign_coords(lat=weather.lat * rng.choice((0.0, np.nan, 1e300, -1.0)))
    elif kind == 2:
        weather = weather.isel(lon=[2, 0, 1, 1])
    elif kind == 3:
        weather = weather.assign_coords(time=np.arange(300) * 1e9)
    elif kind == 4:
        weather[name] = weather[name] * rng.choice((np.nan, np.inf, -np.inf, 1e300))
    elif kind == 5:
        weather.attrs |= {"day_ends_utc_hour": rng.choice(("noon", -5, 1e9, "nan")), "source": "<b>|\n" * 1000}
    elif kind == 6:
        weather = weather.expand_dims(member=3)
    elif kind == 7:
        weather.attrs["crs"] = rng.choice(("EPSG:0", "+proj=ob_tran", "", "9" * 5_000))
    else:
        weather = weather.rename({"lat": "row"})
    return weather
