"""What a build of the imagery made, in numbers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """What a build made, counted over (day, block) units."""

    stored: int
    skipped_cloudy: int
    failed: int
    not_acquired: int
    failures: tuple[str, ...]
    """one reason a failed unit"""

    @property
    def completeness(self) -> float:
        """Share of the acquired units that could be read."""
        acquired = self.stored + self.skipped_cloudy + self.failed
        return (acquired - self.failed) / acquired if acquired else 0.0
