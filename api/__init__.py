"""Cubes of satellite images, weather and crop labels, and MM-VSF, a model that learns from them.

    import mmvsf

    cube = mmvsf.open_cube("data/iowa.zarr")       # an xarray DataTree
    train = mmvsf.dataset(cube, composite="month") # samples for a PyTorch DataLoader
    plan = mmvsf.plan("iowa", blocks=2)            # what a build would read
    cube = mmvsf.build("iowa", blocks=2)           # build a cube, or finish building it

The names in `__all__` are the public interface; anything else may change. Names are imported when they are first used,
so that `import mmvsf` is quick, and reading cubes needs neither the packages that build them nor torch.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from mmvsf.datasets.extras import install_hint

if TYPE_CHECKING:
    from mmvsf.datasets.cube.cube import Cube
    from mmvsf.datasets.recipe.region import Region as Recipe
    from mmvsf.datasets.samples.data_module import CubeDataModule
    from mmvsf.model.answer.protocol import ForecastInput
    from mmvsf.model.embed.protocol import Encoder, EncoderInput
    from mmvsf.pipeline.build.sources import GivenSources

    from ._build import build, extend, plan
    from ._cubes import check, export, load_recipe, open_cube, publish
    from ._dataset import dataset
    from ._model import answers, convert, embed, load_model

    __version__: str

__all__ = [
    "Cube",
    "CubeDataModule",
    "Encoder",
    "EncoderInput",
    "ForecastInput",
    "GivenSources",
    "Recipe",
    "__version__",
    "answers",
    "build",
    "check",
    "convert",
    "dataset",
    "embed",
    "export",
    "extend",
    "load_model",
    "load_recipe",
    "open_cube",
    "plan",
    "publish",
]

_MODULES = {
    "Cube": ("mmvsf.datasets.cube.cube", "Cube"),
    "CubeDataModule": ("mmvsf.datasets.samples.data_module", "CubeDataModule"),
    "Encoder": ("mmvsf.model.embed.protocol", "Encoder"),
    "EncoderInput": ("mmvsf.model.embed.protocol", "EncoderInput"),
    "ForecastInput": ("mmvsf.model.answer.protocol", "ForecastInput"),
    "GivenSources": ("mmvsf.pipeline.build.sources", "GivenSources"),
    "Recipe": ("mmvsf.datasets.recipe.region", "Region"),
    "answers": ("mmvsf._model", "answers"),
    "build": ("mmvsf._build", "build"),
    "check": ("mmvsf._cubes", "check"),
    "convert": ("mmvsf._model", "convert"),
    "dataset": ("mmvsf._dataset", "dataset"),
    "embed": ("mmvsf._model", "embed"),
    "export": ("mmvsf._cubes", "export"),
    "extend": ("mmvsf._build", "extend"),
    "load_model": ("mmvsf._model", "load_model"),
    "load_recipe": ("mmvsf._cubes", "load_recipe"),
    "open_cube": ("mmvsf._cubes", "open_cube"),
    "plan": ("mmvsf._build", "plan"),
    "publish": ("mmvsf._cubes", "publish"),
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("mmvsf")
    if name not in _MODULES:
        raise AttributeError(f"module 'mmvsf' has no attribute '{name}'")
    module, attribute = _MODULES[name]
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        error.add_note(install_hint(error))
        raise


def __dir__() -> list[str]:
    return sorted(__all__)
