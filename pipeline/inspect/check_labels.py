"""The check of labels: their codes, their confidence, and years, splits and blocks that a source left empty."""

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.variables import CONFIDENCE_FILL

from .check_parts import by_chunk, chunks_of, empty_parts
from .check_result import Check

MOSTLY = 0.5
"""A block of which at least this share has a label in one year has some in every year."""


def check_labels(cube: Cube) -> Check:
    """Labels have codes of the legend only, each year, part and block that should have some has them, and their
    confidence fits."""
    known, codes = _known(cube)
    legend = cube.legend.codes if cube.legend else ()
    stray = sorted(set().union(*codes) - {0, *legend})
    problems = [f"codes not in the legend: {stray}"] if stray else []
    problems += _empty(cube, known, codes)
    details = [f"{known.sum() / (len(cube.grid.blocks) * cube.grid.block**2 * len(known)):.0%} of the pixels labelled"]
    if never := int((~_shares(cube, known).any(axis=1)).sum()):
        details.append(f"{never} of {len(cube.grid.blocks)} blocks have no label in any year")
    if cube.confidence:
        confidence_problem, mean = _confidence(cube)
        problems += [confidence_problem] if confidence_problem else []
        details.append(mean)
    return Check.of("labels", problems, "; ".join(details))


def _known(cube: Cube) -> tuple[NDArray[np.int64], list[set[int]]]:
    """Labelled pixels (year, chunk_y, chunk_x), and the codes of each year, 0 among them."""
    crop = cube.pixels("labels/crop")
    known = np.zeros((len(cube.label_years), *cube.grid.chunk_shape), np.int64)
    codes: list[set[int]] = [set() for _ in cube.label_years]
    for position in range(len(cube.label_years)):
        for block in cube.grid.blocks:
            values = crop.read((position, *cube.grid.block_slices(block)))
            codes[position] |= set(np.unique(values).tolist())
            known[(position, *chunks_of(cube.grid, block))] = by_chunk(values > 0, cube.grid.chunk)
    return known, codes


def _empty(cube: Cube, known: NDArray[np.int64], codes: list[set[int]]) -> list[str]:
    """The years, parts and blocks that a source gave nothing for, or nothing but a background."""
    problems, years = [], cube.label_years
    if empty := [str(year) for year, pixels in zip(years, known, strict=True) if not pixels.any()]:
        return [f"no pixel is labelled in {', '.join(empty)}: are the labels of that year in another place?"]
    constant = [str(year) for year, present in zip(years, codes, strict=True) if len(present) == 1]
    if constant and len(constant) < len(years):
        problems.append(f"every pixel has the same label in {', '.join(constant)}, but not in other years")
    problems += [f"no pixel is labelled in {part}" for part in empty_parts(cube, known, years)]
    shares = _shares(cube, known)
    gaps = (shares == 0) & (shares.max(axis=1, keepdims=True) >= MOSTLY)
    for year, missing in zip(years, gaps.T, strict=True):
        if missing.any():
            y, x = cube.grid.blocks[int(missing.argmax())]
            problems.append(
                f"{int(missing.sum())} of {len(missing)} blocks have labels in other years and none in {year}, for"
                f" example block {y},{x}"
            )
    return problems


def _shares(cube: Cube, known: NDArray[np.int64]) -> NDArray[np.float64]:
    """(block, year) share of the pixels that have a label."""
    of_blocks = [known[(slice(None), *chunks_of(cube.grid, block))].sum(axis=(1, 2)) for block in cube.grid.blocks]
    return np.array(of_blocks) / cube.grid.block**2


def _confidence(cube: Cube) -> tuple[str, str]:
    """(first problem or nothing, mean in words) of the confidence of the labels."""
    crop, confidence = (cube.pixels(f"labels/{name}") for name in ("crop", "confidence"))
    total = count = 0
    without = []
    for position, year in enumerate(cube.label_years):
        before = count
        for block in cube.grid.blocks:
            index = (position, *cube.grid.block_slices(block))
            percent = confidence.read(index)
            given = percent != CONFIDENCE_FILL
            if np.any(given & (percent > 100)):
                return f"confidence above 100 percent in {year}, block {block[0]},{block[1]}", ""
            if np.any(given & (crop.read(index) == 0)):
                return f"confidence without a label in {year}, block {block[0]},{block[1]}", ""
            total, count = total + int(percent[given].sum(dtype=np.int64)), count + int(given.sum())
        without += [str(year)] if count == before else []
    if not count:
        return "no pixel has a confidence in any year; remove the line labels.confidence", ""
    return "", f"mean confidence {total / count:.0f} %" + (f", none in {', '.join(without)}" if without else "")
