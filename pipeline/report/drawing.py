"""One style for all figures, and the colours that mean the same thing everywhere on the page."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.patches import Patch
from numpy.typing import NDArray

from mmvsf.datasets.cube.legend import LegendClass
from mmvsf.datasets.variables import QUALITY_FILL, Quality, Split

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.labelcolor": "#333333",
    "axes.edgecolor": "#888888",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid.axis": "y",
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.dpi": 150,
    "svg.hashsalt": "mmvsf",
    # Names come from recipes and legends: a dollar sign in one does not begin a formula.
    "text.parse_math": False,
}
DARK = {
    "#ffffff": "#14181b", "#222222": "#e4e8eb", "#333333": "#e4e8eb", "#444444": "#c9d1d7", "#555555": "#a9b3ba",
    "#888888": "#77828a", "#dddddd": "#343c42",
}  # fmt: skip
"""Colours of paper, lines and text -> what they are where the reader prefers the dark. All other colours mean something
and stay; what lies on them has `ON_LIGHT` or `ON_DARK`."""
ON_LIGHT, ON_DARK = "#212121", "#fdfdfd"
"""Text on colours that stay."""
DARK_STYLE = (
    "<style>@media (prefers-color-scheme: dark){svg{fill:#e4e8eb}"
    + "".join(
        f'[style*="{part}: {light}"]{{{part}:{dark}!important}}'
        for light, dark in DARK.items()
        for part in ("fill", "stroke")
    )
    + "}</style>"
)
"""A stylesheet for figures in SVG. Text that is black has no colour there: it is that of the root."""
WIDTH = 9.6
"""Inches across a figure that fills the page."""

MISSING = "#d9d9d9"
"""No data, unknown, not observed."""
NORMAL, UNUSUAL = "#444444", "#d55e00"
"""Lines of the normal and of the unusual year."""

# Okabe and Ito's colours, told apart with any kind of colour vision.
SPLIT_COLOURS = {Split.TRAIN: "#0072b2", Split.VALIDATION: "#e69f00", Split.TEST: "#d55e00", Split.NONE: "#999999"}
SPLIT_NAMES = {Split.TRAIN: "training", Split.VALIDATION: "validation", Split.TEST: "test", Split.NONE: "not used"}

MASK = (
    ("clear", "#cddcae"),
    ("water", "#3b7dc4"),
    ("next to cloud or shadow", "#f2b272"),
    ("snow or ice", "#9fe8f5"),
    ("cloud shadow", "#565b73"),
    ("cloud", "#fdfdfd"),
    ("no data", "#101010"),
)
"""Names and colours of the classes of `mask_classes`."""

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class SeasonAxis:
    """The axis of a figure over the days of a season, counted from 1."""

    first: int
    last: int
    """the days that are shown"""
    starts: dict[int, int]
    """month -> day on which it begins (a day later after 29 February)"""

    @property
    def whole(self) -> "SeasonAxis":
        """The same with all days."""
        return replace(self, first=1, last=366)


def mask_classes(quality: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Quality bits as one class per pixel, an index into `MASK`; of several, the one that hides the most."""
    classes = np.zeros(quality.shape, np.uint8)
    for value, bit in enumerate((Quality.WATER, Quality.ADJACENT, Quality.SNOW, Quality.SHADOW, Quality.CLOUD), 1):
        classes[(quality & np.uint8(bit)) != 0] = value
    classes[quality == QUALITY_FILL] = 6
    return classes


def colour(text: str) -> str:
    """A colour #rrggbb as it is, and grey for anything else."""
    return text if re.fullmatch(r"#[0-9a-fA-F]{6}", text) else "#808080"


def readable(text: str, contrast: float = 2.6) -> str:
    """The colour, darkened until a line of it stands out from white paper by this contrast ratio (WCAG)."""
    rgb = np.array([int(colour(text)[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    while 1.05 / (_luminance(rgb) + 0.05) < contrast:
        rgb = rgb * 0.95
    return "#" + "".join(f"{round(255 * float(part)):02x}" for part in rgb)


def _luminance(rgb: NDArray[np.float64]) -> float:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def class_image(values: NDArray[np.integer[Any]], classes: Sequence[LegendClass]) -> NDArray[np.uint8]:
    """(H, W, 3) uint8: codes in the colours of their classes; every other code in the grey of `MISSING`."""
    image = np.empty((*values.shape, 3), np.uint8)
    image[:] = _rgb(MISSING)
    for entry in classes:
        image[values == entry.code] = _rgb(colour(entry.color))
    return image


def mask_image(quality: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 of quality bits, in the colours of `MASK`."""
    palette = np.array([_rgb(colour) for _, colour in MASK], np.uint8)
    image: NDArray[np.uint8] = palette[mask_classes(quality)]
    return image


def class_handles(classes: Sequence[LegendClass], maps: Sequence[NDArray[np.integer[Any]]]) -> list[Patch]:
    """Legend entries of the classes that occur in some maps, and of unknown if it does."""
    codes = set().union(*(np.unique(values).tolist() for values in maps))
    pairs = [(entry.name, colour(entry.color)) for entry in classes if entry.code in codes]
    return handles([*pairs, *([("unknown", MISSING)] if 0 in codes else [])])


def handles(pairs: Sequence[tuple[str, str]]) -> list[Patch]:
    """Legend entries of (name, colour), with an edge so that white is visible too."""
    return [Patch(facecolor=colour, edgecolor="#888888", linewidth=0.6, label=name) for name, colour in pairs]


def clear_colours() -> Colormap:
    """0 to 100 % clear: from grey (seen, but cloudy) to deep blue; paper where nothing was acquired."""
    low, high = np.array([0.80, 0.80, 0.80]), np.array([0.02, 0.27, 0.52])
    steps = np.linspace(0, 1, 101)[:, None]
    return ListedColormap([tuple(row) for row in low * (1 - steps) + high * steps]).with_extremes(bad="none")


def month_axis(axes: Axes, season: SeasonAxis, *, every: int = 1) -> None:
    """Days of a season on x, marked at the beginning of every so many months."""
    starts = sorted((start, MONTHS[month - 1]) for month, start in season.starts.items())
    shown = [(start, name) for start, name in starts if season.first <= start <= season.last][::every]
    axes.set_xticks([start for start, _ in shown], [name for _, name in shown], ha="left")
    axes.set_xlim(season.first, season.last)


def map_frame(axes: Axes, side: float, *, y_label: bool = True, x_label: bool = True) -> None:
    """Kilometres on both axes of a square map whose image spans `side` km from its south-western corner."""
    for spine in axes.spines.values():
        spine.set_visible(True)
    axes.set_xticks([0, side / 2, side], [f"{value:.3g}" for value in (0, side / 2, side)])
    axes.set_yticks([0, side / 2, side], [f"{value:.3g}" for value in (0, side / 2, side)])
    axes.tick_params(length=2, labelsize=7.5)
    axes.set_xlabel("km east" if x_label else "", fontsize=8)
    axes.set_ylabel("km north" if y_label else "", fontsize=8)
    if not x_label:
        axes.tick_params(labelbottom=False)
    if not y_label:
        axes.tick_params(labelleft=False)


def _rgb(text: str) -> tuple[int, int, int]:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
