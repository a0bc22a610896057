"""The cube is the contract: `datasets` knows nobody, `pipeline` and `model` know `datasets` and never each other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SPLIT_NAMES = ("datasets", "pipeline", "model")
MAY_KNOW = {"datasets": {"datasets"}, "pipeline": {"datasets", "pipeline"}, "model": {"datasets", "model"}}
WITH_TORCH = {"datasets/samples/batch.py", "datasets/samples/loader.py"}
"""The modules of `datasets` that need the extra `train`."""

LEVELS: dict[str, tuple[set[str], ...]] = {
    "datasets": (
        {"errors", "variables"},
        {"storage", "recipe"},
        {"cube"},
        {"samples", "sidecars"},
        {"command"},
    ),
    "pipeline": (
        {"ledger", "disk_space", "raster"},
        {"layers"},
        {"sources", "sandbox"},
        {"build"},
        {"inspect", "estimate", "report"},
        {"cli"},
    ),
    "model": (
        {"mmvsf"},
        {"baselines", "pretraining"},
        {"cropmap"},
        {"evaluation"},
        {"cli"},
    ),
}
"""The folders and loose modules of a part, from those that know nobody to those that know the most."""

MODULES = sorted(path for part in SPLIT_NAMES for path in (ROOT / part).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Absolute names of everything that a module imports, anywhere in it; relative imports are resolved."""
    package = ["mmvsf", *path.relative_to(ROOT).parts[:-1]]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


def in_module(name: str, path: str) -> bool:
    """Whether a dotted name is of the module at a path."""
    return name.startswith(f"mmvsf.{path.removesuffix('.py').replace('/', '.')}.")


def test_relative_imports_are_resolved() -> None:
    assert "mmvsf.pipeline.raster.scene.Asset" in imports(ROOT / "pipeline/sources/archive/rasters.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_part_imports_only_what_it_may_know(path: Path) -> None:
    part = path.relative_to(ROOT).parts[0]
    for name in imports(path):
        first, _, rest = name.partition(".")
        assert first not in SPLIT_NAMES, f"{name}: as a bare name this is another package"
        if first == "mmvsf":
            assert rest.split(".")[0] in MAY_KNOW[part], f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_cubes_are_built_and_read_without_torch(path: Path) -> None:
    part = path.relative_to(ROOT).parts[0]
    if part == "model" or (part == "datasets" and str(path.relative_to(ROOT)) in WITH_TORCH):
        return
    heavy = {name for name in imports(path) if name.split(".")[0] in {"torch", "lightning", "safetensors", "sklearn"}}
    assert not heavy
    if part == "datasets":
        assert not {
            name for name in imports(path) for module in WITH_TORCH if f"{module[:-3].replace('/', '.')}." in name
        }


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=lambda path: path.name)
def test_tests_do_not_use_bare_names_either(path: Path) -> None:
    assert not {name for name in imports(path) if name.split(".")[0] in SPLIT_NAMES}


def unit_of(module: str) -> str:
    """The folder or loose module of a part that a dotted name lies in, as `pipeline/layers/weather`."""
    parts = module.split(".")[1:]
    while parts and not (ROOT.joinpath(*parts).is_dir() or ROOT.joinpath(*parts).with_suffix(".py").is_file()):
        parts.pop()
    if len(parts) > 2 and ROOT.joinpath(*parts).with_suffix(".py").is_file():
        parts.pop()
    return "/".join(parts)


def arrows() -> set[tuple[str, str]]:
    """(importing unit, imported unit), across folders."""
    found = set()
    for path in MODULES:
        source = unit_of(".".join(["mmvsf", *path.relative_to(ROOT).with_suffix("").parts]))
        found |= {(source, unit_of(name)) for name in imports(path) if name.startswith("mmvsf.")}
    return {(source, target) for source, target in found if source != target and target}


def level(unit: str) -> tuple[str, int]:
    """The part of a unit, and its level there. Raises StopIteration for one that `LEVELS` does not list."""
    part, name = unit.split("/")[:2]
    return part, next(number for number, names in enumerate(LEVELS[part]) if name in names)
