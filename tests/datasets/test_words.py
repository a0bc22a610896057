"""Numbers and months in words."""

from __future__ import annotations

from mmvsf.datasets.words import months_in_words, plural


def test_plurals() -> None:
    assert [plural(count, "block") for count in (0, 1, 2, 2000)] == ["0 blocks", "1 block", "2 blocks", "2,000 blocks"]
    assert (plural(1, "class"), plural(3, "class")) == ("1 class", "3 classes")


def test_months() -> None:
    assert months_in_words((4, 5, 6, 7)) == "April to July"
    assert months_in_words((10, 11, 12, 1, 2)) == "October to February"
    assert months_in_words((4, 6)) == "April, June" and months_in_words((4, 5)) == "April, May"
    assert months_in_words((7,)) == "July" and months_in_words(range(1, 13)) == "all months"
