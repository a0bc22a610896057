"""Compare the scenes of a build with what the satellites must have acquired over its region."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date

from mmvsf.datasets.cube.calendar import date_of, day_number
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.region import Period, Region
from mmvsf.pipeline.layers.imagery.expected import acquisitions_of_a_tile, compare, listed
from mmvsf.pipeline.layers.imagery.missing import Acquisitions, NoSceneError
from mmvsf.pipeline.layers.source import ImagerySource
from mmvsf.pipeline.raster.scene import Scene


def acquisitions(region: Region, scenes: Iterable[Scene], source: ImagerySource) -> Acquisitions:
    """What the source lists of the region's products in its period, and what it lacks, as of today. Nothing is expected
    of a simulated archive, which has all that was simulated."""
    if region.simulate is not None:
        return Acquisitions(0, 0)
    days = _days(region.period)
    answer = compare(map(listed, scenes), region.imagery.products, days, date.today())
    notes = (source.known_gap(gap.product, date_of(gap.run.days[-1])) for gap in answer.gaps)
    return replace(answer, notes=tuple(dict.fromkeys(filter(None, notes))))


def refuse_absent(answer: Acquisitions) -> None:
    """Raise InputError where nothing is listed of a product that satellites acquired all through the period."""
    if answer.absent:
        raise InputError(
            f"{answer}; take another imagery.catalog, or leave {', '.join(answer.absent)} out of imagery.products"
        )


def with_expected(error: InputError, region: Region, source: ImagerySource) -> InputError:
    """The error of a plan; where the source lists no scene at all, with what the satellites must have acquired."""
    if not isinstance(error, NoSceneError):
        return error
    texts = [str(error)]
    for product in region.imagery.products:
        if days := acquisitions_of_a_tile(product, _days(region.period), date.today()):
            texts.append(
                f"satellites acquired about {len(days)} scenes of {product} over any place in that period, so if the"
                " recipe is right the catalogue lacks them: take another imagery.catalog"
            )
            texts.append(source.known_gap(product, date_of(days[-1])))
    return InputError("; ".join(dict.fromkeys(filter(None, texts))))


def _days(period: Period) -> list[int]:
    return [day for first, last in period.runs for day in range(day_number(first), day_number(last) + 1)]
