"""A converted model computes what the network computes, on series and windows of other lengths than the example's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from typer.testing import CliRunner

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.collate import collate
from mmvsf.datasets.samples.loader import season_sample
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import chunk_window, clear_days
from mmvsf.datasets.variables import band_scales
from mmvsf.model.cli import app
from mmvsf.model.convert.modules import StandaloneEncoder, StandaloneForecaster
from mmvsf.model.convert.run import about, convert, example
from mmvsf.model.embed.adapter import AdaptedEncoder
from mmvsf.model.embed.network import NetworkEncoder
from mmvsf.model.embed.run import embed
from mmvsf.model.mmvsf.checkpoint import Checkpoint, load_checkpoint, new_network, save_checkpoint
from mmvsf.model.mmvsf.sizes import NetworkConfig

LENGTHS: list[dict[str, int]] = [{}, {"images": 9, "days": 70, "sides": 2}, {"images": 2, "days": 20, "sides": 8}]


@pytest.fixture(scope="module")
def where(grown_cube: Cube, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny network with random weights."""
    folder = tmp_path_factory.mktemp("model")
    normalisation = Normalisation.of([grown_cube])
    config = NetworkConfig(
        grown_cube.bands, grown_cube.weather, width=8, heads=2, mlp=8, temporal_layers=1, weather_width=8
    )
    torch.manual_seed(1)
    save_checkpoint(folder, new_network(config, normalisation), normalisation, [grown_cube], {"objective": "mm-vsf"})
    return folder


@pytest.fixture(scope="module")
def checkpoint(where: Path) -> Checkpoint:
    return load_checkpoint(where)


@pytest.mark.slow
def test_a_program_of_torch_forecasts_what_the_network_does(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = convert(checkpoint, tmp_path / "forecaster.pt2", "forecaster")
    files: dict[str, Any] = {"mmvsf.json": ""}
    program, module = torch.export.load(path, extra_files=files).module(), StandaloneForecaster(checkpoint)
    assert checkpoint.config["weights_sha256"] in files["mmvsf.json"]
    for lengths in LENGTHS:
        inputs = example(checkpoint, "forecaster", **lengths)
        with torch.no_grad():
            torch.testing.assert_close(program(**inputs), module(**inputs))


@pytest.mark.slow
def test_a_converted_encoder_embeds_a_cube_as_the_network_does(
    grown_cube: Cube, where: Path, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    pytest.importorskip("onnxscript", reason="of the extra `onnx`")
    runtime = pytest.importorskip("onnxruntime", reason="of the extra `onnx`")
    path = tmp_path / "encoder.onnx"
    done = CliRunner().invoke(app, ["convert", str(where), "--out", str(path)])
    assert done.exit_code == 0, done.exception
    session, module = runtime.InferenceSession(path), StandaloneEncoder(checkpoint)
    for lengths in LENGTHS:
        inputs = example(checkpoint, "encoder", **lengths)
        (result,) = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
        with torch.no_grad():
            np.testing.assert_allclose(result, module(**inputs), atol=1e-5)
    encoders = (
        replace(NetworkEncoder.of(grown_cube, checkpoint, where), precision=None),
        AdaptedEncoder.of(grown_cube, str(path)),
    )
    stores = [
        xr.open_dataset(embed(grown_cube, encoder, tmp_path / f"{number}.zarr", every=60), engine="zarr")
        for number, encoder in enumerate(encoders)
    ]
    ours, converted = (store.embedding.values.astype(np.float32) for store in stores)
    assert np.isfinite(ours).any() and (stores[0].images.values == stores[1].images.values).all()
    np.testing.assert_allclose(ours, converted, atol=4e-3, equal_nan=True)
    assert stores[1].attrs["model"]["name"] == "mm-vsf encoder"


def test_a_standalone_forecaster_takes_the_units_of_the_cube(grown_cube: Cube, checkpoint: Checkpoint) -> None:
    """A forecast from nine images of a window, as the network makes it from the twelve of which three are hidden."""
    row, column = (2 * place for place in grown_cube.grid.blocks[0])
    reader = WindowReader(grown_cube, checkpoint.normalisation)
    window = chunk_window(grown_cube, row, column, 2020, clear_days(grown_cube))
    window = replace(window, size=8, days=window.days[:12], earlier=window.days[:0])
    sample = season_sample(reader, window, pairs=[(8, 11)])
    shown = (np.arange(12) < 9)[:, None, None]
    with torch.no_grad():
        expected = checkpoint.network(collate([replace(sample, valid=sample.valid & shown)]))[0, 0].numpy()
    stored, valid = reader.begin_stored(window, window.days[:9])()
    first, weather = WindowReader(grown_cube, Normalisation.none(grown_cube)).weather(window.cell, 2020)
    with torch.no_grad():
        (result,) = StandaloneForecaster(checkpoint)(
            images=torch.from_numpy(stored * band_scales(grown_cube.bands)[:, None, None]).float(),
            valid=torch.from_numpy(valid),
            days=torch.from_numpy(window.days[:9]).long(),
            weather=torch.from_numpy(weather),
            weather_days=first + torch.arange(len(weather)),
            targets=torch.from_numpy(window.days[11:]).long(),
        ).numpy()
    np.testing.assert_allclose(result, reader.normalisation.reflectance(expected), atol=1e-5)


def test_what_cannot_be_converted_is_refused_in_a_line(
    grown_cube: Cube, checkpoint: Checkpoint, where: Path, tmp_path: Path
) -> None:
    error = CliRunner().invoke(app, ["convert", str(where), "--out", str(tmp_path / "model.bin")]).exception
    assert isinstance(error, InputError) and "converted to .onnx or .pt2" in str(error)
    error = CliRunner().invoke(app, ["convert", str(tmp_path), "--out", str(tmp_path / "model.onnx")]).exception
    assert isinstance(error, InputError) and "there is no trained model" in str(error)
    config = replace(checkpoint.network.config, decays=())
    recurrent = replace(checkpoint, network=new_network(config, checkpoint.normalisation))
    with pytest.raises(InputError, match="another --size than paper"):
        convert(recurrent, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()
    assert about(checkpoint, "encoder")["bands"] == ",".join(grown_cube.bands)
