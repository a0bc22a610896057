"""The tables that `mmvsf answer` prints."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from mmvsf.datasets.console import plain_console
from mmvsf.datasets.words import plural

from .run import ALL, COMPARED, Answers

_SHOWN = ("slope", "agreement", "direction", "size", "timing", "false answer")


def show_answers(answers: Answers, path: Path) -> None:
    """Scores of every forecaster, by scenario, and whether two of them differ; the last lines of the command."""
    console = plain_console()
    kind = "against the simulator" if answers.simulated else "matched pairs of seasons"
    table = Table(
        "forecaster", *_SHOWN, "p, slope 0", "p, slope 1", "RMSE", "CRPS", title=f"answers to weather, {kind}"
    )
    for name in answers.sums:
        scores, p, usual = answers.scores(name), answers.p_values(name), answers.forecast_error(name)
        cells = [scores[score].text() for score in _SHOWN]
        table.add_row(
            name, *cells, *(f"{value:.4f}" for value in p.values()), *(usual[e].text(3) for e in ("rmse", "crps"))
        )
    console.print(table)
    if len(answers.scenarios) > 1:
        table = Table("slope", *answers.scenarios, title="by scenario")
        for name in answers.sums:
            table.add_row(name, *(answers.scores(name, each)["slope"].text() for each in answers.scenarios))
        console.print(table)
    if len(answers.sums) > 1:
        table = Table("p that two are alike", *COMPARED)
        for (a, b), values in answers.differences().items():
            table.add_row(f"{a} / {b}", *(f"{values[score]:.4f}" for score in COMPARED))
        console.print(table)
    pairs, places = f"{plural(answers.blocks, 'pair')} of a place and a year", plural(answers.blocks, "place")
    count = pairs if answers.simulated else places
    console.print(f"{count}; {ALL} taken together\nscores  {path}", soft_wrap=True)
