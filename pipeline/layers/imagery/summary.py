"""The result of a build of the imagery, or of the radar, in numbers."""

from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Summary:
    """What a build made, counted over (day, block) units."""

    stored: int
    skipped_cloudy: int
    failed: int
    not_acquired: int
    failures: tuple[str, ...]
    """one reason a failed unit"""
    radar: "Summary | None" = None
    """of the passes of the radar in all directions, in the summary of a cube with radar"""

    @property
    def complete(self) -> bool:
        """Whether nothing failed, in the radar neither."""
        return not self.failed and (self.radar is None or not self.radar.failed)

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Self:
        """What `asdict` made of a summary. Raises KeyError or TypeError for anything else."""
        radar = cls.parse(values["radar"]) if values["radar"] is not None else None
        return cls(**{**values, "failures": tuple(values["failures"]), "radar": radar})

    @property
    def completeness(self) -> float:
        """Share of the acquired units that could be read."""
        acquired = self.stored + self.skipped_cloudy + self.failed
        return (acquired - self.failed) / acquired if acquired else 0.0
