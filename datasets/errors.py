"""The errors a user can cause. Each message says what is wrong, where, and what to do next."""

from collections.abc import Sequence

MOST_LINES = 40
"""Problems of one recipe that are reported."""


class MmvsfError(Exception):
    """Base of all errors that end a command with one line instead of a traceback."""

    exit_code = 1

    @property
    def lines(self) -> tuple[str, ...]:
        """What a command prints: one line for each thing that is wrong."""
        return (one_line(self, 2000),)


class InputError(MmvsfError):
    """Something the user gave (recipe, file, option) cannot be used as it is."""

    exit_code = 2


class RecipeError(InputError):
    """All that is wrong in one recipe; each problem is a line of its own."""

    def __init__(self, recipe: str, problems: Sequence[str]) -> None:
        super().__init__(recipe, tuple(problems))
        self.recipe, self.problems = recipe, tuple(problems)

    def __str__(self) -> str:
        return f"{self.recipe}: {'; '.join(self.problems)}"

    @property
    def lines(self) -> tuple[str, ...]:
        """See `MmvsfError`."""
        shown = [one_line(InputError(f"{self.recipe}: {problem}"), 1000) for problem in self.problems[:MOST_LINES]]
        if more := len(self.problems) - MOST_LINES:
            shown += [f"{self.recipe}: and {more} more"] if more > 0 else []
        return tuple(shown)


class IncompleteError(MmvsfError):
    """The work could not be finished; finished work is kept and the next run continues from there."""

    exit_code = 1


def one_line(error: BaseException, limit: int = 300) -> str:
    """The error's message on a single line of printable characters, shortened to `limit` of them."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text[: 2 * limit])
    return text if len(text) <= limit else text[: limit - 1] + "…"
