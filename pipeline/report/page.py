"""The page: one HTML file that carries its pictures and asks for nothing from anywhere."""

from collections.abc import Sequence
from pathlib import Path

import jinja2
import numpy as np
from matplotlib import rc_context

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.storage.location import Location, write_whole
from mmvsf.datasets.variables import Status

from .clear import clear_section
from .cropmap import cropmap_headline, cropmap_section
from .curves import curves_section
from .drawing import STYLE
from .elements import Section
from .evaluation import evaluation_section
from .forecast import forecast_headline, forecast_section
from .ground import ground_sections
from .labels import labels_section
from .place import place_section
from .scenes import scenes_section
from .view import ReportView
from .weather import read_years, weather_section

PAGE = "report.html"


def write_report(cube: Location, runs: Path) -> Path:
    """Write `report.html` into `runs` (runs/<region>/), which holds what `pretrain`, `cropmap` and `forecast`
    left there; what is absent is said to be absent.

    Reads the small arrays of the cube whole and of its pixels a few blocks, so time and memory do not grow with
    the region. Returns the path of the page. Raises InputError or IncompleteError as `Cube.open` does, and
    OSError if the disk refuses.
    """
    sample = ReportView(Cube.open(cube))
    with rc_context(STYLE):
        years = read_years(sample)
        sections = (
            place_section(sample),
            clear_section(sample),
            scenes_section(sample),
            weather_section(sample, years),
            labels_section(sample),
            *ground_sections(sample),
            curves_section(sample, years),
            forecast_section(sample, runs),
            cropmap_section(sample, runs),
            evaluation_section(sample, runs),
        )
    text = render(
        sample.cube.region.title,
        sample.cube.region.name,
        _headlines(sample, runs),
        sections,
        sample.cube.digest,
        sample.cube.attributes.get("software", {}).get("mmvsf", ""),
    )
    page = runs / PAGE
    write_whole(page, text.encode())
    return page


def render(
    title: str,
    name: str,
    headlines: Sequence[tuple[str, str]],
    sections: Sequence[Section],
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


def _headlines(sample: ReportView, runs: Path) -> Sequence[tuple[str, str]]:
    """A few numbers that say most, as (value, what it is)."""
    region = sample.cube.region
    stored = np.where(sample.status == Status.STORED, np.nan_to_num(sample.clear), 0)
    views = float(stored.sum() / 100 / len(sample.cube.grid.blocks) / len(sample.cube.years))
    blocks, side = len(sample.cube.grid.blocks), sample.side_km
    found = [
        (f"{blocks}", f"{'block' if blocks == 1 else 'blocks'} of {side:.3g} × {side:.3g} km"),
        (f"{region.period.start.year} to {region.period.end.year}", "years of images and weather"),
        (f"{views:.0f}", "clear views of a pixel a year"),
        forecast_headline(runs),
        cropmap_headline(runs),
    ]
    return [entry for entry in found if entry is not None]
