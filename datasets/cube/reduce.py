"""One value out of many: the median or the mean of those that are valid."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def reduced(values: NDArray[Any], valid: NDArray[np.bool_], how: str = "median") -> NDArray[np.float64]:
    """The `median` or the `mean` over the first axis of the values that are valid; NaN where none is. `valid` has the
    shape of `values`, or one that is broadcast to it."""
    count = np.broadcast_to(valid, values.shape).sum(axis=0)
    if how == "mean":
        total = np.where(valid, values, 0).sum(axis=0, dtype=np.float64)
        return np.where(count, total / np.maximum(count, 1), np.nan)
    if not len(values):
        return np.full(values.shape[1:], np.nan)
    largest = np.inf if values.dtype.kind == "f" else np.iinfo(values.dtype).max
    in_order = np.sort(np.where(valid, values, values.dtype.type(largest)), axis=0)
    middle = [np.take_along_axis(in_order, index[None], 0)[0] for index in (np.maximum(count - 1, 0) // 2, count // 2)]
    return np.where(count, (middle[0].astype(np.float64) + middle[1]) / 2, np.nan)
