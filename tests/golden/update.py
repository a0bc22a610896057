"""Write the checked-in metadata again, after an intended change of the format.

python -m tests.golden.update
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from . import TREE, metadata, write_cube

if __name__ == "__main__":
    shutil.rmtree(TREE, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        cube = Path(folder) / "golden.zarr"
        write_cube(cube)
        for name, text in metadata(cube).items():
            file = TREE / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
