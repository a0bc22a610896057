"""Runs a Python file or `mmvsf` as if the packages of the extras were not installed.

python tests/without_extras.py script.py ARGUMENTS
python tests/without_extras.py mmvsf check cube.zarr
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from mmvsf.datasets.command import main
from mmvsf.datasets.extras import EXTRAS

HIDDEN = {package for packages in EXTRAS.values() for package in packages}


class WithoutExtras(PathFinder):
    """The finder of installed packages, which does not find those that only extras need."""

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in HIDDEN:
            return None
        return super().find_spec(fullname, path, target)


def hide() -> None:
    """Put `WithoutExtras` in the place of Python's finder. Raises RuntimeError if a package was already imported."""
    imported = HIDDEN & set(sys.modules)
    if imported:
        raise RuntimeError(f"already imported: {', '.join(sorted(imported))}")
    sys.meta_path[:] = [WithoutExtras if finder is PathFinder else finder for finder in sys.meta_path]


if __name__ == "__main__":
    hide()
    sys.argv = sys.argv[1:]
    if sys.argv[0] == "mmvsf":
        main()
    runpy.run_path(sys.argv[0], run_name="__main__")
