"""The console that commands print to."""

from rich.console import Console


def plain_console(*, stderr: bool = False) -> Console:
    """A console that shows text as it is: brackets and colons in a title or a path are no markup and no emoji."""
    return Console(stderr=stderr, markup=False, emoji=False)
