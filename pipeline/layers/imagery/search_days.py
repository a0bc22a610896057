"""The days of a search for scenes."""

from datetime import date, timedelta
from itertools import groupby

from mmvsf.datasets.recipe.region import Period


def search_spans(period: Period) -> list[tuple[date, date]]:
    """The runs of UTC days in which scenes of a period may have been acquired: (first, last), both included.

    A period holds solar days at the scene, which differ from UTC days by one at most; so a run begins a day before the
    days that it is for, and ends a day after them.
    """
    day = timedelta(days=1)
    days = (period.start + number * day for number in range((period.end - period.start).days + 1))
    runs = [list(run) for held, run in groupby(days, key=period.contains) if held]
    return [(run[0] - day, run[-1] + day) for run in runs]
