"""Detect scenes whose files were replaced under the same id and version.

What the files of each scene are is recorded in the ledger when a build begins. A scene whose `state` differs from the
recorded one, and whose content differs too where that can be told, is of another generation, which is part of what its
shards depend on. So an archive that is moved or copied costs a look at its files, and a scene that comes from another
catalogue than before is taken for what its id and version say.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from urllib.parse import urlsplit

from mmvsf.pipeline.layers.source import ImagerySource
from mmvsf.pipeline.raster.scene import Scene

INPUTS = "inputs"
"""Name of the folder of the ledger's entries, one a layer."""

AT_ONCE = 16
"""Scenes that are looked at at the same time: a disk over a network, or a server, is waited for."""

Inputs = Mapping[str, list[str]]
"""identity of a scene -> where its files lie, state, content, generation"""


def mark_replaced(scenes: Iterable[Scene], inputs: Inputs, source: ImagerySource) -> list[Scene]:
    """The scenes, those that are recorded with their state and generation."""

    def mark(scene: Scene) -> Scene:
        record = inputs.get(_identity(scene))
        if scene.fault or record is None:
            return scene
        where, last, content, generation = record
        state = source.state(scene)
        if state and last and state != last and where == _where(scene):
            now = source.content(scene)
            if not now or now != content:
                generation = now or sha256(state.encode()).hexdigest()[:16]
        return replace(scene, state=state, generation=generation)

    if not inputs:
        return list(scenes)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(mark, scenes))


def inputs_of(scenes: Iterable[Scene], before: Inputs, source: ImagerySource) -> Inputs:
    """What is to be recorded of scenes that `mark_replaced` gave."""

    def describe(scene: Scene) -> list[str]:
        record, where = before.get(_identity(scene)), _where(scene)
        state = scene.state if record is not None else source.state(scene)
        if record is not None and (not state or record[:2] == [where, state]):
            return record
        return [where, state, source.content(scene), scene.generation]

    sound = [scene for scene in scenes if not scene.fault]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(map(_identity, sound), pool.map(describe, sound), strict=True))


def _identity(scene: Scene) -> str:
    return sha256(repr(scene.key).encode()).hexdigest()[:24]


def _where(scene: Scene) -> str:
    """The server of a scene's files; empty for this machine."""
    return urlsplit(scene.quality.href).netloc
