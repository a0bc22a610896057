"""Years without a label, or with one class everywhere."""

from collections.abc import Iterable, Mapping

from mmvsf.datasets.errors import IncompleteError


def refuse_empty(counts: Mapping[int, Mapping[int, int]], places: Mapping[int, str]) -> None:
    """Raise IncompleteError for a year in which no pixel has a label, or all have one and the same where other years
    have several: that is a background, not a map. `counts`: year -> code -> pixels; `places`: year -> raster."""
    if empty := [year for year, codes in counts.items() if not sum(codes[code] for code in codes if code)]:
        raise IncompleteError(
            f"no pixel is labelled in {_listed(empty)}: {places[empty[0]]} has only 0, no data, or classes that the"
            " recipe leaves unknown in the region's blocks; check labels.path and labels.groups, or leave the year out"
            " of labels.years"
        )
    constant = [year for year, codes in counts.items() if len(codes) == 1]
    if constant and len(constant) < len(counts):
        (code,) = counts[constant[0]]
        raise IncompleteError(
            f"every pixel has the code {code} in {_listed(constant)}, while other years have several classes:"
            f" {places[constant[0]]} seems to hold a background there; declare it as no data, or leave the year out of"
            " labels.years"
        )


def _listed(years: Iterable[int]) -> str:
    return ", ".join(map(str, years))
