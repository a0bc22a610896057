"""The console command `mmvsf`: mounts what each part offers and turns errors into one line."""

import gc
import logging
import signal
import sys
import traceback
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import typer
import typer.core

from .console import HEADINGS
from .errors import InputError, MmvsfError, one_line
from .extras import install_hint, missing_extra

ENTRY_POINTS = "mmvsf.commands"

INTERRUPTED, TERMINATED = 130, 143

FIRST_DAY = """\
Satellite time series, weather and crop labels as one Zarr cube per region,
and MM-VSF, a model that learns from such cubes.

To begin with; no account or network is needed:
  mmvsf doctor             check this machine
  mmvsf dataset sandbox    build the cube of a simulated region
  mmvsf pretrain sandbox   train the model on it: forecast images from weather
  mmvsf cropmap sandbox    map its crops
  mmvsf report sandbox     write a page about the cube and the results

Your own area: mmvsf new NAME --bbox WEST,SOUTH,EAST,NORTH --years 2021-2023
All commands:  mmvsf --help"""
"""What `mmvsf` prints by itself."""

USAGE_ERROR: Any = typer.BadParameter.__mro__[1]
"""What a wrong option raises. Newer releases of typer carry a click of their own and do not export it."""


def build_app() -> typer.Typer:
    """The whole command line. Each entry point of the group `mmvsf.commands` is a Typer app."""
    app = typer.Typer(
        name="mmvsf",
        cls=_Commands,
        help="Satellite time series, weather and crop labels as one Zarr cube per region, and MM-VSF, a model"
        " that learns from such cubes.",
        invoke_without_command=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )

    @app.callback()
    def main_options(
        context: typer.Context,
        debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
        _: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Show the version."),
    ) -> None:
        logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, format="%(levelname)s %(message)s")
        logging.getLogger("mmvsf").setLevel(logging.DEBUG if debug else logging.INFO)
        if context.invoked_subcommand is None:
            typer.echo(FIRST_DAY)

    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name, reverse=True):
        app.add_typer(point.load())
    return app


def _show_version(requested: bool) -> None:
    if requested:
        typer.echo(f"mmvsf {version('mmvsf')}")
        raise typer.Exit


COLLECT = 100_000, 20, 100
"""Objects after which Python looks for unreachable ones, and how often among the older ones. With the default of 700 a
tenth of a command's start is spent on that, though all that it loads stays."""


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 incomplete or failed, 2 bad input, 130 interrupted, 143 ended by SIGTERM."""
    debug = "--debug" in sys.argv[1:]
    gc.set_threshold(*COLLECT)
    ended = _Ended()
    handler = signal.signal(signal.SIGTERM, ended)
    try:
        code = build_app()(standalone_mode=False)
    except USAGE_ERROR as error:
        error.show()
        code = error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except SystemExit as exit_:
        code = exit_.code
    except BaseException as error:
        if debug:
            raise
        lines, code = _report(error.__cause__ if isinstance(error, _UnforeseenError) and error.__cause__ else error)
        for line in lines:
            print(f"error: {line}", file=sys.stderr)
    finally:
        signal.signal(signal.SIGTERM, handler)
    if code == INTERRUPTED:
        # typer turns an interrupt into this code and prints nothing.
        print("interrupted; finished work is kept, run the same command again to continue", file=sys.stderr)
        code = TERMINATED if ended.received else INTERRUPTED
    sys.exit(code if isinstance(code, int) else 0)


class _Ended:
    """Ends by SIGTERM as by Ctrl-C: locks are released, and what is finished is kept."""

    received = False

    def __call__(self, number: int, frame: object) -> None:
        self.received = True
        raise KeyboardInterrupt


class _UnforeseenError(Exception):
    """An error that typer would take for the end of its input or output."""


class _Commands(typer.core.TyperGroup):
    """The commands. Nothing here asks questions, so an EOFError is a file that ends too early and no Ctrl-D; and a
    broken pipe is only then the end of a reader such as `head` if it is that of this process's own output."""

    def list_commands(self, ctx: Any) -> list[str]:
        """By heading; those of other packages last."""
        headings = {name: getattr(command, "rich_help_panel", None) for name, command in self.commands.items()}
        return sorted(
            headings, key=lambda name: HEADINGS.index(headings[name]) if headings[name] in HEADINGS else len(HEADINGS)
        )

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except EOFError as error:
            raise _UnforeseenError from error
        except BrokenPipeError as error:
            try:
                sys.stdout.flush()
            except BrokenPipeError:
                raise error from None
            raise _UnforeseenError from error


def _report(error: BaseException) -> tuple[tuple[str, ...], int]:
    """(what is printed of an error, exit code)."""
    if isinstance(error, MmvsfError):
        return error.lines, error.exit_code
    if isinstance(error, _reported()):
        return (_message(error),), 1
    if isinstance(error, ModuleNotFoundError) and missing_extra(error) is not None:
        return (install_hint(error),), InputError.exit_code
    if isinstance(error, MemoryError):
        return ("memory ran out; finished work is kept, run the same command with fewer --workers",), 1
    return (_bug(error),), 1


def _reported() -> tuple[type[Exception], ...]:
    """The errors that are reported in one line. Most of GDAL's are no OSError; they need rasterio to be loaded."""
    if "rasterio" not in sys.modules:
        return MmvsfError, OSError
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError

    return MmvsfError, OSError, CPLE_BaseError, RasterioError


def _message(error: BaseException) -> str:
    reason, file = one_line(error, 2000), ""
    if isinstance(error, OSError):
        reason, file = error.strerror or reason, f": {error.filename}" if error.filename else ""
    return f"{reason}{file}; finished work is kept, fix this and run the same command again"


def _bug(error: BaseException) -> str:
    """One line for an error that nothing in the program expects: what it is, what was running, how to report it."""
    frames = [
        (frame.f_code, line, str(frame.f_globals.get("__name__")))
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    ours = [(code, line) for code, line, module in frames if module.startswith("mmvsf.") and module != __name__]
    code, line = (ours or [(code, line) for code, line, _ in frames])[-1]
    names = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    command = f"mmvsf {names[0]}" if names else "mmvsf"
    return (
        f"{command} failed with an unexpected error, in {code.co_name} ({Path(code.co_filename).name}, line"
        f" {line}): {type(error).__name__}: {one_line(error)}."
        f" Finished work is kept. This is a bug: please report it with the traceback, which is shown"
        f" by `mmvsf --debug {' '.join(command.split()[1:]) or '...'} ...`"
    )


if __name__ == "__main__":
    main()
