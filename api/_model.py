"""A trained model from Python."""

from collections.abc import Mapping
from pathlib import Path

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.location import check_local, location
from mmvsf.model.answer.protocol import Forecaster
from mmvsf.model.answer.run import Answers, answers_of, cases_of
from mmvsf.model.convert.run import Part
from mmvsf.model.convert.run import convert as convert_model
from mmvsf.model.embed.adapter import AdaptedEncoder
from mmvsf.model.embed.network import NetworkEncoder
from mmvsf.model.embed.protocol import Encoder
from mmvsf.model.embed.run import WindowEncoder
from mmvsf.model.embed.run import embed as write_embeddings
from mmvsf.model.mmvsf.checkpoint import Checkpoint, load_checkpoint, model_folder


def load_model(folder: str | Path) -> Checkpoint:
    """Load a trained model, its network and its normalisation, from the folder that `mmvsf pretrain` wrote.

    The folder has the layout of a repository of the Hugging Face Hub (config.json, model.safetensors, README.md), so
    `folder` may also be a clone of a repository, or its folder `models--OWNER--NAME` in the hub's cache. Nothing is
    downloaded. Raises InputError if the folder is missing, damaged or of another format.

    >>> import mmvsf
    >>> model = mmvsf.load_model("runs/pretrain")
    >>> model.network.training, len(model.normalisation.bands.names)
    (False, 6)
    """
    path = location(str(folder))
    if not isinstance(path, Path):
        raise InputError(f"{folder}: models are read from local files; download the folder and give its local path")
    return load_checkpoint(model_folder(path))


def embed(
    cube: str | Path | Cube,
    out: str | Path,
    encoder: Encoder | str | Path,
    *,
    every: int | None = None,
    workers: int | None = None,
) -> Path:
    """Write the embeddings of a cube to the Zarr store `out`, or resume writing them; see docs/encoders.md.

    `encoder` is the folder of a trained model, an `Encoder`, `MODULE:OBJECT` or the path of an ONNX file. There is one
    embedding per season, or one every `every` days; `workers` blocks are embedded at a time. Raises InputError if the
    encoder does not exist or does not fit the cube, or `out` is an address, OSError if writing fails.

    >>> import mmvsf
    >>> mmvsf.embed("data/my-region.zarr", "embeddings.zarr", "runs/pretrain").name
    'embeddings.zarr'
    """
    check_local(Path(out), "out")
    opened = cube if isinstance(cube, Cube) else Cube.open(location(str(cube)))
    chosen: WindowEncoder
    if isinstance(encoder, str | Path) and Path(encoder).is_dir():
        folder = model_folder(Path(encoder))
        chosen = NetworkEncoder.of(opened, load_checkpoint(folder), folder)
    else:
        chosen = AdaptedEncoder.of(opened, str(encoder) if isinstance(encoder, Path) else encoder)
    return write_embeddings(opened, chosen, Path(out), every=every, workers=workers)


def convert(model: Checkpoint, out: str | Path, part: Part = "encoder") -> Path:
    """Write the `encoder` or the `forecaster` of a model that `load_model` returned as one file, ONNX (.onnx) or for
    `torch.export.load` (.pt2); see docs/encoders.md.

    Raises InputError for another suffix, an address, a missing package or a recurrent model, OSError if writing fails.
    """
    check_local(Path(out), "out")
    return convert_model(model, Path(out), part)


def answers(cube: Cube, forecasters: Mapping[str, Forecaster]) -> Answers:
    """Test how forecasters, given by name, respond to a change of the weather; see docs/answer.md and `mmvsf answer`.

    Raises InputError for a cube without weather, for a simulated cube without experiments (`mmvsf oracle`), and for a
    forecast of the wrong shape.

    >>> import mmvsf
    >>> cube = mmvsf.Cube.open("data/my-region.zarr")
    >>> result = mmvsf.answers(cube, {"last": lambda given: given.images[-1]})
    >>> result.scores("last")["size"].value
    0.0
    """
    cases, simulated = cases_of(cube)
    return answers_of(forecasters, cases, simulated=simulated)
