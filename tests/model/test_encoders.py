"""Embeddings by encoders of others: what they are given, that their identity counts, and what is refused."""

from __future__ import annotations

import hashlib
import pickle
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr
from typer.testing import CliRunner

import mmvsf
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import Window, chunk_window, clear_days
from mmvsf.model.cli import app
from mmvsf.model.embed.adapter import AdaptedEncoder
from mmvsf.model.embed.load import load_encoder

PAGE = Path(__file__).parents[2] / "docs/encoders.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
GREENEST, PRESTO, ONNX = BLOCKS


class Last(mmvsf.Encoder):
    """Each pixel's number of valid images, the rain of the last day, and its latitude, for blocks of 2 x 2 pixels."""

    name, version, digest, width, patch = "last", "1", "a", 3, 2

    def __init__(self) -> None:
        self.asked: list[mmvsf.EncoderInput] = []

    def __call__(self, given: mmvsf.EncoderInput) -> np.ndarray:
        self.asked.append(given)
        side = given.images.shape[-1] // 2
        seen = given.valid.sum(0)[::2, ::2].astype(np.float32)
        latitude = given.latitude.reshape(2 * side, -1)[::2, ::2]
        return np.stack([seen, np.full_like(seen, given.weather[-1, 0]), latitude], -1)


def first_window(cube: Cube, year: int) -> Window:
    """The first chunk of a block."""
    row, column = (2 * place for place in cube.grid.blocks[0])
    return chunk_window(cube, row, column, year, clear_days(cube))


@pytest.fixture(autouse=True)
def fresh_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Modules of this test alone, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    load_encoder.cache_clear()
    yield
    for name in ("mine", "presto_encoder", "presto"):
        sys.modules.pop(name, None)


def test_an_adapter_by_name_embeds_a_cube(grown_cube: Cube, tmp_path: Path) -> None:
    """The example of the page, by the command."""
    Path("mine.py").write_text(GREENEST)
    command = ["embed", str(grown_cube.path), "--encoder", "mine:encoder", "--runs-dir", "runs", "--workers", "2"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.exception
    store = xr.open_dataset("runs/grown/embeddings.zarr", engine="zarr")
    assert store.embedding.dims == ("year", "y", "x", "feature") and store.embedding.shape[-1] == 7
    inside = np.kron(grown_cube.grid.block_mask(), np.ones((32, 32))) > 0
    assert (np.isfinite(store.embedding).all("feature") == inside).all()
    red, nir, day = (store.embedding.astype(np.float32).isel(feature=at).values[:, inside] for at in (2, 3, 6))
    assert np.median((nir - red) / (nir + red)) > 0.7 and 90 < np.median(day) < 250
    model = store.attrs["model"]
    assert (model["name"], model["version"], model["digest"]) == ("greenest", "1", "none")
    assert len(model["code_sha256"]) == 64 and model["window"] == 16


def test_an_encoder_is_given_what_is_known_on_a_day(grown_cube: Cube, tmp_path: Path) -> None:
    encoder = Last()
    store = xr.open_dataset(mmvsf.embed(grown_cube, tmp_path / "a.zarr", encoder, every=40, workers=1), engine="zarr")
    for given in encoder.asked:
        assert (given.days <= given.until).all() and given.weather_days[-1] == given.until - 1
        assert np.isnan(given.images).any(1).tolist() == (~given.valid).tolist()
        assert len(given.weather) == len(given.weather_days) and len(given.days) == len(given.images)
        assert given.pixels.shape == (256, len(given.days), 6) and given.pixels_valid.shape == given.pixels.shape[:2]
        np.testing.assert_array_equal(given.pixels[17], given.images[:, :, 1, 1])
        np.testing.assert_array_equal(given.pixels_valid[17], given.valid[:, 1, 1])
    assert store.embedding.shape[1:] == (*(side // 2 for side in grown_cube.grid.shape), 3)
    np.testing.assert_allclose(store.embedding.isel(feature=2).astype(float).mean(), 42, atol=0.05)
    assert (store.images >= store.embedding.isel(feature=0)).where(store.images > 0).min() == 1
    # Bands and weather are in their units.
    window = first_window(grown_cube, 2019)
    adapted = AdaptedEncoder.of(grown_cube, encoder)
    (given,) = adapted._inputs(window, [int(window.days[-1])])
    reader = WindowReader(grown_cube, Normalisation.of([grown_cube]))
    images, valid = reader.images(window, window.days)
    expected = np.where(valid[:, None], reader.normalisation.reflectance(images), np.nan)
    np.testing.assert_allclose(given.images, expected, atol=1e-5)
    start, weather = reader.weather(window.cell, 2019)
    moments = reader.normalisation.weather
    units = weather[: len(given.weather)] * np.array(moments.std) + np.array(moments.mean)
    np.testing.assert_allclose(given.weather, units, atol=1e-3)
    assert given.weather_days[0] == np.datetime64(start, "D")


def test_another_identity_is_embedded_again(grown_cube: Cube, tmp_path: Path) -> None:
    first = Last()
    path = mmvsf.embed(grown_cube, tmp_path / "a.zarr", first, workers=1)
    assert len(first.asked) == 3 * 3 * 4  # sites, years, chunks
    again = Last()
    mmvsf.embed(str(grown_cube.path), path, again, workers=1)
    assert not again.asked
    settings = AdaptedEncoder.of(grown_cube, first).settings(None)
    for name in ("name", "version", "digest"):
        other = Last()
        setattr(other, name, f"other {name}")
        assert AdaptedEncoder.of(grown_cube, other).settings(None) != settings
    mmvsf.embed(grown_cube, path, other, workers=1)
    assert len(other.asked) == 36


def test_other_days_are_embedded_again(grown_cube: Cube, tmp_path: Path) -> None:
    """Also the one of a season, which is named by no number of days."""
    path, axes = tmp_path / "a.zarr", list[object]()
    for every in (40, None, 60, 40):
        encoder = Last()
        mmvsf.embed(grown_cube, path, encoder, every=every, workers=1)
        assert encoder.asked, f"{every} after {axes}"
        store = xr.open_dataset(path, engine="zarr")
        assert store.attrs.get("every") == every
        axes.append(store.embedding.dims[0])
    assert axes == ["time", "year", "time", "time"]


def test_the_code_of_a_module_is_part_of_its_encoder(grown_cube: Cube, tmp_path: Path) -> None:
    mine, codes = tmp_path / "mine.py", []
    for number in (1, 2):
        mine.write_text(GREENEST + f"# {number}\n")
        load_encoder.cache_clear()
        sys.modules.pop("mine", None)
        codes.append(AdaptedEncoder.of(grown_cube, "mine:encoder").settings(None)["model"]["code_sha256"])
        assert codes[-1] == file_digest(mine)
    assert codes[0] != codes[1]


def test_an_encoder_by_name_is_sent_to_processes_by_its_name(grown_cube: Cube) -> None:
    Path("mine.py").write_text(GREENEST)
    sent = pickle.dumps(AdaptedEncoder.of(grown_cube, "mine:encoder"))
    assert b"mine:encoder" in sent and b"Greenest" not in sent


def file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class StandInPresto(torch.nn.Module):
    """A network with the call of Presto's encoder: (B, T, 17) values and mask, (B, T) classes, (B, 2) places."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.project = torch.nn.Linear(17, 128)

    def forward(
        self,
        x: torch.Tensor,
        dynamic_world: torch.Tensor,
        latlons: torch.Tensor,
        mask: torch.Tensor | None = None,
        month: torch.Tensor | int = 0,
        eval_task: bool = True,
    ) -> torch.Tensor:
        assert x.shape[2] == 17 and dynamic_world.shape == x.shape[:2] and not dynamic_world.is_floating_point()
        assert latlons.shape == (len(x), 2) and 41 < latlons[0, 0] < 43 and month == 3 and mask.shape == x.shape
        assert torch.isfinite(x).all() and 0 < x[mask == 0].mean() < 1
        return self.project(x).mean(1)


def single_input(s2: torch.Tensor, s2_bands: list[str]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """As Presto's own function: (T, 17) values, mask (1 where there is none), and classes (T,)."""
    bands = ["VV", "VH", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12", "t", "p", "e", "s", "NDVI"]
    x, mask = torch.zeros(len(s2), 17), torch.ones(len(s2), 17)
    for at, band in enumerate(s2_bands):
        x[:, bands.index(band)], mask[:, bands.index(band)] = s2[:, at] / 10_000, 0
    return x, mask, torch.full((len(s2),), 9)


def test_a_model_of_pixel_series_runs_behind_the_adapter_of_the_page(
    grown_cube: Cube, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = torch.nn.ModuleDict({"encoder": StandInPresto()})
    presto = SimpleNamespace(load_pretrained=lambda: model)
    stand_in = SimpleNamespace(Presto=presto, construct_single_presto_input=single_input)
    monkeypatch.setitem(sys.modules, "presto", stand_in)  # type: ignore[arg-type]
    Path("presto_encoder.py").write_text(PRESTO)
    adapted = AdaptedEncoder.of(grown_cube, "presto_encoder:encoder")
    window = first_window(grown_cube, 2020)
    (given,) = adapted._inputs(window, [int(window.days[-1])])
    embeddings, seen = adapted._embedded(given)
    assert embeddings.shape == (16, 16, 128) and np.isfinite(embeddings[seen > 0]).all()
    assert len(adapted.settings(None)["model"]["digest"]) == 64


@pytest.mark.slow
def test_an_exported_model_embeds_from_a_file(grown_cube: Cube, tmp_path: Path) -> None:
    """The example of the page."""
    pytest.importorskip("onnxscript", reason="of the extra `onnx`")
    pytest.importorskip("onnxruntime", reason="of the extra `onnx`")
    exec(compile(ONNX, str(PAGE), "exec"), {})
    path = mmvsf.embed(grown_cube, tmp_path / "a.zarr", "mean.onnx")
    store = xr.open_dataset(path, engine="zarr")
    assert store.attrs["model"]["name"] == "mean" and store.attrs["model"]["digest"] == file_digest(Path("mean.onnx"))
    adapted = AdaptedEncoder.of(grown_cube, "mean.onnx")
    window = first_window(grown_cube, 2020)
    (given,) = adapted._inputs(window, [int(window.days[-1])])
    embeddings, _ = adapted._embedded(given)
    np.testing.assert_allclose(embeddings.reshape(-1, 6), np.nanmean(given.pixels, 1), rtol=1e-5)
    rows, columns = window.slices
    stored = store.embedding.isel(year=1, y=rows, x=columns)
    np.testing.assert_allclose(stored, embeddings, rtol=2e-3)


def test_files_whose_reading_can_run_code_are_refused(grown_cube: Cube, tmp_path: Path) -> None:
    for name in ("model.pt2", "model.pt", "model.pkl"):
        (tmp_path / name).write_bytes(b"cos\nsystem\n(S'touch hacked'\ntR.")
        with pytest.raises(InputError, match="can run code"):
            AdaptedEncoder.of(grown_cube, name)
    assert not Path("hacked").exists()


def test_what_is_no_onnx_file_is_refused_in_a_line(grown_cube: Cube) -> None:
    pytest.importorskip("onnxruntime", reason="of the extra `onnx`")
    with pytest.raises(InputError, match="there is no such file"):
        AdaptedEncoder.of(grown_cube, "none.onnx")
    Path("bad.onnx").write_bytes(b"cos\nsystem\n(S'touch hacked'\ntR.")
    with pytest.raises(InputError, match=r"ONNX Runtime cannot read it [^\n]+$"):
        AdaptedEncoder.of(grown_cube, "bad.onnx")
    helper = pytest.importorskip("onnx.helper", reason="of the extra `onnx`")
    floats = helper.np_dtype_to_tensor_dtype(np.dtype(np.float32))
    for name, message in (("image", "it has the input image"), ("latitude", "whose last axis has a fixed length")):
        node = helper.make_node("Identity", [name], ["out"])
        inputs, outputs = ([helper.make_tensor_value_info(end, floats, ["n"])] for end in (name, "out"))
        model = helper.make_model(
            helper.make_graph([node], "g", inputs, outputs), ir_version=9, opset_imports=[helper.make_opsetid("", 18)]
        )
        Path(f"{name}.onnx").write_bytes(model.SerializeToString())
        with pytest.raises(InputError, match=message):
            AdaptedEncoder.of(grown_cube, f"{name}.onnx")


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"digest": ""}, "its attribute `digest` must be a string"),
        ({"width": "7"}, "its attribute `width` must be a whole number from 1"),
        ({"patch": 0}, "its attribute `patch` must be a whole number from 1"),
        ({"patch": 3}, "are not whole patches of 3"),
        ({"bands": ("red",)}, "needs the bands red, in this order"),
        ({"variables": ("snow",)}, "needs the weather variables snow"),
        ({"width": 4}, r"returned an array of shape \(8, 8, 3\), where \(64, 4\) or \(8, 8, 4\) is expected"),
    ],
)
def test_encoders_that_do_not_fit_are_refused(
    grown_cube: Cube, tmp_path: Path, attributes: dict[str, object], message: str
) -> None:
    encoder = Last()
    for name, value in attributes.items():
        setattr(encoder, name, value)
    with pytest.raises(InputError, match=message):
        mmvsf.embed(grown_cube, tmp_path / "a.zarr", encoder, workers=1)


def test_numbers_that_cannot_be_stored_are_refused(grown_cube: Cube, tmp_path: Path) -> None:
    class Large(Last):
        def __call__(self, given: mmvsf.EncoderInput) -> np.ndarray:
            return super().__call__(given) * 1e6

    with pytest.raises(InputError, match=r"a number beyond float16 \(65504\); scale its embeddings"):
        mmvsf.embed(grown_cube, tmp_path / "a.zarr", Large(), workers=1)


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ("mine", "write MODULE:OBJECT, or the path of an ONNX file"),
        ("no_such_module:encoder", "No module named"),
        ("json:loads", "not an instance of a class derived from mmvsf.Encoder"),
        ("json:no_such", "has no attribute 'no_such'"),
    ],
)
def test_names_of_no_encoder_are_refused(grown_cube: Cube, which: str, message: str) -> None:
    command = ["embed", str(grown_cube.path), "--encoder", which, "--runs-dir", "runs"]
    error = CliRunner().invoke(app, command).exception
    assert isinstance(error, InputError) and message in str(error)
    error = CliRunner().invoke(app, [*command, "--model", "runs"]).exception
    assert isinstance(error, InputError) and "--model and --encoder" in str(error)
