"""The pieces of an evaluation: done once, resumed, removed with the weights that they follow from; and all of it."""

from __future__ import annotations

import json
import multiprocessing
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mmvsf.datasets.cube.cube import Cube
from mmvsf.model.cropmap.head import MappingOptions
from mmvsf.model.evaluation.command import evaluate, evaluation_command
from mmvsf.model.evaluation.core import runner
from mmvsf.model.evaluation.core.estimate import SECONDS, minutes_left, pieces_left
from mmvsf.model.evaluation.core.runner import Chain, Piece, finished_results, run_plan
from mmvsf.model.evaluation.core.settings import FULL, QUICK, CropOptions, EvaluationSettings, HeadOptions
from mmvsf.model.evaluation.forecasts.eval_items import BASELINES
from mmvsf.model.evaluation.plan import Plan
from mmvsf.model.evaluation.results.all import all_sections
from mmvsf.model.evaluation.results.results_table import ResultsTable
from mmvsf.model.mmvsf.checkpoint import WEIGHTS
from mmvsf.model.records import write_record

pytestmark = pytest.mark.slow

CROPS = CropOptions(
    train_windows=4, score_windows=2, images=4, fractions=(1.0, 0.5), dates=("07-01", "season"),
    head=HeadOptions(steps=2), network=MappingOptions(steps=2, images=4), pixels=300,
    convolution=5,
)  # fmt: skip
TINY = EvaluationSettings(
    steps=3, batch_size=2, rates=(1e-3, 2e-3), size=16, images=4, windows=1, pairs=4, gaps=1, tree_rows=300,
    crops=CROPS, years=2, full_years=1, seeds=1,
)  # fmt: skip


@dataclass(frozen=True)
class LoggedPieces:
    """A plan whose pieces note down that they were done."""

    folder: Path
    names: tuple[str, ...]
    steps: int = 1
    failing: str = ""
    keeps: tuple[str, ...] = ()

    def __call__(self) -> LoggedPieces:
        return self

    def stages(self) -> list[list[list[Piece]]]:
        return [[[self.piece(name)] for name in self.names]]

    def piece(self, name: str) -> Piece:
        def work(folder: Path) -> dict[str, object]:
            if name == self.failing:
                raise ValueError("no")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "weights").touch()
            with (self.folder / "done").open("a") as log:
                log.write(f"{name} ")
            return {"rows": [{"n": 1}]}

        return Piece(name, {"steps": self.steps}, work, self.keeps)

    @property
    def done(self) -> list[str]:
        return (self.folder / "done").read_text().split()


@pytest.mark.parametrize("workers", [1, 2])
def test_pieces_are_done_once(tmp_path: Path, workers: int) -> None:
    plan = LoggedPieces(tmp_path, ("a/0", "b/0"))
    with pytest.raises(ValueError):
        run_plan(replace(plan, failing="b/0"), workers=workers)
    assert plan.done == ["a/0"]
    run_plan(plan, workers=workers)
    assert plan.done == ["a/0", "b/0"] and [result["piece"] for result in finished_results(plan)] == plan.done


def test_the_commit_is_that_of_the_program_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that of a repository that it was installed in."""

    def git(*arguments: str) -> None:
        person = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
        subprocess.run(["git", "-C", str(tmp_path), *person, *arguments], check=True, capture_output=True)

    git("init")
    for name in ("mine.py", "ours.py", "ignored.py"):
        (tmp_path / name).touch()
    (tmp_path / ".gitignore").write_text("ignored.py\n")
    git("add", "mine.py")
    git("commit", "-m", "Begin")
    assert re.fullmatch(r"[0-9a-f]{10}", runner.commit_of(tmp_path / "mine.py"))
    assert [runner.commit_of(tmp_path / name) for name in ("ours.py", "ignored.py", "none.py")] == [""] * 3
    (tmp_path / "mine.py").write_text("changed")
    assert runner.commit_of(tmp_path / "mine.py").endswith(", with changes")
    monkeypatch.setattr(runner, "__file__", str(tmp_path / "ours.py"))
    assert "commit" not in runner.program() and runner.program().startswith("mmvsf ")
    monkeypatch.setattr(runner, "__file__", str(tmp_path / "mine.py"))
    assert ", commit " in runner.program()


@dataclass(frozen=True)
class SlowPieces(LoggedPieces):
    """Pieces that take longer than anybody waits, and say when they begin."""

    def piece(self, name: str) -> Piece:
        def work(folder: Path) -> dict[str, object]:
            folder.mkdir(parents=True)
            time.sleep(600)
            return {"rows": []}

        return Piece(name, {}, work)


def test_an_interrupt_does_not_wait_for_the_pieces_that_run(tmp_path: Path) -> None:
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it

    def interrupt() -> None:
        for _ in range(600):
            if (tmp_path / "a/0").is_dir() and (tmp_path / "b/0").is_dir():
                break
            time.sleep(0.1)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    waiting = threading.Thread(target=interrupt)
    waiting.start()
    with pytest.raises(KeyboardInterrupt):
        run_plan(SlowPieces(tmp_path, ("a/0", "b/0", "c/0")), workers=2)
    signal.signal(signal.SIGINT, usual)
    waiting.join()
    assert multiprocessing.active_children() == [] and not (tmp_path / "c").exists()


def test_a_worker_stops_after_its_piece_when_its_parent_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = LoggedPieces(tmp_path, ("a/0",))
    gone = multiprocessing.get_context("spawn").Process(target=int)
    gone.start()
    gone.join()
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: gone)
    run_plan(plan)
    assert finished_results(plan) == []


def test_a_result_with_other_settings_or_without_its_files_does_not_count(tmp_path: Path) -> None:
    plan = LoggedPieces(tmp_path, ("a/0",), keeps=("weights",))
    run_plan(plan, deadline=0)
    assert finished_results(plan) == []
    run_plan(plan)
    assert finished_results(plan) and finished_results(replace(plan, steps=2)) == []
    (tmp_path / "a/0/weights").unlink()
    assert finished_results(plan) == []
    (tmp_path / "a/0.json").write_text("{")
    assert finished_results(replace(plan, keeps=())) == []


def test_the_time_left_is_what_finished_pieces_took(tmp_path: Path) -> None:
    about = {"kind": "pretrain", "method": "mm-vsf", "year": 2020, "seed": 0}
    pieces = [Piece(f"pretrain/{seed}", {}, lambda _: {"rows": []}, about=about) for seed in range(3)]
    plan = ListedPieces(tmp_path, pieces)
    whole = minutes_left([plan], FULL, 1)
    assert whole == pytest.approx(3 * SECONDS["pretrain"] / 60)
    assert minutes_left([plan], replace(FULL, steps=FULL.steps // 2), 2) == pytest.approx(whole / 4)
    assert pieces_left([plan]) == (3, 3)
    write_record(tmp_path / "pretrain/0.json", {}, {"rows": [], "seconds": 30})
    assert pieces_left([plan]) == (2, 3) and minutes_left([plan], FULL, 1) == pytest.approx(1)


@dataclass(frozen=True)
class ListedPieces:
    """A plan of these pieces."""

    folder: Path
    pieces: list[Piece]

    def stages(self) -> list[list[list[Piece]]]:
        return [[[piece] for piece in self.pieces]]


class OneEncoder(Plan):
    """Of a whole plan, all that is evaluated from MM-VSF, and the encoder that is drawn beside it."""

    def stages(self) -> list[list[Chain]]:
        def wanted(name: str) -> bool:
            return name.startswith("picture") or name.endswith(("/mm-vsf/0", "pretrain/2021/sm-vsf/0"))

        return [[chain for chain in stage if wanted(chain[0].name)] for stage in super().stages()]


def test_results_of_older_weights_are_removed(
    grown_cube: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crops = replace(CROPS, fractions=(1.0,), dates=("season",))
    plan = OneEncoder(grown_cube, tmp_path, replace(TINY, rates=(1e-3,), years=1, crops=crops))
    done: list[str] = []
    do = runner._do

    def noted(piece: Piece, folder: Path) -> None:
        done.append(piece.name)
        do(piece, folder)

    def done_now() -> set[str]:
        done.clear()
        run_plan(lambda: plan)
        return set(done)

    monkeypatch.setattr(runner, "_do", noted)
    trained = "pretrain/2021/mm-vsf/0"
    kinds = (
        "forecast/2021",
        "missing/2021",
        "coverage/2021",
        "weather/2021",
        "crops/2021/frozen",
        "crops/2021/finetuned",
    )
    of_mm_vsf = {trained, *(f"{kind}/mm-vsf/0" for kind in kinds), "picture/2021/forecasts"}
    cool = {f"cool/{kind}/mm-vsf/0" for kind in ("pretrain/2021", "2021/frozen", "2021/finetuned")}
    others = {f"{kind}/2021/sm-vsf/0" for kind in ("pretrain", "forecast", "missing", "cool/pretrain")}
    assert done_now() == of_mm_vsf | cool | others
    assert done_now() == set()

    (tmp_path / "cool/pretrain/2021/mm-vsf/0" / WEIGHTS).unlink()
    assert done_now() == cool

    (tmp_path / trained / WEIGHTS).unlink()
    assert done_now() == of_mm_vsf

    # Trained with other settings and stopped then: nothing of before is taken for what these weights give.
    longer = replace(plan, settings=replace(plan.settings, steps=plan.settings.steps + 1))
    training = next(chain[0] for stage in longer.stages() for chain in stage if chain[0].name == trained)
    do(training, tmp_path)
    assert not of_mm_vsf & {result["piece"] for result in finished_results(plan)}


def test_the_whole_evaluation_on_a_small_cube(
    grown_cube: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong_modes: Callable[[Path], dict[str, str]]
) -> None:
    document = tmp_path / "docs/results.md"
    sections = evaluate(grown_cube, tmp_path / "run", TINY, control=grown_cube, document=document, workers=1)
    titles = [section.title for section in sections]
    assert wrong_modes(tmp_path) == {}
    assert titles[0] == "What to take away" and titles[1].startswith("Crop maps (a)")
    assert {"Does MM-VSF forecast better?", "What our additions are worth", "The control", "What it cost"} < set(titles)
    assert all(section.tables for section in sections if section.title.startswith("Crop maps"))
    text = document.read_text()
    for name in (
        *BASELINES,
        "SM-VSF",
        "MM-VSF",
        "KG-VSF",
        "ConvLSTM",
        "Contextformer",
        "the paper's network",
        "SM-MAE",
        "MM-MAE",
        "1-D convolution",
    ):
        assert name in text, name
    assert "nan" not in text.lower()
    results = json.loads((tmp_path / "run/results.json").read_text())
    assert [section["title"] for section in results["sections"]] == titles
    assert results["pictures"] == ["curves.png", "forecasts.png"]
    assert all((tmp_path / "run" / name).stat().st_size > 10_000 for name in results["pictures"])

    def nothing_is_left(*_: object, **__: object) -> None:
        raise AssertionError("done twice")

    work: Callable[..., None] = nothing_is_left
    monkeypatch.setattr("mmvsf.model.evaluation.core.runner._do", work)
    again = evaluate(grown_cube, tmp_path / "run", TINY, control=grown_cube, workers=1)
    assert [section.tables for section in again[:-2]] == [section.tables for section in sections[:-2]]


def test_the_results_name_the_command_that_gives_them(grown_cube: Cube) -> None:
    cubes, single = [grown_cube], replace(FULL, years=1, full_years=1)
    commands = [evaluation_command(cubes, settings) for settings in (FULL, QUICK, single, replace(QUICK, years=3))]
    assert commands == [f"mmvsf evaluate grown{more}" for more in ("", " --quick", " --years 1", " --quick --years 3")]


def test_without_results_there_are_no_sections() -> None:
    assert all_sections(ResultsTable([])) == []
