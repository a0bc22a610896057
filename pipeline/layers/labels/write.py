"""Read and write the labels of one block and year, then its ledger entry."""

import numpy as np

from mmvsf.datasets.cube.grid import BlockIndex
from mmvsf.datasets.storage.store import finish_writes, open_pixels
from mmvsf.pipeline.layers.labels.resample import BlockLabels, LabelTask, read_labels
from mmvsf.pipeline.layers.task import BuildContext, TaskReport, failed
from mmvsf.pipeline.ledger import Ledger
from mmvsf.pipeline.raster.io import ReadError, gdal_environment


def label_entry_name(year: int, block: BlockIndex) -> str:
    return f"labels/{year}/{block[0]}-{block[1]}"


def run_label_task(task: LabelTask, context: BuildContext) -> TaskReport:
    """Read and write the labels of one block and year; what cannot be read is recorded as failed. Raises InputError."""
    if context.labels is None:
        raise ValueError("a label task needs a label source")
    name = label_entry_name(task.year, task.block)
    rows, columns = context.grid.block_slices(task.block)
    try:
        with gdal_environment():
            labels = read_labels(
                task, context.grid, context.labels, context.label_method, context.label_codes, context.label_groups
            )
    except ReadError as error:
        return failed(context, name, task.digest, f"{error} ({task.year}, block {task.block[0]},{task.block[1]})")
    year = context.label_years.index(task.year)
    names = BlockLabels._fields if context.label_confidence else ("crop", "purity")
    writes = [
        open_pixels(context.cube, f"labels/{name}", write=True)[year, rows, columns].write(getattr(labels, name))
        for name in names
    ]
    finish_writes(writes, context.cube)
    known = {str(code): int(count) for code, count in zip(*np.unique(labels.crop, return_counts=True), strict=True)}
    Ledger.of_cube(context.cube).write(name, {"digest": task.digest, "counts": known})
    return TaskReport(1, 0, ())
