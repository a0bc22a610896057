"""A trained model from Python."""

from collections.abc import Mapping
from pathlib import Path

from mmvsf.datasets.cube.cube import Cube
from mmvsf.model.answer.protocol import Forecaster
from mmvsf.model.answer.run import Answers, answers_of, cases_of
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
