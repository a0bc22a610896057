"""How the console command ends: its exit code and its one line on stderr."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE

import pytest
import typer

from mmvsf.datasets import command
from mmvsf.datasets.errors import IncompleteError, InputError, RecipeError

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit code and stderr of a command that raises an error."""

    def run(error: BaseException, *options: str) -> tuple[int, str]:
        app = typer.Typer(cls=command._Commands)
        app.callback()(lambda: None)

        @app.command()
        def fail(debug: bool = typer.Option(False, "--debug")) -> None:
            raise error

        monkeypatch.setattr(command, "build_app", lambda: app)
        monkeypatch.setattr(sys, "argv", ["mmvsf", "fail", *options])
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
        assert "in fail (test_command.py, line" in text and f": {type(error).__name__}: " in text
        assert "bug" in text and "report it" in text and "mmvsf --debug" in text


def test_what_no_class_of_errors_foresees_is_one_line(run: Run) -> None:
    """Neither the end of a file nor a panic in a library of Rust is an interruption."""

    class PanicException(BaseException):
        """As pyo3 raises it."""

    for error in (EOFError("file ends"), PanicException("index out of bounds"), BrokenPipeError(32, "Broken pipe")):
        code, text = run(error)
        assert code == 1 and text.count("\n") == 1 and str(error).split("]")[-1].strip() in text
        assert "interrupted" not in text
    code, text = run(MemoryError())
    assert code == 1 and "--workers" in text


def test_an_interruption_is_no_error(run: Run) -> None:
    code, text = run(KeyboardInterrupt())
    assert code == 130 and text.startswith("interrupted; finished work is kept")


def test_every_problem_of_a_recipe_has_its_line(run: Run) -> None:
    code, text = run(RecipeError("x.yaml", ["grid.blocks: unknown key", "title: missing; add it"]))
    assert code == 2 and text == "error: x.yaml: grid.blocks: unknown key\nerror: x.yaml: title: missing; add it\n"
    code, text = run(RecipeError("x.yaml", [f"key{number}: unknown" for number in range(1000)]))
    assert text.count("\n") == 41 and text.endswith("error: x.yaml: and 960 more\n")
    error = copy.copy(RecipeError("x.yaml", ["a", "b"]))  # as a worker's error is, by its arguments
    assert str(error) == "x.yaml: a; b" and error.lines == ("x.yaml: a", "x.yaml: b")


def test_control_characters_do_not_reach_the_terminal(run: Run) -> None:
    assert "\x1b" not in run(InputError("\x1b[2J\x1b[31mnothing is wrong"))[1]


@pytest.mark.slow
def test_sigterm_is_an_interruption(tmp_path: Path) -> None:
    """A process of its own, in the middle of its work."""
    code = (
        "import sys, time; from mmvsf.datasets import command; import typer; app = typer.Typer()\n"
        "@app.command()\ndef wait():\n    print('begun', flush=True); time.sleep(60)\n"
        "command.build_app = lambda: app; sys.argv = ['mmvsf']; command.main()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=PIPE, stderr=PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        process.terminate()
        _, text = process.communicate(timeout=30)
    assert process.returncode == 143 and text.startswith("interrupted; finished work is kept")


def test_debug_shows_the_traceback(run: Run) -> None:
    for error in (ZeroDivisionError(), InputError("no such key")):
        with pytest.raises(type(error)):
            run(error, "--debug")
