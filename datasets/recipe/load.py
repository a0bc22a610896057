"""Recipes read from YAML files or made in Python, checked, and the paths that they name."""

import os
import re
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mmvsf.datasets.errors import InputError, RecipeError

from .limits import excesses
from .override import overridden
from .place import NAME_PATTERN
from .region import Region
from .schema import problems
from .yaml_text import read_yaml


def shipped_regions() -> tuple[str, ...]:
    """Names of the recipes that come with the package, sorted."""
    folder = resources.files("mmvsf.datasets.recipe.regions")
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")))


def load_region(
    name_or_path: str, *, source: str | None = None, blocks: int | str | None = None
) -> tuple[Region, Path]:
    """Read a recipe by its shipped name or by the path of a YAML file; returns it and the file's path.

    `source` and `blocks` change it, see `overridden`. Raises InputError if there is no such recipe or if it is not
    valid.
    """
    if re.match(NAME_PATTERN, name_or_path):
        path = Path(str(resources.files("mmvsf.datasets.recipe.regions").joinpath(f"{name_or_path}.yaml")))
        if not path.is_file():
            raise InputError(
                f"there is no recipe named '{name_or_path}'; choose one of {', '.join(shipped_regions())},"
                " or give the path of a YAML file"
            )
    else:
        path = Path(name_or_path).expanduser()
        if not path.is_file():
            raise InputError(f"there is no recipe file {path}; `mmvsf regions` lists the shipped ones")
    content = read_yaml(path)
    return parse_region(overridden(content, str(path), source, blocks), str(path)), path


def read_recipe(
    recipe: Region | Path | str, *, source: str | None = None, blocks: int | str | None = None
) -> tuple[Region, Path]:
    """A recipe made in Python, or read as by `load_region`; relative paths of the former start at the working folder.

    Raises InputError as `load_region`.
    """
    if not isinstance(recipe, Region):
        return load_region(str(recipe), source=source, blocks=blocks)
    path = Path.cwd() / f"{recipe.name}.yaml"
    if source is None and blocks is None:
        return recipe, path
    content = recipe.model_dump(mode="json", exclude_unset=True)
    return parse_region(overridden(content, recipe.name, source, blocks), recipe.name), path


def parse_region(content: dict[str, Any], where: str) -> Region:
    """Check a recipe given as a mapping; `where` names it in errors. Raises RecipeError with all that is wrong: for
    each the line, what was found, what is allowed and its meaning."""
    if excess := excesses(content):
        raise RecipeError(where, excess)
    try:
        return Region.model_validate(content)
    except ValidationError as error:
        raise RecipeError(where, problems(error, Region)) from None


def resolve_path(text: str, recipe: Path, data_dir: Path) -> Path:
    """The absolute form of a path in a recipe: {data_dir} and ${VARIABLES} are filled in, and a relative path starts
    at the recipe's folder. Raises InputError if an environment variable is not set."""
    expanded = os.path.expandvars(text.replace("{data_dir}", str(data_dir.expanduser().absolute())))
    if missing := re.search(r"\$\{?(\w+)", expanded):
        raise InputError(f"{recipe}: the path '{text}' needs the environment variable {missing.group(1)}; set it")
    path = Path(expanded).expanduser()
    return path if path.is_absolute() else (recipe.parent / path).absolute()
