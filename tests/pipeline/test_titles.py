"""A title, a description or a class of any text is shown as that text: in tables, cards, pages and metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from mmvsf.datasets.sidecars.card import markdown, write_card

from .conftest import Command, Outcome
from .tiny_archive import TinyArchive

TITLE = "[red]a[/] [/x] :smile: <b>b</b> a|b `c` [d](e) \\ \"f\" 'g' & {h} {{ i }} %s"


@pytest.fixture(scope="module")
def titled(tmp_path_factory: pytest.TempPathFactory) -> TinyArchive:
    archive = TinyArchive(tmp_path_factory.mktemp("titled")).write()
    (archive.root / "labels/legend.csv").write_text(
        'code,name,color\n1,"<script>alert(1)</script>|x",#ffd300\n5,"[bold]soy",#267000\n36,a,\n111,b,\n'
    )
    archive.write_recipe(title=TITLE, description="# not a heading\n<img src=x>\n| no | table |", attribution="[a](b)")
    return archive


@pytest.mark.slow
def test_text_is_shown_as_it_is(titled: TinyArchive, mmvsf: Command, tmp_path: Path) -> None:
    def run(*arguments: object) -> Outcome:
        outcome = mmvsf(*arguments)
        assert outcome.code == 0, outcome.err
        return outcome

    data = ("--data-dir", titled.data)
    run("dataset", titled.recipe, *data, "--workers", 1)
    run("plan", titled.recipe, *data, "--html", tmp_path / "plan.html")
    shown = run("summary", "tiny", *data, "--runs-dir", tmp_path).out
    run("report", "tiny", *data, "--runs-dir", tmp_path)
    run("publish", "tiny", *data)
    assert "file" in shown
    for page in (tmp_path / "plan.html", tmp_path / "tiny/report.html"):
        text = page.read_text()
        assert "<b>b</b>" not in text and "<script>alert" not in text and "&lt;b&gt;b&lt;/b&gt;" in text
    card = (titled.data / "tiny.DATASET_CARD.md").read_text()
    front, body = card.split("---\n", 2)[1:]
    assert yaml.safe_load(front)["pretty_name"] == TITLE
    assert "<script>" not in body and "<img" not in body and "\n# not a heading" not in body
    table = [line for line in body.splitlines() if line.startswith("| 1 |")]
    assert len(table) == 1 and table[0].replace("\\|", "").count("|") == 4
    root: dict[str, Any] = json.loads((titled.cube / "zarr.json").read_text())
    assert root["attributes"]["title"] == TITLE


def test_brackets_reach_the_terminal(titled: TinyArchive, mmvsf: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    outcome = mmvsf("plan", titled.recipe, "--data-dir", titled.data)
    assert outcome.code == 0 and "[red]a[/] [/x] :smile:" in outcome.out


def test_markdown_of_a_value() -> None:
    assert markdown("a|b\n<c> [d] `e`") == "a\\|b &lt;c> \\[d] \\`e\\`"
    assert markdown("# a") == "\\# a" and markdown(3) == 3


def test_a_card_keeps_what_its_template_writes(tmp_path: Path) -> None:
    (tmp_path / "card.md").write_text('# {{ title }}\n\n| a |\n|---|\n| {{ cells | join(" | ") | safe }} |\n')
    path = write_card(tmp_path / "out.md", tmp_path / "card.md", {}, {"title": "a | b", "cells": ["1", "2"]})
    assert path.read_text().endswith("# a \\| b\n\n| a |\n|---|\n| 1 | 2 |\n")
