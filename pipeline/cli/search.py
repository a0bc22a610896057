"""The command that saves the result of a catalogue search."""

from pathlib import Path
from typing import Annotated

import typer

from mmvsf.datasets.console import RECIPE
from mmvsf.datasets.storage.location import local_folder

from .options import DATA_DIR, BlocksOption, DataDir, RegionArgument, SourceOption, status_console
from .progress import reachable, waiting

app = typer.Typer()


@app.command(rich_help_panel=RECIPE)
def search(
    region: RegionArgument,
    out: Annotated[Path, typer.Option("--out", help="File to write, .parquet.")],
    data_dir: DataDir = DATA_DIR,
    source: SourceOption = None,
    blocks: BlocksOption = None,
) -> None:
    """Save the scenes that a catalogue lists for a recipe as stac-geoparquet, for imagery.items in any recipe."""
    from mmvsf.pipeline.build.save_items import save_items
    from mmvsf.pipeline.inspect.output import check_output

    check_output(out, "--out", (".parquet",))
    folder = local_folder(reachable(data_dir))
    with waiting(status_console(False)):
        count = save_items(region, folder, out, source=source, blocks=blocks)
    typer.echo(f"{out}: {count} items")
