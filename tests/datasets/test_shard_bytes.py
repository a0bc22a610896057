"""Shards have the bytes that tensorstore writes for the same values."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import tensorstore
from numpy.typing import NDArray

from mmvsf.datasets.storage.encode import encode_groups
from mmvsf.datasets.storage.shard import encode_shard
from mmvsf.datasets.storage.spec import ArraySpec, GroupSpec

SHARDS = {
    "days": ArraySpec("days", tuple("tbyx"), (32, 6, 64, 64), "int16", (8, 6, 16, 16), -9999, (32, 6, 64, 64)),
    "codes": ArraySpec("codes", tuple("tyx"), (1, 128, 128), "uint8", (1, 32, 32), 255, (1, 128, 128)),
    "numbers": ArraySpec("numbers", tuple("yx"), (64, 64), "float32", (16, 32), float("nan"), (64, 64)),
    "wide": ArraySpec("wide", tuple("yx"), (64, 64), "uint16", (64, 64), 0, (64, 64)),
}


def by_tensorstore(spec: ArraySpec, values: NDArray[Any]) -> bytes | None:
    metadata = json.loads(encode_groups([GroupSpec("g", (spec,))])[f"g/{spec.name}/zarr.json"])
    del metadata["attributes"]
    place = {"driver": "zarr3", "kvstore": {"driver": "memory"}, "metadata": metadata}
    array = tensorstore.open(place, create=True).result()
    array.write(values).result()
    store: Any = array.kvstore
    content = store.read("/".join(["c", *("0" for _ in spec.shape)])).result()
    return bytes(content.value) if content.state == "value" else None


@pytest.mark.parametrize("name", SHARDS)
@pytest.mark.parametrize("kind", ["noise", "sparse", "empty", "zero"])
def test_a_shard_has_the_bytes_of_tensorstore(name: str, kind: str) -> None:
    spec, rng = SHARDS[name], np.random.default_rng(1)
    values = np.full(spec.shape, spec.fill, spec.dtype)
    if kind == "noise":
        values = rng.integers(0, 200, spec.shape).astype(spec.dtype)
    elif kind == "sparse":
        values[..., 17:40, 5] = 7
    elif kind == "zero":  # -0.0 is not 0.0, and NaN is NaN
        values[..., :3] = -0.0
    assert encode_shard(spec, values) == by_tensorstore(spec, values)


@pytest.mark.parametrize("positions", [(0,), (7, 8), (3, 11, 12, 30, 31), tuple(range(32))])
def test_days_that_are_not_given_are_fill(positions: tuple[int, ...]) -> None:
    spec = SHARDS["days"]
    days = np.random.default_rng(2).integers(0, 9000, (len(positions), 6, 96, 96)).astype(np.int16)[..., 32:, :64]
    whole = np.full(spec.shape, -9999, np.int16)
    whole[list(positions)] = days
    assert encode_shard(spec, days, positions) == by_tensorstore(spec, whole)
    assert encode_shard(spec, np.full_like(days, -9999), positions) is None


def test_an_axis_of_length_one_may_be_left_out() -> None:
    spec = SHARDS["codes"]
    values = np.arange(128 * 128, dtype=np.uint8).reshape(128, 128)
    assert encode_shard(spec, values) == by_tensorstore(spec, values[None])
