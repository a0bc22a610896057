"""What the README and the pages in docs name exists: links, paths, commands, options, functions, variables."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree

import pytest
from pydantic import BaseModel
from typer.main import get_command

import mmvsf
from mmvsf.datasets.command import build_app
from mmvsf.datasets.recipe.region import Region
from mmvsf.datasets.variables import WEATHER_BY_NAME
from mmvsf.pipeline.layers.registry import TABLES
from mmvsf.pipeline.sources import gridmet
from mmvsf.pipeline.sources.earthengine.weather_collections import COLLECTIONS
from mmvsf.pipeline.sources.meteostat import weather as meteostat
from mmvsf.pipeline.sources.reanalysis import agera5, era5_land, power
from mmvsf.pipeline.sources.transport.endpoints import ENDPOINTS

from .test_architecture import LEVELS

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
TEXTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in PAGES}
COMMANDS: dict[str, Any] = get_command(build_app()).commands  # type: ignore[attr-defined]
OPTIONS = {
    name: {text for parameter in command.params for text in (*parameter.opts, *parameter.secondary_opts)}
    for name, command in COMMANDS.items()
}
OTHER_OPTIONS = {"--debug", "--help", "--version"}


def code_of(text: str) -> Iterator[str]:
    """The code in a page: spans between backticks, and the lines of its blocks, fenced or indented."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"`([^`\n]+)`", prose)
    yield from re.findall(r"^    +(\S.*)$", prose, re.MULTILINE)
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from block.splitlines()


def anchors(text: str) -> set[str]:
    """The anchors that a page's headings have on a forge."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_all_code_compiles() -> None:
    for page, text in TEXTS.items():
        for code in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            compile(textwrap.dedent(code), page, "exec")


def test_links_lead_somewhere() -> None:
    wrong = []
    for page, text in TEXTS.items():
        links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'src="([^"]+)"', text)
        for link in links:
            path, _, anchor = link.partition("#")
            if re.match(r"[a-z]+://", link):
                continue
            target = (ROOT / page).parent / path if path else ROOT / page
            if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
                wrong.append(f"{page}: {link}")
    assert not wrong


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, left = set[str](), ["README.md"]
    while left:
        page = left.pop()
        reached.add(page)
        links = {(Path(page).parent / link).as_posix() for link in re.findall(r"\]\(([\w/-]+\.md)", TEXTS[page])}
        left += links & set(TEXTS) - reached
    assert reached == set(TEXTS)


def test_paths_of_the_repository_exist() -> None:
    wrong = [
        f"{page}: {path}"
        for page, text in TEXTS.items()
        for path in re.findall(r"(?<![\w/-])((?:api|datasets|docs|model|pipeline|tests)/[\w/.-]*\w/?)(?![\w<])", text)
        if not (ROOT / path).exists() and "<" not in path
    ]
    assert not wrong


def test_names_are_in_the_files_that_pages_name() -> None:
    named = [
        (page, name, path)
        for page, text in TEXTS.items()
        for name, path in re.findall(r"`([\w.]+)` in `([\w/]+\.py)`", text)
    ]
    assert len(named) > 8
    wrong = [
        f"{page}: {name} in {path}"
        for page, name, path in named
        for part in name.split(".")
        if not re.search(
            rf"^\s*((def|class) {part}\b|{part}( =|:))", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE
        )
    ]
    assert not wrong


def test_commands_and_their_options_exist() -> None:
    wrong, used = [], set()
    for page, text in TEXTS.items():
        for line in code_of(text):
            for command, rest in re.findall(r"(?:^|[\s/])mmvsf ([a-z]+(?:-[a-z]+)*)([^#]*)", line):
                used.add(command)
                options = set(re.findall(r"(?<!\S)--[a-z-]+", rest))
                if command not in OPTIONS or options - OPTIONS[command] - OTHER_OPTIONS:
                    wrong.append(f"{page}: {line}")
    assert not wrong and used == set(COMMANDS)


def test_options_that_are_named_alone_exist() -> None:
    every = OTHER_OPTIONS.union(*OPTIONS.values())
    wrong = [
        f"{page}: {option}"
        for page, text in TEXTS.items()
        for line in code_of(text)
        if not line.startswith(("python -m", "make bench "))  # options of other programs
        for option in re.findall(r"(?<![\w-])--[a-z-]+", line)
        if option not in every
    ]
    assert not wrong


def test_commands_that_take_json_are_named() -> None:
    (sentence,) = re.findall(r"^- (.*) take `--json`", TEXTS["docs/commands.md"], re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", sentence)) == {name for name, options in OPTIONS.items() if "--json" in options}


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page, text in TEXTS.items():
        for line in code_of(text):
            for target in re.findall(r"^make ([a-z-]+)", line):
                assert re.search(rf"^([a-z -]+ )?{target}( [a-z -]+)?:", makefile, re.MULTILINE), f"{page}: {target}"


def test_modules_that_are_run_exist() -> None:
    for page, text in TEXTS.items():
        for module in re.findall(r"python -m ([\w.]+)", text):
            path = ROOT.joinpath(*module.removeprefix("mmvsf.").split("."))
            assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), f"{page}: {module}"


def test_python_names_exist() -> None:
    """`mmvsf.x.y` in a page: a public name, or a module and something in it."""
    wrong = []
    for page, text in TEXTS.items():
        for name in {name for line in code_of(text) for name in re.findall(r"\bmmvsf((?:\.\w+)+)", line)}:
            parts = name.strip(".").split(".")
            if parts[0] in mmvsf.__all__ or parts[0] in ("commands", "sources"):  # entry points
                continue
            while len(parts) > 1 and not ROOT.joinpath(*parts).with_suffix(".py").is_file():
                parts.pop()
            rest = name.strip(".").split(".")[len(parts) :]
            path = ROOT.joinpath(*parts)
            if not (path.is_dir() or path.with_suffix(".py").is_file()) or (
                rest and not (path.is_dir() or hasattr(import_module(".".join(["mmvsf", *parts])), rest[0]))
            ):
                wrong.append(f"{page}: mmvsf{name}")
    assert not wrong


def test_commands_are_named_with_the_argument_of_their_help() -> None:
    """A region or a cube: `mmvsf map {region}` in the help is `mmvsf map REGION` in the page."""
    wrong = []
    for name, shown in re.findall(r"^\| `mmvsf ([a-z-]+) (REGION|CUBE)", TEXTS["docs/commands.md"], re.MULTILINE):
        arguments = [part.name for part in COMMANDS[name].params if part.param_type_name == "argument"]
        if arguments not in ([shown.lower()], [f"{shown.lower()}s"]):
            wrong.append(f"{name} {shown}: {arguments}")
    assert not wrong


def test_every_group_of_the_format_is_in_the_guide() -> None:
    table = TEXTS["docs/cube-format.md"].partition("## Arrays")[2].partition("\n\n`scenes`")[0]
    groups = {*re.findall(r"^\| `(\w+)/", table, re.MULTILINE), "scenes", "seasons"}
    guide = TEXTS["docs/cube.md"]
    of_tiles = set(re.findall(r"^\| `(\w+)` \|", guide, re.MULTILINE))
    (of_the_cube,) = re.findall(r"^(\w+) groups belong to the whole cube: ([^.]*)", guide, re.MULTILINE)
    named = set(re.findall(r"`(\w+)`", of_the_cube[1]))
    assert of_tiles | named == groups and not of_tiles & named
    assert of_the_cube[0] == {2: "Two", 3: "Three", 4: "Four"}[len(named)]


def test_every_public_function_is_in_the_commands_page() -> None:
    named = set(re.findall(r"`(\w+)`", TEXTS["docs/commands.md"].partition("From Python")[2]))
    assert {name for name in mmvsf.__all__ if name.islower() and not name.startswith("_")} <= named


def test_every_source_is_in_the_table() -> None:
    rows = re.findall(
        r"^\| (?:(imagery|radar|weather|labels|targets|static|any) )?`(\w[\w-]*)`",
        TEXTS["docs/sources.md"],
        re.MULTILINE,
    )
    ours = {(table.layer, name) for table in TABLES for name in table.names()}
    assert {(layer, name) for layer, name in ours if name != "archive"} == {
        (layer, name) for layer, name in rows if layer not in ("any", "")
    }


def test_recipes_objectives_and_sizes_are_listed() -> None:
    shipped = {path.stem for path in (ROOT / "datasets/recipe/regions").glob("*.yaml")}
    assert set(re.findall(r"^\| `([\w-]+)` \|", TEXTS["docs/recipes.md"], re.MULTILINE)) == shipped
    pytest.importorskip("torch")
    from mmvsf.model.mmvsf.objectives import OBJECTIVES
    from mmvsf.model.mmvsf.sizes import SIZES

    models = TEXTS["docs/models.md"]
    assert all(f"`{name}`" in models for name in (*OBJECTIVES, *SIZES))


def test_the_layers_of_imports_are_those_of_the_test() -> None:
    text = TEXTS["docs/architecture.md"]
    for part, levels in LEVELS.items():
        (lines,) = re.findall(rf"^    {part}/   +([^\n]+\|[^\n]*(?:\n {{10,}}\|[^\n]*)*)$", text, re.MULTILINE)
        shown = [{name.strip() for name in level.split(",")} for level in lines.split("|")]
        assert shown == list(levels)


def test_variables_that_replace_an_address_are_listed() -> None:
    assert all(f"`{endpoint.variable}`" in TEXTS["docs/sources.md"] for endpoint in ENDPOINTS.values())


def test_pictures_are_drawn_without_mistakes() -> None:
    for path in (ROOT / "docs").glob("*.svg"):
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
        assert root.tag.endswith("svg") and root.get("viewBox")


def test_keys_of_a_recipe_exist() -> None:
    keys = {key for text in TEXTS.values() for line in code_of(text) for key in re.findall(r"^(\w+(?:\.\w+)+)\b", line)}
    keys = {key for key in keys if key.split(".")[0] in Region.model_fields}
    assert len(keys) > 4 and not [key for key in keys if not has_key(Region, key.split("."))]


def has_key(model: type[BaseModel], key: list[str]) -> bool:
    """Whether a section of a recipe has a key, or a section of it does."""
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    if key[0] not in fields:
        return False
    kind = fields[key[0]].annotation
    inner = [part for part in (kind, *get_args(kind)) if isinstance(part, type) and issubclass(part, BaseModel)]
    return len(key) == 1 or any(has_key(part, key[1:]) for part in inner)


def test_the_weather_variables_and_who_has_them() -> None:
    text = TEXTS["docs/sources.md"].partition("## Weather variables")[2].partition("\n## ")[0]
    rows = [line.split(" | ") for line in re.findall(r"^\| (`.*) \|$", text, re.MULTILINE)]
    tables: tuple[Collection[str], ...] = (
        gridmet.FILES, power.FORMULAS, meteostat.NEEDS, era5_land.FORMULAS, COLLECTIONS["era5-land"].formulas,
        agera5.FORMULAS, COLLECTIONS["daymet"].formulas,
    )  # fmt: skip
    named = [(name, row) for row in rows for name in re.findall(r"`(\w+)`", row[0])]
    assert [name for name, _ in named] == list(WEATHER_BY_NAME)
    for name, row in named:
        assert [cell != "no" for cell in row[2:]] == [name in table for table in tables], name
        unit = {"degrees Celsius": "degree_Celsius"}.get(row[1], row[1])
        assert unit == WEATHER_BY_NAME[name].units
