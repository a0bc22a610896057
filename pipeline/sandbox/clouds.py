"""Clouds, their shadows and the ring around them, in step with the day's radiation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import binary_dilation, map_coordinates
from scipy.special import ndtri

from .climate import day_of_year, extraterrestrial_radiation
from .spec import Site, WorldSpec
from .tiles import PIXEL, Pass
from .weather import SiteWeather

Array = NDArray[np.float64]

CLOUD, ADJACENT, SHADOW = 1 << 1, 1 << 2, 1 << 3
AEROSOL_SHIFT = 6
FILL = 255

_CELL = 60.0
_CLOUDIER = 3.8
"""Log odds of cloud that the dose adds: 4 to 12 clear views of a place from April to October."""
_VEILED = 0.42
"""Share of images with thin cloud that the mask misses somewhere. Of the pixels that a mask calls clear, 14 % have an
opacity over 0.08; over Flanders in 2018, 14 % of those clear by Sentinel-2's scene classification have a blue over
0.10."""
_RING = np.hypot(*np.mgrid[-2:3, -2:3]) <= 2.5
_REACH = 3600.0  # metres around the site from where a shadow may fall on it
_AEROSOL_SHARES = [0.35, 0.45, 0.14, 0.06]  # climatological, low, moderate, high
_BRIGHT = np.array([0.60, 0.58, 0.59, 0.62, 0.46, 0.36], dtype=np.float32)  # a thick water cloud
_VEIL = np.array(
    [0.46, 0.42, 0.40, 0.40, 0.26, 0.18], dtype=np.float32
)  # thin cloud scatters least in the shortwave infrared
_SHADE = np.array([0.62, 0.55, 0.50, 0.48, 0.42, 0.40], dtype=np.float32)  # share of the light that is left in a shadow


@dataclass(frozen=True)
class Sky:
    """The sky over a site at one overflight, on a grid of 60 m in EPSG:32615."""

    left: float
    top: float
    thickness: Array
    """Above 0 where there is cloud."""
    ring: NDArray[np.bool_]
    """Within 150 m of a cloud."""
    to_sun: tuple[float, float]
    """Metres east and north from a shadow to its cloud."""
    veil: Array
    """Opacity of thin cloud and haze that no mask flags."""
    aerosol: int
    """0..3; 3 is high. Drawn at random, independent of the weather."""

    def over(self, x: Array, y: Array) -> "Overhead":
        """The sky over points of EPSG:32615."""
        return Overhead(
            thickness=self._sample(self.thickness, x, y),
            shadow=self._sample(self.thickness, x + self.to_sun[0], y + self.to_sun[1]),
            near_cloud=self._sample(self.ring.astype(np.float64), x, y, order=0) > 0.5,
            veil=self._sample(self.veil, x, y) if self.veil.any() else np.zeros(x.shape),
            aerosol=self.aerosol,
        )

    def _sample(self, field: Array, x: Array, y: Array, order: int = 1) -> Array:
        at = np.stack([(self.top - y) / _CELL - 0.5, (x - self.left) / _CELL - 0.5])
        return np.asarray(map_coordinates(field, at, order=order, mode="nearest"), dtype=np.float64)


@dataclass(frozen=True)
class Overhead:
    """The sky over some points; arrays of shape (points,), named as in `Sky`."""

    thickness: Array
    shadow: Array
    """Thickness of the cloud between the point and the sun."""
    near_cloud: NDArray[np.bool_]
    veil: Array
    aerosol: int

    def flags(self) -> NDArray[np.uint8]:
        """Fmask values, never fill."""
        cloud = self.thickness > 0
        shadow = (self.shadow > 0) & ~cloud
        flags = cloud * CLOUD + (self.near_cloud & ~cloud) * ADJACENT + shadow * SHADOW
        return np.asarray(flags + (self.aerosol << AEROSOL_SHIFT), dtype=np.uint8)

    def cover(self, reflectance: NDArray[np.float32]) -> NDArray[np.float32]:
        """`reflectance` (points, 6) as seen through this sky. Only flagged points change, and those below a veil."""
        thickness, shadow, veil = (
            values.astype(np.float32)[:, None] for values in (self.thickness, self.shadow, self.veil)
        )
        reflectance = reflectance + (_VEIL - reflectance) * veil
        shade = 1 - (1 - _SHADE) * np.clip(0.5 + shadow, 0, 1)
        lit = np.where(shadow > 0, reflectance * shade, reflectance)
        opacity = np.clip(0.25 + 1.2 * thickness, 0, 1)
        bright = _BRIGHT * (0.75 + 0.25 * np.clip(thickness, 0, 1))
        return np.asarray(np.where(thickness > 0, lit + (bright - lit) * opacity, lit), dtype=np.float32)


def sky(spec: WorldSpec, site: Site, weather: SiteWeather, overflight: Pass) -> Sky:
    """The sky over `site`; the cloudier, the less of the day's possible radiation reached the surface."""
    rng = spec.generator(site.name, overflight.name, "sky")
    shared = spec.generator(overflight.name, "sky").normal()
    cover = _cloud_cover(weather, overflight.day, 0.6 * shared + 0.8 * rng.normal(), spec.cloud_dose)

    box = site.geobox.affine
    height, width = (int(np.ceil((side * PIXEL + 2 * _REACH) / _CELL)) for side in site.geobox.shape)
    size = 10 ** rng.uniform(0.4, 1.15)  # cloud size: 150 m to 850 m
    field = 0.8 * _smooth_noise(rng, (height, width), size) + 0.6 * _smooth_noise(rng, (height, width), 2.5 * size)
    thickness = field - ndtri(np.clip(1 - cover, 1e-9, 1 - 1e-9))
    return Sky(
        left=box.c - _REACH,
        top=box.f + _REACH,
        thickness=thickness,
        ring=binary_dilation(thickness > 0, _RING),
        to_sun=_to_sun(weather.latitude, overflight.day, cloud_height=rng.uniform(600, 2000)),
        veil=_veil(spec.generator(site.name, overflight.name, "veil"), (height, width), spec.haze_dose),
        aerosol=int(rng.choice(4, p=_AEROSOL_SHARES)),
    )


def _cloud_cover(weather: SiteWeather, day: np.datetime64, chance: float, dose: float) -> float:
    """Share of the sky covered at the moment of overflight, often nearly 0 or 1."""
    index = int((day - weather.days[0]).astype(int))
    top = extraterrestrial_radiation(day_of_year(weather.days[index : index + 1]), weather.latitude)
    clearness = float(weather["radiation"][index] / top[0])
    return float(1 / (1 + np.exp(-(-1.5 + _CLOUDIER * dose + 14.0 * (0.69 - clearness) + 2.4 * chance))))


def _veil(rng: np.random.Generator, shape: tuple[int, int], dose: float) -> Array:
    """Opacity, 0..0.5, of thin cloud: streaks of some hundred metres to kilometres, in some images."""
    if rng.random() >= _VEILED * dose:
        return np.zeros(shape)
    noise = _smooth_noise(rng, shape, 10 ** rng.uniform(0.6, 1.2)) + rng.normal(0.2, 0.5)
    return np.clip(0.16 * noise, 0, 0.5)


def _to_sun(latitude: float, day: np.datetime64, cloud_height: float) -> tuple[float, float]:
    """Offset from a shadow to the point below its cloud of that height, at about 10:40 solar time."""
    phi = np.radians(latitude)
    declination = 0.409 * np.sin(2 * np.pi * int(day_of_year(np.array([day]))[0]) / 365 - 1.39)
    hour = np.radians(-20.0)
    up = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(hour)
    east = -np.cos(declination) * np.sin(hour)
    north = np.cos(phi) * np.sin(declination) - np.sin(phi) * np.cos(declination) * np.cos(hour)
    return float(cloud_height * east / up), float(cloud_height * north / up)


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> Array:
    """Gaussian noise of unit variance, smooth over `sigma` cells, periodic; filtered in the frequency domain."""
    down, across = fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])
    kernel = np.exp(-2 * (np.pi * sigma * down) ** 2) * np.exp(-2 * (np.pi * sigma * across) ** 2)
    noise = fft.irfft2(fft.rfft2(rng.standard_normal(shape)) * kernel, shape)
    # By the variance that a Gaussian kernel leaves, not that of the sample, which would fix the cloud cover exactly.
    return np.asarray(noise * (2 * np.sqrt(np.pi) * sigma), dtype=np.float64)
