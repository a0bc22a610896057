"""The results of an evaluation as sections of text and tables, for `results.json`, `docs/results-*.md` and the report.
Every number is computed from the rows of the pieces."""

from __future__ import annotations

from .additions import additions_section
from .claims import claims
from .control import control_section
from .coverage import coverage_section
from .crop_details import crop_details
from .crops import crop_sections
from .forecasts import band_section, lead_section, missing_section, ndvi_section, year_section
from .results_table import ResultsTable
from .sections import TextSection
from .takeaways import takeaways
from .weather import weather_section


def all_sections(results: ResultsTable) -> list[TextSection]:
    """All sections that have rows: what to take away, crop maps, forecasts."""
    forecasts = (
        claims, lead_section, ndvi_section, band_section, year_section, additions_section, weather_section,
        coverage_section, control_section, missing_section,
    )  # fmt: skip
    sections = [
        takeaways(results),
        *crop_sections(results),
        crop_details(results),
        *(build(results) for build in forecasts),
    ]
    return [section for section in sections if section is not None]
