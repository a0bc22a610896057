"""The estimates of `cost`, for a terminal."""

from rich.table import Column, Table

from mmvsf.datasets.words import plural
from mmvsf.pipeline.disk_space import megabytes

from .cost import Cost

COLUMNS = ("blocks", "km²", "units", "requests", "download", "on disk", "hours")


def cost_table(costs: dict[str, Cost], workers: int, mbit: float) -> Table:
    """One row per cube, and one for all of them."""
    table = Table(Column("cube", no_wrap=True), *(Column(name, justify="right") for name in COLUMNS))
    for name, cost in costs.items():
        table.add_row(name, *_cells(cost))
    if len(costs) > 1:
        total = sum(costs.values(), Cost(0, 0, 0, 0, 0, 0, 0))
        table.add_section()
        table.add_row(plural(len(costs), "cube"), *_cells(total))
    pace = f"with {plural(workers, 'worker')} and {mbit:g} Mbit/s"
    table.caption = f"estimated by a model (pipeline/estimate/cost.py) {pace};\na unit is one block on one day"
    return table


def _cells(cost: Cost) -> tuple[str, ...]:
    counts = (cost.blocks, cost.square_kilometres, cost.units, cost.requests)
    sizes = (megabytes(cost.download_bytes), megabytes(cost.disk_bytes))
    return (*map(_short, counts), *sizes, f"{cost.seconds / 3600:,.1f}")


def _short(count: float) -> str:
    """A count as text: whole below ten thousand, then in thousands (k) or millions (M)."""
    if count < 1e4:
        return f"{count:,.0f}"
    return f"{count / 1e3:,.0f} k" if count < 1e6 else f"{count / 1e6:,.1f} M"
