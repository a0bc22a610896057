"""The errors a user can cause. Each message says what is wrong, where, and what to do next."""


class MmvsfError(Exception):
    """Base of all errors that end a command with one line instead of a traceback."""

    exit_code = 1


class InputError(MmvsfError):
    """Something the user gave (recipe, file, option) cannot be used as it is."""

    exit_code = 2


class IncompleteError(MmvsfError):
    """The work could not be finished; finished work is kept and the next run continues from there."""

    exit_code = 1


def one_line(error: BaseException, limit: int = 300) -> str:
    """The error's message on a single line, shortened to `limit` characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"
