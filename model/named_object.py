"""An object of user code, named on the command line as MODULE:OBJECT."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from mmvsf.datasets.errors import InputError, one_line


def named_object(what: str, name: str) -> Any:
    """The `object` of `module:object`, from the current folder or an installed package. Importing a module runs it.

    Raises InputError, which begins with `what`, where there is no such module or object.
    """
    module, _, attribute = name.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(f"{what} {name}: {one_line(error, 160)}") from error
