"""The results of an evaluation as sections of text and tables, for `results.json`, `docs/results.md` and the report.
Every number is computed from the rows of the pieces."""

from __future__ import annotations

from .claims import claims
from .control import control_section
from .crops import crop_section
from .forecasts import band_section, lead_section, missing_section, ndvi_section, year_section
from .results_table import ResultsTable
from .sections import TextSection
from .weather import weather_section


def all_sections(results: ResultsTable) -> list[TextSection]:
    """All sections that have rows."""
    builders = (
        claims, lead_section, ndvi_section, band_section, year_section, weather_section, control_section,
        missing_section,
    )  # fmt: skip
    sections = [
        *(build(results) for build in builders),
        crop_section(results.rows, results.full_years, results.classes),
    ]
    return [section for section in sections if section is not None]
