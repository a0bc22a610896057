"""Runs a Python file or `mmvsf` as if the packages of some extras were not installed.

python tests/without_extras.py build,train script.py ARGUMENTS
python tests/without_extras.py objects mmvsf check s3://bucket/cube.zarr
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import ClassVar

from mmvsf.datasets.command import main
from mmvsf.datasets.extras import EXTRAS


class WithoutExtras(PathFinder):
    """The finder of installed packages, which does not find those of the hidden extras."""

    hidden: ClassVar[set[str]] = set()

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in cls.hidden:
            return None
        return super().find_spec(fullname, path, target)


def hide(extras: Sequence[str]) -> None:
    """Put `WithoutExtras` in the place of Python's finder. Raises RuntimeError if a package was already imported."""
    WithoutExtras.hidden = {package for extra in extras for package in EXTRAS[extra]}
    imported = WithoutExtras.hidden & set(sys.modules)
    if imported:
        raise RuntimeError(f"already imported: {', '.join(sorted(imported))}")
    sys.meta_path[:] = [WithoutExtras if finder is PathFinder else finder for finder in sys.meta_path]


if __name__ == "__main__":
    _, extras, program, *arguments = sys.argv
    hide(extras.split(","))
    sys.argv = [program, *arguments]
    if program == "mmvsf":
        main()
    runpy.run_path(program, run_name="__main__")
