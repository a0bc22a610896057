"""What a process keeps is bounded by bytes."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

from mmvsf.pipeline.layers.imagery import mosaic_day
from mmvsf.pipeline.raster import mappings
from mmvsf.pipeline.raster.byte_cache import ByteCache
from mmvsf.pipeline.raster.scene import RasterGrid

ROOT = Path(mosaic_day.__file__).parents[3]


def test_the_values_used_last_are_kept_up_to_a_number_of_bytes() -> None:
    cache = ByteCache[bytes](100, len)
    for name in "abc":
        cache.put(name, bytes(40))
    assert cache.get("a") is None and cache.get("b") is not None and cache.bytes == 80
    cache.put("d", bytes(40))
    assert cache.get("c") is None and cache.get("b") is not None
    cache.put("large", bytes(1000))
    assert cache.get("large") is not None and cache.bytes == 1000
    cache.clear()
    assert cache.bytes == 0 and cache.get("large") is None


def test_threads_that_need_one_value_make_it_once() -> None:
    cache, made = ByteCache[bytes](100, len), []

    def make() -> bytes:
        time.sleep(0.05)
        made.append(1)
        return b"x"

    threads = [threading.Thread(target=cache.get_or_make, args=("a", make)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]


def test_mappings_to_another_projection_stay_within_their_bound() -> None:
    cache = ByteCache(3_000_000, mappings._mappings._size)
    source = RasterGrid("EPSG:32614", (30.0, 0.0, 700_000.0, 0.0, -30.0, 4_700_000.0), (3660, 3660))
    for number in range(5):
        target = RasterGrid("EPSG:32615", (30.0, 0.0, 225_000.0 + 3000 * number, 0.0, -30.0, 4.66e6), (128, 128))
        mapping = cache.get_or_make((source, target), lambda target=target: mappings.relate(source, target))
        parts = [part for strip in mapping.strips for part in (strip.weights.data, strip.weights.indices)]
        arrays = (mapping.nearest, *parts)
        assert mapping.nbytes >= sum(array.nbytes for array in arrays) > 800_000
        assert cache.bytes <= cache.limit
    assert mappings._mappings.limit + mappings._code_mappings.limit < 700 * 2**20


def test_each_cache_states_its_size() -> None:
    silent = [
        f"{path.relative_to(ROOT)}:{number}"
        for part in ("api", "datasets", "model", "pipeline")
        for path in (ROOT / part).rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.match(r"\s*@(functools\.)?(cache|lru_cache)\b(?!.*#)", line)
    ]
    assert not silent
