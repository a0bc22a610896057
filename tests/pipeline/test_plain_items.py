"""The short ways for usual items give what the long ones give."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from mmvsf.datasets.errors import InputError
from mmvsf.pipeline.sources.stac import hrefs
from mmvsf.pipeline.sources.stac.item import MOST_PIXELS, Number, Shape, Size, Transform, _north_up

NUMBERS = st.one_of(
    st.integers(-2, 4), st.sampled_from([MOST_PIXELS, MOST_PIXELS + 1, 10**400, 30, -30, 1e9]), st.floats(),
    st.booleans(), st.none(), st.sampled_from(["30", "x", "", "1e400"]), st.just([30.0]),
)  # fmt: skip
LISTS = st.one_of(st.lists(NUMBERS, max_size=10), st.none(), st.text(max_size=3), st.just({"a": 1}))
GOOD = [30.0, 0, 399960.0, 0.0, -30, 4700040]

SHAPE: TypeAdapter[Any] = TypeAdapter(Shape)
TRANSFORM: TypeAdapter[Any] = TypeAdapter(Transform)
LONG_SHAPE: TypeAdapter[Any] = TypeAdapter(tuple[Size, Size])
LONG_TRANSFORM: TypeAdapter[Any] = TypeAdapter(
    Annotated[tuple[Number, ...], Field(min_length=6), AfterValidator(_north_up)]
)


def outcome(adapter: TypeAdapter[Any], value: Any) -> Any:
    try:
        result = adapter.validate_python(value)
        return result, [type(member) for member in result]
    except ValidationError as error:
        return error.errors(include_url=False, include_context=False)


@given(LISTS)
@example([3660, 3660])
@example([1, True])
@example([3660, 0])
@example([3660.0, "3660"])
def test_shapes(value: Any) -> None:
    assert repr(outcome(SHAPE, value)) == repr(outcome(LONG_SHAPE, value))


@given(
    st.one_of(LISTS, st.tuples(st.integers(0, 5), NUMBERS).map(lambda at: [*GOOD[: at[0]], at[1], *GOOD[at[0] + 1 :]]))
)
@example(GOOD)
@example([*GOOD, 0, 0, 1])
@example([*GOOD, 0])
@example([True, 0, 0, 0, -1, 0])
@example([1, 0, 0, 0, -1, 0])
@example([1, 0.5, 0, 0, -1, 0])
@example([30.0, -0.0, 399960.0, 0.0, -30, 4700040])
def test_transforms(value: Any) -> None:
    assert repr(outcome(TRANSFORM, value)) == repr(outcome(LONG_TRANSFORM, value))


HREFS = [
    "https://example.org/a/b.tif", "http://example.org/a", "https://example.org", "ftp://example.org/a",
    "https://localhost/a", "https://localhost./a", "http://169.254.169.254/latest/meta-data", "http://2852039166/a",
    "http://10.0.0.1/a", "http://0x7f.1/a", "https://user@example.org/a", "https://example.org/a#b",
    "https://example.org/a?b=c", "https://example.org/a\n", "https://example.org/a b", "https://./a", "https:///a",
    "https://example.org:443/a", "https://EXAMPLE.org/a", "https://example.org/a/../b", "https://a.internal/x.tif",
    "https://[::1]/a", "//example.org/a", "a.tif", "https://example.org\\@10.0.0.1/a", "http://metadata.google.internal/x",
]  # fmt: skip


@pytest.mark.parametrize("href", HREFS)
@pytest.mark.parametrize("catalog", ["https://catalog.org/stac", "http://127.0.0.1:8000/stac", "http://10.0.0.2/stac"])
def test_hrefs(href: str, catalog: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def located() -> list[str]:
        results = []
        for locate in (lambda: hrefs.remote_href(catalog, href), lambda: hrefs.local_href(tmp_path, href)):
            try:
                results.append(locate())
            except InputError as error:
                results.append(str(error))
        return results

    short = located()
    monkeypatch.setattr(hrefs, "PLAIN", re.compile("(?!)"))
    assert short == located()
