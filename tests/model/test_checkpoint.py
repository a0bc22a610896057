"""A model on disk: it comes back as it was, and a damaged or foreign one is refused in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import mmvsf
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.reader import Normalisation
from mmvsf.model.cropmap.run import CropmapOptions, cropmap
from mmvsf.model.mmvsf.checkpoint import load_checkpoint, new_network, save_checkpoint
from mmvsf.model.mmvsf.sizes import NetworkConfig

from .conftest import Pretrained


@pytest.mark.slow
def test_a_checkpoint_comes_back_as_it_was(pretrained: Pretrained, grown_cube: Cube, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(pretrained[0])
    assert checkpoint.normalisation == Normalisation.of([grown_cube])
    save_checkpoint(tmp_path, checkpoint.network, checkpoint.normalisation, [], {}, weather=False)
    again = load_checkpoint(tmp_path)
    assert not again.weather
    for key, value in checkpoint.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[key])


@pytest.mark.slow
def test_damaged_checkpoints_are_reported(pretrained: Pretrained, grown_cube: Cube, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no trained model"):
        load_checkpoint(tmp_path)
    checkpoint = load_checkpoint(pretrained[0])
    save_checkpoint(tmp_path, checkpoint.network, checkpoint.normalisation, [], {})
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "format_version": 9}))
    with pytest.raises(InputError, match="format version 9"):
        load_checkpoint(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        load_checkpoint(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    for key in ("sees_weather", "cubes", "network"):
        (tmp_path / "config.json").write_text(json.dumps({name: config[name] for name in config if name != key}))
        with pytest.raises(InputError, match=f"damaged .*{key}"):
            load_checkpoint(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**config, "bands": []}))
    with pytest.raises(InputError, match="damaged"):
        load_checkpoint(tmp_path)
    (tmp_path / "config.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(InputError, match="damaged"):
        load_checkpoint(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(InputError, match="damaged"):
        load_checkpoint(tmp_path)


def test_a_repository_of_the_hub_is_loaded_from_its_cache(grown_cube: Cube, tmp_path: Path) -> None:
    normal = Normalisation.of([grown_cube])
    network = new_network(NetworkConfig(normal.bands.names, normal.weather.names, width=32, heads=2), normal)
    repository = tmp_path / "models--owner--name"
    save_checkpoint(repository / "blobs", network, normal, [], {})
    snapshot = repository / "snapshots/0123abc"
    snapshot.mkdir(parents=True)
    for file in (repository / "blobs").iterdir():
        (snapshot / file.name).symlink_to(file)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text("0123abc\n")
    config = mmvsf.load_model(str(repository)).config
    assert (config["model_type"], config["architectures"]) == ("mmvsf", ["MMVSF"])
    (repository / "refs/main").write_text("../../elsewhere")
    with pytest.raises(InputError, match="names no folder in"):
        mmvsf.load_model(repository)
    with pytest.raises(InputError, match="models are read from local files"):
        mmvsf.load_model("s3://bucket/model")


def test_a_model_of_an_earlier_version_is_named_so(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"format_version": 2}')
    (tmp_path / "weights.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="holds a model of format version 2, this program reads version 4"):
        load_checkpoint(tmp_path)


def test_weights_that_cannot_be_written_are_an_error_of_the_disk(grown_cube: Cube, tmp_path: Path) -> None:
    normal = Normalisation.of([grown_cube])
    network = new_network(NetworkConfig(normal.bands.names, normal.weather.names, width=32, heads=2), normal)
    (tmp_path / "model.safetensors" / "kept").mkdir(parents=True)
    with pytest.raises(OSError, match="irectory"):
        save_checkpoint(tmp_path, network, normal, [], {})


def test_a_model_of_other_bands_is_refused(grown_cube: Cube, tmp_path: Path) -> None:
    normal = Normalisation.of([grown_cube])
    bands = replace(normal.bands, names=(*normal.bands.names[:5], "thermal"))
    other = replace(normal, bands=bands)
    network = new_network(NetworkConfig(bands.names, normal.weather.names, width=32, heads=2), other)
    save_checkpoint(tmp_path, network, other, [], {})
    with pytest.raises(InputError, match=r"expects the bands .*thermal, but .*grown\.zarr carries .*swir2; pretrain"):
        cropmap(grown_cube, load_checkpoint(tmp_path), tmp_path, CropmapOptions(), tmp_path)
