"""The command that writes a recipe."""

from pathlib import Path
from typing import Annotated

import typer

from mmvsf.datasets.console import RECIPE
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.words import plural

app = typer.Typer()

Years = Annotated[
    str, typer.Option("--years", help="First and last year, such as 2021-2023; the last may be in progress.")
]


@app.command(rich_help_panel=RECIPE)
def new(
    name: Annotated[str, typer.Argument(help="Name of the region: lower-case letters, digits and hyphens.")],
    years: Years,
    bbox: Annotated[
        str | None,
        typer.Option("--bbox", help="The area as west,south,east,north in degrees; west > east across 180 degrees."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="The area as the polygons of a vector file, such as GeoJSON.")
    ] = None,
    fips: Annotated[
        str | None, typer.Option("--fips", help="The area as US states or counties, by FIPS code: 19, or 19169,19153.")
    ] = None,
    months: Annotated[
        str | None,
        typer.Option("--months", show_default="by latitude", help="First and last month of images, such as 4-10."),
    ] = None,
    crs: Annotated[
        str | None,
        typer.Option("--crs", show_default="the UTM zone of the middle", help="A projected CRS, such as EPSG:32615."),
    ] = None,
    title: Annotated[
        str | None, typer.Option("--title", show_default="place and years", help="Title of the cube, one line.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", show_default="NAME.yaml", help="The file to write; it must not exist.")
    ] = None,
) -> None:
    """Write a recipe for an area and years, with public sources that cover it; comments explain each choice."""
    import re

    from mmvsf.datasets.recipe.place import NAME_PATTERN
    from mmvsf.pipeline.inspect.output import check_output
    from mmvsf.pipeline.new_recipe.place import place_of_bbox, place_of_file, place_of_fips
    from mmvsf.pipeline.new_recipe.recipe import new_recipe, write_recipe
    from mmvsf.pipeline.raster.proj_data import refuse_foreign_proj_data

    refuse_foreign_proj_data()
    if not re.match(NAME_PATTERN, name):
        raise InputError(f"a region's name has lower-case letters, digits and hyphens; found '{name}'")
    path = out or Path(f"{name}.yaml")
    check_output(path, "--out", (".yaml", ".yml"))
    if path.exists():
        raise InputError(f"{path} exists and is not overwritten; take another name or --out, or remove it")
    given = {"--bbox": bbox, "--file": file, "--fips": fips}
    if len([value for value in given.values() if value is not None]) != 1:
        raise InputError(f"give the area by one of {', '.join(given)}")
    if bbox is not None:
        place = place_of_bbox(bbox)
    elif fips is not None:
        place = place_of_fips(fips)
    else:
        place = place_of_file(Path(str(file)), path)
    recipe = new_recipe(name, place, years, path, months=months, crs=crs, title=title)
    write_recipe(path, recipe.text)
    typer.echo(f"wrote {path}: {plural(recipe.blocks, 'block')}. Next:")
    typer.echo(f"  mmvsf plan {path}                # blocks on a map, scenes, bytes, time; reads no pixels")
    typer.echo(f"  mmvsf dataset {path} --blocks 2  # two blocks as a trial")
    typer.echo(f"  mmvsf extend {path}              # the rest")
