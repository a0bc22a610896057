"""The layers of a cube, and the sums over them."""

from mmvsf.datasets.cube.spec import CubeSpec
from mmvsf.pipeline.layers.imagery.layer import ImageryLayer
from mmvsf.pipeline.layers.labels.layer import LabelLayer
from mmvsf.pipeline.layers.radar.layer import RadarLayer
from mmvsf.pipeline.layers.static.layer import StaticLayer
from mmvsf.pipeline.layers.targets.layer import TargetLayer
from mmvsf.pipeline.layers.weather.layer import WeatherLayer

LAYERS = (ImageryLayer, RadarLayer, WeatherLayer, LabelLayer, TargetLayer, StaticLayer)


def cube_bytes(spec: CubeSpec, units: float) -> int:
    """Bytes that a cube with so many (day, block) units of imagery takes on disk, rounded up rather than down."""
    return round(sum(layer.stored_bytes(spec, units) for layer in LAYERS))
