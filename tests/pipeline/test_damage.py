"""Damage by chance, and what finds it: `tests.damage` does the same a thousand times."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ..damage import DAMAGES, Subject, loader_raises, verify_finds


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return Subject(tmp_path_factory.mktemp("damage"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_is_found_raised_and_repaired(subject: Subject, kind: str) -> None:
    for seed in (1, 2):
        outcome = subject.outcome(kind, random.Random(seed), try_repair=seed == 1)
        assert outcome.verified, outcome
        assert outcome.raised or not outcome.read, outcome
        assert outcome.repaired is not False, outcome


def test_a_sound_cube_raises_no_alarm(subject: Subject) -> None:
    assert not verify_finds(Path(subject.cube))
    assert not loader_raises(Path(subject.cube))


def test_the_loader_reads_images_masks_labels_weather_and_summaries(subject: Subject) -> None:
    arrays = {"/".join(name.split("/")[2:4]) for name in subject.read_names if name.startswith("tiles/")}
    read = {"imagery/reflectance", "imagery/quality", "labels/crop", "weather/tmin", "blocks/status", "chunks/split"}
    assert read <= arrays
