"""Class areas: the estimator against what is known, the reference sample, and the command."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from typer.testing import CliRunner

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.model.areas.estimate import estimate_areas
from mmvsf.model.areas.run import AreaOptions, areas
from mmvsf.model.areas.sample import MapLegend, count_pixels, draw_sample, read_sample, write_sample
from mmvsf.model.cli import app
from mmvsf.model.cropmap.geotiff import map_writer

LEGEND = MapLegend((10, 11, 12), ("maize", "wheat", "meadow"))


def test_the_example_of_the_paper() -> None:
    """Olofsson et al. (2014), section 5: deforestation is 21,158 +- 6,158 ha on pixels of .09 ha. Its strata are so
    large that the correction for a finite population is nothing."""
    mapped = np.array([200_000, 150_000, 3_200_000, 6_450_000])
    sample = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
    estimates = estimate_areas(mapped, sample)
    deforested = estimates.classes[0]
    assert deforested.area.value * 0.09 == pytest.approx(21_158, abs=1)
    assert 1.96 * deforested.standard_error * 0.09 == pytest.approx(6_158, rel=1e-3)
    assert deforested.user_accuracy is not None and deforested.user_accuracy.value == pytest.approx(0.88, abs=5e-3)
    assert deforested.producer_accuracy is not None
    assert deforested.producer_accuracy.value == pytest.approx(0.75, abs=5e-3)
    assert estimates.overall_accuracy.value == pytest.approx(0.947, abs=5e-4)


def test_a_census_leaves_no_doubt_and_a_rare_omission_leaves_some() -> None:
    counts = np.array([[30, 10, 0], [5, 55, 0], [0, 0, 20]])
    census = estimate_areas(counts.sum(1), counts)
    for entry, truth in zip(census.classes, counts.sum(0), strict=True):
        assert entry.area.value == entry.area.limits[0] == entry.area.limits[1] == truth
        assert entry.standard_error == 0
    # No reference pixel of the large stratum is of the small class: the normal limits would be of no width there.
    mapped, sample = np.array([100_000, 500]), np.array([[60, 0], [0, 60]])
    rare = estimate_areas(mapped, sample).classes[1]
    assert rare.standard_error == 0 and rare.area.limits[1] > 1_000


def test_a_class_that_is_mapped_nowhere_can_have_an_area() -> None:
    entry = estimate_areas(np.array([1_000, 0]), np.array([[40, 10], [0, 0]])).classes[1]
    assert entry.area.value == 200 and entry.user_accuracy is None
    assert entry.producer_accuracy is not None and entry.producer_accuracy.value == 0


def test_a_mapped_class_without_reference_pixels_is_refused() -> None:
    with pytest.raises(InputError, match=r"class number 2 of the legend is mapped on 50 pixels and has 1 labelled"):
        estimate_areas(np.array([1_000, 50]), np.array([[40, 0], [0, 1]]))


def patches(random: np.random.Generator, side: int) -> NDArray[np.int64]:
    """(side, side) classes in patches of 8 x 8 pixels, of which the third is rare."""
    coarse = random.choice(3, (side // 8, side // 8), p=(0.6, 0.34, 0.06))
    return np.kron(coarse, np.ones((8, 8), np.int64))


@pytest.mark.parametrize("right", [0.95, 0.8])
def test_limits_cover_the_true_area(right: float) -> None:
    """In 93 to 97 of 100 draws, over all classes of maps with errors of several kinds; 600 draws x 3 classes have a
    deviation of about .5 %."""
    covered = []
    for world in range(6):
        random = np.random.default_rng(world)
        truth = patches(random, 160)
        wrong = random.random(truth.shape) > right
        made = np.where(wrong, random.choice(3, truth.shape, p=(0.5, 0.3, 0.2)), truth)
        mapped, areas = np.bincount(made.ravel(), minlength=3), np.bincount(truth.ravel(), minlength=3)
        for _ in range(100):
            sample = np.zeros((3, 3), np.int64)
            for k in range(3):
                chosen = random.choice(np.flatnonzero(made == k), 50, replace=False)
                sample[k] = np.bincount(truth.ravel()[chosen], minlength=3)
            entries = estimate_areas(mapped, sample, int(random.integers(2**31))).classes
            covered += [e.area.limits[0] <= a <= e.area.limits[1] for e, a in zip(entries, areas, strict=True)]
    assert 0.93 <= np.mean(covered) <= 0.97


@pytest.fixture
def crop_map(tmp_path: Path) -> Path:
    """A map of 96 x 128 pixels with three classes; its first rows are unknown."""
    path = tmp_path / "crop_map.tif"
    values = np.array(LEGEND.values, np.uint8)[np.random.default_rng(3).choice(3, (96, 128), p=(0.7, 0.29, 0.01))]
    values[:8] = 0
    profile = {"driver": "GTiff", "height": 96, "width": 128, "count": 1, "dtype": "uint8", "crs": "EPSG:32615"}
    transform = rasterio.transform.from_origin(500_000, 4_600_000, 30, 30)
    with rasterio.open(path, "w", transform=transform, tiled=True, blockxsize=32, blockysize=32, **profile) as target:
        target.write(values, 1)
    return path


def test_each_pixel_of_a_class_is_as_likely_as_any_other(crop_map: Path) -> None:
    with rasterio.open(crop_map) as source:
        values = source.read(1)
    counts = count_pixels(crop_map, LEGEND)
    assert counts.tolist() == [(values == value).sum() for value in LEGEND.values]
    drawn = np.zeros(values.shape, np.int64)
    for seed in range(60):
        pixels = draw_sample(crop_map, LEGEND, 200, seed)
        assert len({(p.row, p.column) for p in pixels}) == len(pixels) == 400 + min(200, counts[2])
        for pixel in pixels:
            assert values[pixel.row, pixel.column] == LEGEND.values[pixel.mapped]
            drawn[pixel.row, pixel.column] += 1
    assert not drawn[:8].any() and (drawn[values == 12] == 60).all()
    for value, count in zip(LEGEND.values[:2], counts, strict=False):
        # Halves of the map are drawn alike: the numbers of draws differ by a few deviations at most.
        left, right = (drawn[:, part][values[:, part] == value].mean() for part in (slice(64), slice(64, None)))
        assert left == pytest.approx(right, abs=5 * (12_000 / count**2) ** 0.5 + 0.3)


def test_a_sample_is_read_as_it_was_written(crop_map: Path, tmp_path: Path) -> None:
    pixels, table = draw_sample(crop_map, LEGEND, 5, 0), tmp_path / "sample.csv"
    write_sample(table, crop_map, pixels, LEGEND)
    assert read_sample(table, crop_map, LEGEND) == pixels
    with table.open() as file:
        row = next(csv.DictReader(file))
    assert float(row["longitude"]) == pytest.approx(-93, abs=0.1)
    assert float(row["latitude"]) == pytest.approx(41.5, abs=0.1)


Edit = Callable[[str], str]

REFUSED: dict[str, tuple[Edit, str]] = {
    "another class": (
        lambda text: text.replace("maize,\n", "maize,rice\n", 1),
        "the class 'rice' is not in the legend",
    ),
    "no mapped class": (lambda text: text.replace(",maize,", ",,", 1), "the class '' is not in the legend"),
    "no number": (lambda text: text.replace("\n1,", "\n1,", 1).replace("row", "line", 1), "lacks the columns row"),
    "another map": (lambda text: text.replace(",maize,", ",wheat,"), "5 of the 15 pixels of .* have another class"),
    "twice": (lambda text: text + text.splitlines()[1] + "\n", "lists a pixel twice"),
    "a pixel beyond the map": (
        lambda text: text + "99,0,0,5000,5000,maize,\n",
        "1 of the 16 pixels of .* have another class",
    ),
    "a negative pixel": (lambda text: text + "99,0,0,-1,0,maize,\n", "line 17: row is '-1'"),
    "nothing": (lambda text: "", "lacks the columns"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_sample_that_does_not_fit_the_map_is_refused(crop_map: Path, tmp_path: Path, name: str) -> None:
    table, (edit, message) = tmp_path / "sample.csv", REFUSED[name]
    write_sample(table, crop_map, draw_sample(crop_map, LEGEND, 5, 0), LEGEND)
    table.write_text(edit(table.read_text()))
    with pytest.raises(InputError, match=message):
        read_sample(table, crop_map, LEGEND)


@pytest.fixture
def mapped(grown_cube: Cube, tmp_path: Path) -> Path:
    """The folder of a crop map of the year 2021: its labels, of which a tenth is wrong."""
    folder, legend = tmp_path / grown_cube.region.name / "cropmap", grown_cube.legend
    folder.mkdir(parents=True)
    assert legend is not None
    labels, random = grown_cube.array("labels/crop")[2], np.random.default_rng(0)
    with map_writer(folder, grown_cube.grid, legend, 2021) as writer:
        for block in grown_cube.grid.blocks:
            stored = labels[grown_cube.grid.block_slices(block)]
            classes = np.searchsorted(legend.codes, stored)
            wrong = random.random(classes.shape) < 0.1
            classes[wrong] = random.integers(0, 3, int(wrong.sum()))
            certain = np.full((3, *classes.shape), 100, np.uint8)
            writer.write(block, np.where(stored == 0, 255, classes).astype(np.uint8), certain, certain[0])
    write_record(folder, cube=grown_cube.digest, year=2021, classes=[asdict(entry) for entry in legend.classes])
    return folder


def write_record(folder: Path, **changes: Any) -> None:
    """Write what is recorded of a map, or change it."""
    path = folder / "map.json"
    record = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(record | changes))


def test_areas_of_a_cube(grown_cube: Cube, mapped: Path) -> None:
    result = areas(grown_cube, mapped, AreaOptions(per_class=200))
    assert result == json.loads((mapped / "areas.json").read_text())
    assert result is not None and grown_cube.legend is not None
    labels = grown_cube.array("labels/crop")[2]
    for entry, code in zip(result["classes"], grown_cube.legend.codes, strict=True):
        truth = (labels == code).sum() * grown_cube.grid.resolution**2 / 1e4
        assert entry["area_ha"]["value"] == pytest.approx(truth, rel=0.2)
        assert entry["area_ha"]["limits"][0] < entry["area_ha"]["value"] < entry["area_ha"]["limits"][1]
    assert result["overall_accuracy"]["value"] == pytest.approx(0.93, abs=0.04)


def test_a_sample_labelled_by_hand(grown_cube: Cube, mapped: Path) -> None:
    """A map of a year without labels: the table is to be filled in, and some pixels of it may stay empty."""
    write_record(mapped, year=2035)
    assert areas(grown_cube, mapped, AreaOptions(per_class=20)) is None
    assert not (mapped / "areas.json").exists()
    table = mapped / "reference_sample.csv"
    rows = list(csv.DictReader(table.open()))
    for row in rows[:-3]:
        row["reference"] = row["mapped"]
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    cli = ["areas", str(grown_cube.path), "--runs-dir", str(mapped.parents[1]), "--reference", str(table)]
    done = CliRunner().invoke(app, cli)
    assert done.exit_code == 0, done.output
    assert "57 of 60 reference pixels are labelled" in done.stdout and "100%" in done.stdout


def fill_in(table: Path, pixels: int) -> str:
    """Label the first so many pixels of a sample; returns what the table holds then."""
    rows = list(csv.DictReader(table.open()))
    for row in rows[:pixels]:
        row["reference"] = next(name for name in ("Corn", "Soybeans") if name != row["mapped"])
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return table.read_text()


@pytest.mark.parametrize("year", [2035, 2021])  # without labels in the cube, and with
@pytest.mark.parametrize("options", [AreaOptions(per_class=20), AreaOptions(per_class=10, seed=1)])
def test_a_sample_that_was_filled_in_is_never_replaced(
    grown_cube: Cube, mapped: Path, year: int, options: AreaOptions
) -> None:
    write_record(mapped, year=year)
    areas(grown_cube, mapped, AreaOptions(per_class=20))
    table = mapped / "reference_sample.csv"
    filled = fill_in(table, 1)
    with pytest.raises(InputError, match="was filled in or changed"):
        areas(grown_cube, mapped, options)
    assert table.read_text() == filled


CHANGED: dict[str, Edit] = {
    "semicolons": lambda text: text.replace(",", ";"),
    "notes": lambda text: text.replace("reference\n", "reference,notes\n", 1),
    "another order": lambda text: "reference,row\nCorn,1\n",
    "a pixel beyond the map": lambda text: text + "99,0,0,5000,5000,Corn,Corn\n",
    "a negative pixel": lambda text: text + "99,0,0,-1,-1,Corn,Corn\n",
    "no number": lambda text: text + "99,0,0,here,0,Corn,Corn\n",
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_sample_that_was_changed_is_never_replaced(grown_cube: Cube, mapped: Path, name: str) -> None:
    write_record(mapped, year=2035)
    areas(grown_cube, mapped, AreaOptions(per_class=20))
    table = mapped / "reference_sample.csv"
    table.write_text(changed := CHANGED[name](table.read_text()))
    with pytest.raises(InputError, match="was filled in or changed"):
        areas(grown_cube, mapped, AreaOptions(per_class=20))
    assert table.read_text() == changed


def test_a_sample_without_work_in_it_is_drawn_again(grown_cube: Cube, mapped: Path) -> None:
    """One that is empty, and one that the cube's labels filled in, also where the map is of another year now."""
    table = mapped / "reference_sample.csv"
    for year in (2021, 2035, 2020):
        write_record(mapped, year=year)
        areas(grown_cube, mapped, AreaOptions(per_class=20))
        drawn = table.read_bytes()
        areas(grown_cube, mapped, AreaOptions(per_class=20))
        assert table.read_bytes() == drawn
    areas(grown_cube, mapped, AreaOptions(per_class=10))
    assert len(table.read_text().splitlines()) < len(drawn.splitlines())


def test_the_next_command_names_the_map(grown_cube: Cube, mapped: Path) -> None:
    write_record(mapped, year=2035)
    done = CliRunner().invoke(app, ["areas", str(grown_cube.path), "--map", str(mapped)])
    assert done.exit_code == 0, done.output
    table = mapped / "reference_sample.csv"
    assert f"mmvsf areas {grown_cube.path} --map {mapped} --reference {table}" in done.stdout


def test_a_map_of_another_cube_is_refused(grown_cube: Cube, mapped: Path, tmp_path: Path) -> None:
    write_record(mapped, cube="0" * 64)
    with pytest.raises(InputError, match="is of another cube"):
        areas(grown_cube, mapped, AreaOptions())
    with pytest.raises(InputError, match=r"there is no crop map in .*; make one"):
        areas(grown_cube, tmp_path, AreaOptions())
