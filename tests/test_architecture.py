"""Who may import whom, and how long modules and functions may be. The cube is the contract: `datasets` knows nobody,
`pipeline` and `model` know `datasets` and never each other; inside a part, arrows point downwards only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FACE = "api"
"""The folder that installs as the package `mmvsf` itself: it knows all parts, and no part knows it."""
PARTS = ("datasets", "pipeline", "model")
MAY_KNOW = {"datasets": {"datasets"}, "pipeline": {"datasets", "pipeline"}, "model": {"datasets", "model"}}
WITH_TORCH = {
    f"datasets/samples/{name}.py" for name in ("ahead", "batch", "collate", "data_module", "dataset", "loader")
}
"""The modules of `datasets` that need the extra `train`."""

LEVELS: dict[str, tuple[set[str], ...]] = {
    "datasets": (
        {"errors", "extras", "console", "json_text", "words"},
        {"variables"},
        {"storage", "recipe"},
        {"cube", "format"},
        {"samples"},
        {"sidecars"},
        {"command"},
    ),
    "pipeline": (
        {"crew", "ledger", "disk_space", "raster"},
        {"layers"},
        {"sources", "sandbox"},
        {"build"},
        {"inspect", "estimate"},
        {"report", "explore", "export", "publish", "new_recipe"},
        {"cli"},
    ),
    "model": (
        {"records", "metrics", "figures", "blocks", "cover", "tasks", "season_weather", "named_object"},
        {"mmvsf"},
        {"baselines", "training"},
        {"forecasting"},
        {"pretraining", "cropmap", "embed", "convert"},
        {"regression"},
        {"answer", "areas", "evaluation"},
        {"tables"},
        {"cli"},
    ),
}
"""The folders and loose modules of a part, from those that know nobody to those that know the most."""

MODULES = sorted(path for part in PARTS for path in (ROOT / part).rglob("*.py"))


@cache
def imports(path: Path) -> frozenset[str]:
    """Absolute names of everything that a module imports, anywhere in it; relative imports are resolved."""
    package = ["mmvsf", *path.relative_to(ROOT).parts[:-1]]
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def unit_of(module: str) -> str:
    """The folder, or the loose module of a part, that a dotted name lies in: `pipeline/layers/weather`, `model/cli`."""
    parts = module.split(".")[1:]
    while parts and not (ROOT.joinpath(*parts).is_dir() or ROOT.joinpath(*parts).with_suffix(".py").is_file()):
        parts.pop()
    if len(parts) > 2 and not ROOT.joinpath(*parts).is_dir():
        parts.pop()
    return "/".join(parts)


def arrows() -> set[tuple[str, str]]:
    """(importing unit, imported unit)."""
    found = set()
    for path in MODULES:
        source = unit_of("mmvsf." + name_of(path).removesuffix(".py").replace("/", ".").removesuffix(".__init__"))
        found |= {(source, unit_of(name)) for name in imports(path) if name.startswith("mmvsf.")}
    return {(source, target) for source, target in found if source != target and "/" in target}


def level(unit: str) -> int:
    """The level of a unit within its part; -1 for one that `LEVELS` does not list."""
    part, name = unit.split("/")[:2]
    return next((number for number, names in enumerate(LEVELS[part]) if name in names), -1)


def test_relative_imports_are_resolved() -> None:
    assert "mmvsf.pipeline.raster.scene.Asset" in imports(ROOT / "pipeline/sources/archive/rasters.py")
    assert "mmvsf.pipeline.layers.imagery.plan.ImageryPlan" in imports(ROOT / "pipeline/layers/imagery/summarise.py")


def test_a_part_imports_only_what_it_may_know() -> None:
    wrong = [
        f"{name_of(path)} imports {name}"
        for path in MODULES
        for name in imports(path)
        if name.startswith("mmvsf") and name.split(".")[1] not in MAY_KNOW[path.relative_to(ROOT).parts[0]]
    ]
    assert not wrong


def test_no_bare_names() -> None:
    """`import datasets` would be Hugging Face's."""
    paths = [*MODULES, *(ROOT / FACE).rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    assert not [f"{name_of(path)}: {name}" for path in paths for name in imports(path) if name.split(".")[0] in PARTS]


def test_arrows_inside_a_part_point_downwards() -> None:
    wrong = [
        f"{source} imports {target}"
        for source, target in sorted(arrows())
        if source.split("/")[0] == target.split("/")[0]
        and source.split("/")[1] != target.split("/")[1]
        and level(source) <= level(target)
    ]
    assert not wrong


def test_every_folder_has_a_level() -> None:
    assert not [unit for arrow in arrows() for unit in arrow if level(unit) < 0]


def test_no_two_folders_import_each_other() -> None:
    both = arrows()
    assert not [f"{source} and {target}" for source, target in both if (target, source) in both and source < target]


def test_layers_know_no_sources() -> None:
    assert not [arrow for arrow in arrows() if arrow[0].startswith("pipeline/layers") and "/sources" in arrow[1]]


def heavy_imports() -> Iterator[str]:
    """Imports of training packages, and of modules that need them, where cubes are built and read."""
    with_torch = {f"mmvsf.{path.removesuffix('.py').replace('/', '.')}" for path in WITH_TORCH}
    for path in MODULES:
        if path.relative_to(ROOT).parts[0] == "model" or name_of(path) in WITH_TORCH:
            continue
        for name in imports(path):
            training = name.split(".")[0] in {"torch", "lightning", "safetensors", "sklearn"}
            if training or any(name.startswith(module) for module in with_torch):
                yield f"{name_of(path)} imports {name}"


def test_cubes_are_built_and_read_without_torch() -> None:
    assert not list(heavy_imports())


def test_no_module_is_over_300_lines() -> None:
    paths = [*MODULES, *(ROOT / FACE).rglob("*.py")]
    lines = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert not [f"{name}: {count} lines" for name, count in lines.items() if count > 300]


def long_functions(source: str, most: int) -> Iterator[str]:
    """The functions of a module that have more lines than that, with their decorators."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if (count := (node.end_lineno or first) + 1 - first) > most:
                yield f"{node.name}: {count} lines"


def test_long_functions_are_found() -> None:
    source = "class A:\n    @property\n    def a(self):\n        return 1\n\ndef b():\n    return 1\n"
    assert list(long_functions(source, 2)) == ["a: 3 lines"]


def test_no_function_is_over_60_lines() -> None:
    paths = [*MODULES, *(ROOT / FACE).rglob("*.py")]
    sources = {name_of(path): path.read_text(encoding="utf-8") for path in paths}
    assert not [f"{name}, {found}" for name, source in sources.items() for found in long_functions(source, 60)]
