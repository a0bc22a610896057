"""Reflectance of a canopy in six bands, from leaf area, leaf state and the wetness of the soil.

Reflectance is a mixture of green canopy, standing yellow leaves, residue and soil, weighted by the gap
fraction exp(-k LAI) of a canopy with randomly oriented leaves (k = 0.55 near nadir; Monsi and Saeki 1953).
The end members are typical values of Landsat 8 and HLS surface reflectance over closed crop canopies,
senesced crops, crop residue and dark Mollisols of the US Corn Belt; wet soil is darkened most in the
shortwave infrared, where water absorbs (Lobell and Asner 2002).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .crop_types import FOREST, HAY, PASTURE, ROAD
from .crops import Canopy

Array = NDArray[np.float64]

BANDS = ("blue", "green", "red", "nir", "swir1", "swir2")

_EXTINCTION = 0.55

_GREEN = np.array([
    [0.024, 0.058, 0.025, 0.430, 0.190, 0.085],  # corn
    [0.026, 0.070, 0.026, 0.510, 0.205, 0.092],  # soybeans
    [0.028, 0.062, 0.034, 0.400, 0.180, 0.088],  # winter wheat
    [0.025, 0.066, 0.028, 0.460, 0.200, 0.092],  # alfalfa
    [0.032, 0.068, 0.041, 0.360, 0.220, 0.110],  # pasture
    [0.018, 0.042, 0.020, 0.380, 0.160, 0.066],  # forest
    [0.024, 0.058, 0.025, 0.425, 0.192, 0.086],  # sorghum, as corn
    [0.026, 0.070, 0.026, 0.505, 0.205, 0.092],  # dry beans, as soybeans
    [0.028, 0.062, 0.034, 0.400, 0.180, 0.088],  # spring wheat, as winter wheat
    [0.028, 0.062, 0.034, 0.400, 0.180, 0.088],  # double crop, as winter wheat
    [0.031, 0.067, 0.039, 0.370, 0.218, 0.108],  # hay, nearly as pasture
    [0.036, 0.072, 0.047, 0.330, 0.230, 0.125],  # grass along roads
])  # fmt: skip
_BROWN = np.array([0.065, 0.098, 0.140, 0.255, 0.320, 0.215])
_RESIDUE = np.array([0.085, 0.120, 0.160, 0.235, 0.340, 0.270])
_GRAVEL = np.array([0.105, 0.135, 0.165, 0.225, 0.275, 0.255])
_LITTER = np.array([0.040, 0.058, 0.075, 0.170, 0.225, 0.150])  # bark, twigs and leaf litter
_SOIL = np.array([0.062, 0.088, 0.118, 0.168, 0.245, 0.215])
_WET_LOSS = np.array([0.38, 0.40, 0.42, 0.42, 0.50, 0.55])
_STRESS = np.array([0.15, 0.15, 0.35, -0.10, 0.30, 0.40])  # relative change of a fully stressed green canopy


@dataclass(frozen=True)
class Surface:
    """Differences between fields of one crop; shape (fields,) each."""

    cover: NDArray[np.int64]
    """Index into `COVERS`."""
    soil_brightness: Array
    """Factor of the soil's reflectance, around 1."""
    leaf_brightness: Array
    """Factor of the green canopy's reflectance, around 1 (variety, nutrition)."""


def reflect(canopy: Canopy, wetness: Array, surface: Surface) -> NDArray[np.float32]:
    """Surface reflectance 0..1, shape (days, fields, 6), of a canopy (days, fields) over soil of `wetness` (days,)."""
    cover = surface.cover
    gap_green = np.exp(-_EXTINCTION * canopy.green)
    gap_brown = np.exp(-_EXTINCTION * canopy.brown)
    green = 1 - gap_green
    brown = gap_green * (1 - gap_brown)
    bare = gap_green * gap_brown
    littered = np.select([cover == FOREST, cover == PASTURE, cover == HAY], [0.85, 0.70, 0.60], canopy.residue)

    dead = np.where((cover == FOREST)[:, None], _LITTER, _RESIDUE)
    wet = wetness[:, None, None]
    leaf = _GREEN[cover] * surface.leaf_brightness[:, None] * (1 + _STRESS * canopy.stress[..., None])
    out = green[..., None] * leaf + brown[..., None] * _BROWN
    out += (bare * littered)[..., None] * dead * (1 - 0.6 * _WET_LOSS * wet)
    dry = np.where((cover == ROAD)[:, None], _GRAVEL, _SOIL)
    soil = dry * surface.soil_brightness[:, None] * (1 - _WET_LOSS * wet)
    out += (bare * (1 - littered))[..., None] * soil
    return np.asarray(out, dtype=np.float32)
