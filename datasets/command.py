"""The console command `mmvsf`: mounts what each part offers and turns errors into one line."""

import logging
import sys
from importlib.metadata import entry_points, version
from typing import Any

import typer

from .errors import MmvsfError, one_line

ENTRY_POINTS = "mmvsf.commands"

INTERRUPTED = 130

USAGE_ERROR: Any = typer.BadParameter.__mro__[1]
"""What a wrong option raises. Newer releases of typer carry a click of their own and do not export it."""


def build_app() -> typer.Typer:
    """The whole command line. Each entry point of the group `mmvsf.commands` is a Typer app."""
    app = typer.Typer(
        name="mmvsf",
        help="Satellite time series, weather and crop labels as one Zarr cube per region, and MM-VSF, a model"
        " that learns from such cubes.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )

    @app.callback()
    def main_options(
        debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
        _: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Show the version."),
    ) -> None:
        logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, format="%(levelname)s %(message)s")
        logging.getLogger("mmvsf").setLevel(logging.DEBUG if debug else logging.INFO)

    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name, reverse=True):
        app.add_typer(point.load())
    return app


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"mmvsf {version('mmvsf')}")
        raise typer.Exit


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 incomplete or failed, 2 bad input, 130 interrupted."""
    debug = "--debug" in sys.argv[1:]
    try:
        code = build_app()(standalone_mode=False)
    except USAGE_ERROR as error:
        error.show()
        code = error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except _reported() as error:
        if debug:
            raise
        print(f"error: {_message(error)}", file=sys.stderr)
        code = error.exit_code if isinstance(error, MmvsfError) else 1
    if code == INTERRUPTED:
        # typer turns an interrupt into this code and prints nothing.
        print("interrupted; finished work is kept, the same command continues from there", file=sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)


def _reported() -> tuple[type[Exception], ...]:
    """The errors that are reported in one line. Most of GDAL's are no OSError; they need rasterio to be loaded."""
    if "rasterio" not in sys.modules:
        return MmvsfError, OSError
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError

    return MmvsfError, OSError, CPLE_BaseError, RasterioError


def _message(error: Exception) -> str:
    if isinstance(error, MmvsfError):
        return one_line(error, 2000)
    reason, file = one_line(error, 2000), ""
    if isinstance(error, OSError):
        reason, file = error.strerror or reason, f": {error.filename}" if error.filename else ""
    return f"{reason}{file}; finished work is kept, fix this and run the same command again"


if __name__ == "__main__":
    main()
