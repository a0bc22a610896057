"""A trained model from Python."""

from collections.abc import Mapping
from pathlib import Path

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.location import location
from mmvsf.model.answer.protocol import Forecaster
from mmvsf.model.answer.run import Answers, answers_of, cases_of
from mmvsf.model.mmvsf.checkpoint import Checkpoint, load_checkpoint, model_folder


def load_model(folder: str | Path) -> Checkpoint:
    """Load a trained model, its network and its normalisation, from the folder that `mmvsf pretrain` wrote.

    The folder has the layout of a repository of Hugging Face's hub (config.json, model.safetensors, README.md), so
    `folder` may also be a clone of one, or its folder `models--OWNER--NAME` in the hub's cache. Nothing is downloaded.
    Raises InputError where it is missing, damaged or of another format.

    >>> import mmvsf
    >>> model = mmvsf.load_model("runs/pretrain")
    >>> model.network.training, len(model.normalisation.bands.names)
    (False, 6)
    """
    path = location(str(folder))
    if not isinstance(path, Path):
        raise InputError(f"{folder}: models are read from local files; download its folder, and name that")
    return load_checkpoint(model_folder(path))


def answers(cube: Cube, forecasters: Mapping[str, Forecaster]) -> Answers:
    """How forecasters, by name, answer to other weather: see docs/answer.md and `mmvsf answer`.

    Raises InputError for a cube without weather, for a simulated one without experiments (`mmvsf oracle`), and for a
    forecast of another shape.

    >>> import mmvsf
    >>> cube = mmvsf.Cube.open("data/my-region.zarr")
    >>> result = mmvsf.answers(cube, {"last": lambda given: given.images[-1]})
    >>> result.scores("last")["size"].value
    0.0
    """
    cases, simulated = cases_of(cube)
    return answers_of(forecasters, cases, simulated=simulated)
