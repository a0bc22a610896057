"""Mutations of recipes, read as `mmvsf plan` reads them but for the network, which leads to a closed door."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from mmvsf.datasets.recipe.load import shipped_regions
from mmvsf.pipeline.build.plan import build_plan
from mmvsf.pipeline.sources.transport import http
from mmvsf.pipeline.sources.transport.endpoints import ENDPOINTS
from mmvsf.pipeline.sources.transport.http import RetryPolicy

from .values import NASTY, mutate, mutate_bytes

NOWHERE = "http://127.0.0.1:9"
TEXTS = [value for value in NASTY if isinstance(value, str)]
IMPATIENT = RetryPolicy(attempts=1, first_wait=0.0, connect=0.5, request=1.0, deadline=1.0)


def shipped() -> dict[str, str]:
    """name -> text of the shipped recipes."""
    folder = resources.files("mmvsf.datasets.recipe.regions")
    return {name: folder.joinpath(f"{name}.yaml").read_text(encoding="utf-8") for name in shipped_regions()}


@contextmanager
def no_network() -> Iterator[None]:
    """All services at an address that nobody listens at."""
    with pytest.MonkeyPatch.context() as patch:
        for endpoint in ENDPOINTS.values():
            patch.setenv(endpoint.variable, NOWHERE)
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setenv("EARTHDATA_TOKEN", "none")
        patch.setattr(http, "RETRY_POLICY", IMPATIENT)
        yield


def mutations(text: str, count: int, seed: int) -> Iterator[bytes]:
    """The recipe with one to four changes: of its tree, or of its text."""
    rng = random.Random(seed)
    original = yaml.safe_load(text)
    for _ in range(count):
        if rng.random() < 0.75:
            tree: dict[str, Any] = copy.deepcopy(original)
            for _ in range(rng.choice((1, 1, 1, 2, 4))):
                mutate(rng, tree)
            yield dumped(rng, tree)
        else:
            yield mutate_lines(rng, text)


def dumped(rng: random.Random, tree: Any) -> bytes:
    """A tree as YAML; what YAML cannot hold is replaced."""
    try:
        if rng.random() < 0.8:  # JSON is YAML, and written faster
            return json.dumps(tree, default=str, ensure_ascii=False).encode()
        return yaml.safe_dump(tree, default_flow_style=rng.random() < 0.2, allow_unicode=True).encode()
    except (yaml.YAMLError, RecursionError, ValueError, TypeError):
        return repr(tree).encode(errors="replace") if isinstance(tree, dict) and len(tree) < 3 else b"[" * 2000


def mutate_lines(rng: random.Random, text: str) -> bytes:
    """Lines swapped, doubled, indented, or lost; or bytes changed."""
    if rng.random() < 0.3:
        return mutate_bytes(rng, text.encode())
    lines = text.splitlines()
    for _ in range(rng.choice((1, 1, 3))):
        where, kind = rng.randrange(len(lines)), rng.random()
        if kind < 0.25:
            del lines[where]
        elif kind < 0.5:
            lines.insert(rng.randrange(len(lines) + 1), lines[where])
        elif kind < 0.75:
            lines[where] = " " * rng.randrange(5) + lines[where].lstrip()
        elif ":" in lines[where]:
            lines[where] = f"{lines[where].partition(':')[0]}: {rng.choice(TEXTS)}"
        if not lines:
            break
    return "\n".join(lines).encode(errors="replace")


def plan(path: Path, data: Path) -> None:
    """What `mmvsf plan` does with a recipe; see `build_plan` for what it raises."""
    build_plan(str(path), data, only_shown=True)
