"""The page: one HTML file that carries its pictures and loads nothing from anywhere."""

from collections.abc import Sequence
from pathlib import Path

import jinja2
import numpy as np
from matplotlib import rc_context

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.storage.location import Location
from mmvsf.datasets.storage.outputs import write_verified
from mmvsf.datasets.variables import Status

from .clear import clear_section
from .cropmap import cropmap_headline, cropmap_section
from .curves import curves_section
from .drawing import STYLE
from .elements import ReportSection
from .evaluation import evaluation_section
from .forecast import forecast_headline, forecast_section
from .labels import labels_section
from .overview import overview_section
from .scenes import scenes_section
from .static import static_sections
from .view import ReportView
from .weather import read_years, weather_section

PAGE = "report.html"


def write_report(cube: Location, runs: Path) -> Path:
    """Write `report.html` into `runs` (runs/<region>/), the folder of the results of `pretrain`, `cropmap` and
    `forecast`; results that are missing are reported as missing.

    Reads the small arrays of the cube whole and the pixels of a few blocks, so time and memory do not grow with the
    region. Returns the path of the page. Raises InputError or IncompleteError as `Cube.open` does, and
    OSError if the disk refuses.
    """
    view = ReportView(Cube.open(cube))
    with rc_context(STYLE):
        years = read_years(view)
        sections = (
            overview_section(view),
            clear_section(view),
            scenes_section(view),
            weather_section(view, years),
            labels_section(view),
            *static_sections(view),
            curves_section(view, years),
            forecast_section(view, runs),
            cropmap_section(view, runs),
            evaluation_section(view, runs),
        )
    text = render(
        view.cube.region.title,
        view.cube.region.name,
        main_numbers(view, runs),
        sections,
        view.cube.digest,
        view.cube.attributes.get("software", {}).get("mmvsf", ""),
    )
    page = runs / PAGE
    write_verified(page, text.encode())
    return page


def render(
    title: str,
    name: str,
    headlines: Sequence[tuple[str, str]],
    sections: Sequence[ReportSection],
    digest: str,
    version: str,
) -> str:
    """The page's HTML. `headlines` are (value, what it is)."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(PAGE).render(
        title=title, name=name, headlines=headlines, sections=sections, digest=digest, version=version
    )


def main_numbers(view: ReportView, runs: Path) -> Sequence[tuple[str, str]]:
    """The main numbers, as (value, what it is)."""
    region = view.cube.region
    stored = np.where(view.status == Status.STORED, np.nan_to_num(view.clear), 0)
    views = float(stored.sum() / 100 / len(view.cube.grid.blocks) / sum(view.year_share.values()))
    whole = all(share == 1 for share in view.year_share.values())
    first, last = region.period.start.year, region.period.end.year
    period = f"{first} to {last}" if last > first else f"{first}"
    blocks, side = len(view.cube.grid.blocks), view.side_km
    weather = " and weather" if view.cube.weather else ""
    numbers = [
        (f"{blocks}", f"{'block' if blocks == 1 else 'blocks'} of {side:.3g} × {side:.3g} km"),
        (period, f"{'years' if last > first else 'year'} of images{weather}"),
        (f"{views:.0f}", f"clear views of a pixel per {'' if whole else 'whole '}year"),
        forecast_headline(runs),
        cropmap_headline(runs),
    ]
    return [entry for entry in numbers if entry is not None]
