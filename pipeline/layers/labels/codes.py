"""From the values of a raster to codes of the legend, and values that the legend does not have."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.errors import InputError

MOST_NAMED = 12
"""So many codes are named, those of the most pixels; a raster of something else than classes has thousands."""


def codes_of(
    stored: NDArray[Any], missing: NDArray[np.bool_], code_of: Mapping[str, int], where: str
) -> NDArray[np.uint16]:
    """The codes of a raster's numbers by a legend's values, 0 where these are missing. Raises InputError for numbers
    that are no values of it, and for values that are no numbers."""
    try:
        pairs = sorted((float(value), code) for value, code in code_of.items())
    except ValueError as error:
        raise InputError(f"the column `value` of the legend of a raster holds numbers: {error}") from error
    values, codes = np.array([value for value, _ in pairs]), np.array([code for _, code in pairs], np.uint16)
    known = np.where(missing, values[0], stored)
    refuse_unlisted(known, tuple(values.tolist()), where)
    place = np.searchsorted(values, known).clip(max=len(values) - 1)
    return np.where(missing | (values[place] != known), 0, codes[place]).astype(np.uint16)


def refuse_unlisted(codes: NDArray[Any], listed: tuple[float, ...], where: str) -> None:
    """Raise InputError that names the codes beyond 0 and the listed ones, with the number of pixels of each."""
    present, counts = np.unique(codes, return_counts=True)
    unlisted = ~np.isin(present, (0, *listed))
    if not unlisted.any():
        return
    order = np.argsort(-counts[unlisted], kind="stable")[:MOST_NAMED]
    order = np.sort(order)
    names = ", ".join(f"{code:g}" for code in present[unlisted][order])
    pixels = ", ".join(str(count) for count in counts[unlisted][order])
    more = int(unlisted.sum()) - len(order)
    raise InputError(
        f"{where}: the codes {names}{f' and {more} more' if more else ''} are not in the legend ({pixels} pixels here);"
        " add them to it, or write 0 or a declared no-data value where the label is unknown"
    )
