"""What an evaluation found, as sections of text and tables: one form for `results.json`, `docs/results.md` and the
report. No number stands here that was not computed from the rows of the pieces."""

from __future__ import annotations

from .claims import claims
from .control import of_control
from .crops import crop_section
from .findings import Findings
from .forecasts import by_band, by_lead, by_year, of_missing, of_ndvi
from .sections import Section
from .weather import of_weather


def sections_of(found: Findings) -> list[Section]:
    """All sections that there are rows for."""
    forecasts = [make(found) for make in (claims, by_lead, of_ndvi, by_band, by_year, of_weather, of_control)]
    sections = [*forecasts, of_missing(found), crop_section(found.rows, found.few, found.classes)]
    return [section for section in sections if section is not None]
