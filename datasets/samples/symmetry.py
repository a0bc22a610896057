"""The symmetries of the square."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def dihedral(array: NDArray[Any], symmetry: int) -> NDArray[Any]:
    """One of the eight symmetries of the square (0 to 7), applied to the last two axes."""
    array = np.rot90(array, symmetry % 4, axes=(-2, -1))
    return array[..., ::-1] if symmetry >= 4 else array
