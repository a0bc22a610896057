"""The console that commands print to, and the headings of `mmvsf --help`."""

from rich.console import Console

RECIPE = "A recipe for a place and years"
BUILD = "A cube from a recipe"
LOOK = "Look at a cube, share it"
MODEL = "Train the model and apply it"
JUDGE = "Judge the model"
INSTALLATION = "This installation"
HEADINGS = RECIPE, BUILD, LOOK, MODEL, JUDGE, INSTALLATION
"""In the order in which `mmvsf --help` shows them."""


def plain_console(*, stderr: bool = False) -> Console:
    """A console that prints text unchanged: brackets and colons in a title or a path are not markup or emoji."""
    return Console(stderr=stderr, markup=False, emoji=False)
