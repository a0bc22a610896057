"""How the console command ends: its exit code and its one line on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
import typer

from mmvsf.datasets import command
from mmvsf.datasets.errors import IncompleteError, InputError

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit code and stderr of a command that raises an error."""

    def run(error: Exception, *options: str) -> tuple[int, str]:
        app = typer.Typer()

        @app.command()
        def fail(debug: bool = typer.Option(False, "--debug")) -> None:
            raise error

        monkeypatch.setattr(command, "build_app", lambda: app)
        monkeypatch.setattr(sys, "argv", ["mmvsf", *options])
        with pytest.raises(SystemExit) as ended:
            command.main()
        assert isinstance(ended.value.code, int)
        return ended.value.code, capsys.readouterr().err

    return run


def test_an_expected_error_is_its_message(run: Run) -> None:
    assert run(InputError("x.yaml: no such\nkey")) == (2, "error: x.yaml: no such key\n")
    assert run(IncompleteError("half built")) == (1, "error: half built\n")
    code, text = run(OSError(28, "No space left on device", "/cube"))
    assert code == 1 and text.startswith("error: No space left on device: /cube;")


def test_an_unexpected_error_is_called_a_bug(run: Run) -> None:
    for error in (ZeroDivisionError("division by zero"), KeyError("tmin"), RecursionError(), ValueError("a\nb")):
        code, text = run(error)
        assert code == 1 and text.count("\n") == 1
        assert text.startswith(f"error: {type(error).__name__}: ")
        assert "test_command.py, line" in text and "bug" in text and "mmvsf --debug" in text


def test_debug_shows_the_traceback(run: Run) -> None:
    for error in (ZeroDivisionError(), InputError("no such key")):
        with pytest.raises(type(error)):
            run(error, "--debug")
