"""The results of checking a cube: one `Check` per aspect, together a `CheckReport`."""

from dataclasses import dataclass

from mmvsf.datasets.errors import IncompleteError
from mmvsf.datasets.storage.location import Location


@dataclass(frozen=True)
class Check:
    """The result for one aspect of a cube."""

    name: str
    ok: bool
    detail: str
    """what is wrong, or what was verified"""

    @classmethod
    def of(cls, name: str, problems: list[str], detail: str) -> "Check":
        """Failed with the problems as detail, or passed with `detail` where there are none."""
        return cls(name, not problems, "; ".join(problems) or detail)


@dataclass(frozen=True)
class CheckReport:
    """The results for one cube."""

    cube: Location
    checks: tuple[Check, ...]

    def raise_for_problems(self) -> None:
        """Raise IncompleteError naming every check that failed."""
        failed = [f"{check.name}: {check.detail}" for check in self.checks if not check.ok]
        if failed:
            raise IncompleteError(f"{self.cube} is not sound: {'; '.join(failed)}")
