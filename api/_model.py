"""A trained model from Python."""

from pathlib import Path

from mmvsf.model.mmvsf.checkpoint import Checkpoint, load_checkpoint


def load_model(folder: str | Path) -> Checkpoint:
    """Load a trained model from the folder that `mmvsf pretrain` wrote: its network and its normalisation.

    Raises InputError where it is missing, damaged or of another format.

    >>> import mmvsf
    >>> model = mmvsf.load_model("runs/pretrain")
    >>> model.network.training, len(model.normalisation.bands.names)
    (False, 6)
    """
    return load_checkpoint(Path(folder))
