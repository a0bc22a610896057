"""The check of radar: blocks are seen, passes and pixels agree, and backscatter is physically possible."""

import numpy as np

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.variables import BACKSCATTER_FILL, BACKSCATTER_SCALE, MOST_ORBITS, Status
from mmvsf.datasets.words import plural

from .check_imagery import MOST_REPORTED
from .check_result import Check

LEAST, MOST = -40.0, 5.0
"""dB that the median of a block may have: calm water with cross polarisation, and a town"""


def check_radar(cube: Cube, units: int) -> Check:
    """Compare up to so many units of each direction, drawn at random, with their status and relative orbit."""
    problems: list[str] = []
    inside, seen = cube.grid.block_mask(), np.zeros(len(cube.grid.blocks), bool)
    medians, details = [], []
    for orbit in cube.orbits:
        status, numbers = cube.array(f"blocks/{orbit}_status"), cube.array(f"blocks/{orbit}_orbit")
        if np.any(status[:, ~inside] != Status.OUTSIDE):
            problems.append(f"a block outside the recipe has a status of {orbit} passes")
        if np.any((numbers > 0) != (status == Status.STORED)) or numbers.max(initial=0) > MOST_ORBITS:
            problems.append(f"relative orbits and status of {orbit} passes disagree")
        seen |= (status == Status.STORED)[:, inside].any(axis=0)
        stored = np.argwhere(status == Status.STORED)
        details.append(f"{len(stored)} of {orbit} passes")
        pixels = cube.pixels(f"radar/{orbit}")
        for time, by, bx in np.random.default_rng(0).permutation(stored)[:units].tolist():
            values = pixels.read((time, slice(None), *cube.grid.block_slices((by, bx))))
            known = values != BACKSCATTER_FILL
            if np.any(known.any(axis=0) != known.all(axis=0)) or not known.any():
                problems.append(f"day {cube.calendar.days[time]}, block {by},{bx}: a polarisation is missing")
            else:
                medians.append(np.median(values[:, known[0]], axis=1) * BACKSCATTER_SCALE)
    if never := int((~seen).sum()):
        problems.append(f"{plural(never, 'block')} never seen")
    if medians:
        typical = np.median(medians, axis=0)
        text = ", ".join(f"{name} {value:.1f}" for name, value in zip(cube.polarisations, typical, strict=True))
        details.append(f"typical backscatter {text} dB")
        if typical.min() < LEAST or typical.max() > MOST:
            problems.append(f"typical backscatter {text} dB: is it linear power of gamma0?")
    return Check.of("radar", problems[:MOST_REPORTED], "; ".join(details))
