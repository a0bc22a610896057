"""Read and write the static layers of one block, then its ledger entry."""

import numpy as np

from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.storage.store import finish_writes, open_pixels
from mmvsf.pipeline.layers.static.resample import StaticTask, read_static
from mmvsf.pipeline.layers.task import BuildContext, TaskReport, failed
from mmvsf.pipeline.ledger import Ledger
from mmvsf.pipeline.raster.io import ReadError, gdal_environment


def static_entry_name(block: BlockIndex) -> str:
    return f"static/{block[0]}-{block[1]}"


def run_static_task(task: StaticTask, context: BuildContext) -> TaskReport:
    """Read and write the static layers of one block; what cannot be read is recorded as failed."""
    if context.static is None:
        raise ValueError("a static task needs a source of static layers")
    name = static_entry_name(task.block)
    try:
        with gdal_environment():
            layers = read_static(task, context.grid, context.static, context.static_layers)
    except ReadError as error:
        return failed(context, name, task.digest, f"{error} (block {task.block[0]},{task.block[1]})")
    place = context.grid.block_slices(task.block)
    writes = [
        open_pixels(context.cube, f"static/{name}", write=True)[place].write(values) for name, values in layers.items()
    ]
    finish_writes(writes, context.cube)
    known = {name: int(np.isfinite(values).sum()) for name, values in layers.items()}
    Ledger.of_cube(context.cube).write(name, {"digest": task.digest, "known": known})
    return TaskReport(1, 0, ())
