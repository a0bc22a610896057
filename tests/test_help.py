"""The help of every command shows every word that its source has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.main import get_command

from mmvsf.datasets.command import FIRST_DAY, build_app
from mmvsf.datasets.console import HEADINGS

COMMANDS: dict[str, Any] = {"": get_command(build_app()), **get_command(build_app()).commands}  # type: ignore[attr-defined]


def texts(command: Any) -> Iterator[str]:
    """Everything that the source of a command says in its help."""
    yield command.help or ""
    for parameter in command.params:
        yield getattr(parameter, "help", "") or ""
        if isinstance(getattr(parameter, "show_default", None), str):
            yield parameter.show_default


def words(text: str) -> list[str]:
    """Without the frames and colours of a terminal, and without the commas and brackets that stand around words."""
    plain = re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]", " ", text)
    return re.findall(r"[^\s()\[\],;:.`]+", plain)


@pytest.mark.parametrize("name", COMMANDS)
def test_no_word_of_the_help_is_lost(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Square brackets are markup to the renderer: `[default: the first]` in a help text is shown as nothing."""
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 300)
    with pytest.raises((typer.Exit, SystemExit)):
        COMMANDS[name].main(args=["--help"], prog_name="mmvsf", standalone_mode=True)
    shown = words(capsys.readouterr().out)
    lost = [word for text in texts(COMMANDS[name]) for word in words(text) if word not in shown]
    assert not lost


def test_a_default_in_brackets_would_be_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    """The test above can fail."""
    app = typer.Typer(rich_markup_mode="rich")

    @app.command()
    def command(block: str = typer.Option("", help="Block as ROW,COLUMN [default: the first].")) -> None: ...

    with pytest.raises(SystemExit):
        get_command(app).main(args=["--help"], prog_name="mmvsf")
    assert "first" not in words(capsys.readouterr().out)


def test_every_command_has_a_heading() -> None:
    headings = {name: getattr(command, "rich_help_panel", None) for name, command in COMMANDS.items() if name}
    assert not {name for name, heading in headings.items() if heading not in HEADINGS}
    order = [HEADINGS.index(headings[name]) for name in COMMANDS[""].list_commands(None)]
    assert order == sorted(order)


def test_the_command_alone_names_those_of_a_first_day(capsys: pytest.CaptureFixture[str]) -> None:
    COMMANDS[""].main(args=[], prog_name="mmvsf", standalone_mode=False)
    shown = capsys.readouterr().out
    assert shown.strip() == FIRST_DAY
    assert set(re.findall(r"mmvsf ([a-z]+)", shown)) <= COMMANDS.keys()
    assert max(map(len, shown.splitlines())) <= 80
