"""A trained model from Python."""

from pathlib import Path

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.location import location
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
