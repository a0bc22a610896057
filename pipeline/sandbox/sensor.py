"""What differs between images of the same ground: calibration, bandpass adjustment, and the angles of sun and view.

After harmonisation 1 to 4 % are left between Landsat 8 and Sentinel-2 by band, and 2 to 5 % across a swath, more over
closed canopies, since one kernel for all land is taken (Claverie et al. 2018, Remote Sensing of Environment 219; Roy et
al. 2016, 176).
"""

import numpy as np
from numpy.typing import NDArray

from .climate import day_of_year
from .spec import WorldSpec
from .tiles import Pass

_SCENE_SD = 0.010, 0.015  # error of the atmospheric correction, common to the bands, without and with the dose
_SENSOR_SD = 0.008, 0.018  # error of the bandpass adjustment, constant by sensor and band
_ANGLE = np.array([0.05, 0.05, 0.06, 0.04, 0.05, 0.06])  # change of bare ground from nadir to the edge of the swath
_CANOPY = 0.5  # share of it that a closed canopy adds in the near infrared


def gains(spec: WorldSpec, overflight: Pass, ground: NDArray[np.float32]) -> NDArray[np.float32]:
    """Factors of the reflectance `ground` (pixels, 6) in one image, same shape."""
    dose = spec.sensor_dose
    sensor_sd, scene_sd = (low + (high - low) * dose for low, high in (_SENSOR_SD, _SCENE_SD))
    sensor = spec.generator(overflight.orbit.sensor, "gain").normal(1, sensor_sd, ground.shape[1])
    scene = spec.generator(overflight.name, "gain").normal(1, scene_sd)
    # Views lean east on one track and west on the next; a low sun in spring and autumn makes the difference larger.
    lean = spec.generator(overflight.orbit.sensor, overflight.orbit.minutes, "lean").uniform(-1, 1)
    season = 1 + 0.5 * np.cos(2 * np.pi * (int(day_of_year(np.array([overflight.day]))[0]) - 355) / 365)
    angle = dose * lean * season * _ANGLE
    closed = np.clip((ground[:, 3] - ground[:, 2]) / (ground[:, 3] + ground[:, 2] + 1e-6), 0, 1)[:, None]
    canopy = 1 + _CANOPY * closed * np.array([0, 0, 0, 1, 0, 0])
    return np.asarray(sensor * scene * (1 + angle * canopy), dtype=np.float32)


def relative_errors(spec: WorldSpec) -> NDArray[np.float64]:
    """(6,): standard deviation of `gains` in one image taken at random, for a forecaster who knows the sensors."""
    dose = spec.sensor_dose
    sensor_sd, scene_sd = (low + (high - low) * dose for low, high in (_SENSOR_SD, _SCENE_SD))
    angle = dose * _ANGLE / np.sqrt(3)  # of a lean that is uniform from -1 to 1
    return np.asarray(np.sqrt(sensor_sd**2 + scene_sd**2 + angle**2))
