"""What a catalogue should list: what is taken out of it is reported, and what it never had is not."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from mmvsf.datasets.cube.calendar import date_of, day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.pipeline.layers.imagery.expected import Listed, compare, tile_in
from mmvsf.pipeline.layers.imagery.missing import Acquisitions
from mmvsf.pipeline.layers.imagery.products import HLS_S30, PRODUCTS
from mmvsf.pipeline.sources.stac.catalogs import catalog
from mmvsf.pipeline.sources.stac.imagery import StacImagery
from mmvsf.pipeline.sources.transport import http
from tests.expected import Tally, measure
from tests.scene_lists import HLS, SceneList, made, real, simulated

from .conftest import Command, Outcome
from .tiny_archive import EAST, TinyArchive

TODAY = date(2027, 6, 1)
CARD = "tiny.DATASET_CARD.md"
REAL = os.environ.get("MMVSF_REAL_DATA")


def days_of(first: str, last: str) -> tuple[int, ...]:
    return tuple(range(day_number(date.fromisoformat(first)), day_number(date.fromisoformat(last)) + 1))


def regular(product: str, days: Iterable[int], cycle: int, phase: int, tile: str = "15TVG") -> set[Listed]:
    return {Listed(product, tile, day) for day in days if day % cycle == phase}


def answer(entries: Iterable[Listed], days: tuple[int, ...], *products: str, today: date = TODAY) -> Acquisitions:
    return compare(entries, products or ("hls-s30",), days, today)


def missing_days(found: Acquisitions) -> list[str]:
    return [str(date_of(day)) for gap in found.gaps for day in gap.run.days]


YEAR = days_of("2024-04-01", "2024-10-31")
FULL = regular("hls-s30", YEAR, 5, 2)


# ------------------------------------------------------------------ the model


def test_a_full_catalogue_lacks_nothing() -> None:
    found = answer(FULL, YEAR)
    assert (found.listed, found.gaps) == (found.expected, ())
    assert str(found) == f"the catalogue lists {len(FULL)} of about {len(FULL)} acquisitions expected"


def test_the_end_of_a_season_is_reported_with_the_last_day_listed() -> None:
    cut = {entry for entry in FULL if entry.day < day_number(date(2024, 6, 17))}
    first, last = (date_of(end(days)) for end, days in (
        (min, [entry.day for entry in FULL - cut]), (max, [entry.day for entry in cut])))  # fmt: skip
    assert f"missing: hls-s30 of T15TVG from {first} on (last listed {last})" in str(answer(cut, YEAR))


def test_one_entry_is_reported() -> None:
    taken = sorted(FULL, key=lambda entry: entry.day)[20]
    assert missing_days(answer(FULL - {taken}, YEAR)) == [str(date_of(taken.day))]


def test_a_satellite_is_reported_by_the_cycle_of_the_other() -> None:
    found = answer({entry for entry in FULL if entry.day % 10 == 2}, YEAR)
    assert len(missing_days(found)) == len([entry for entry in FULL if entry.day % 10 == 7])
    assert "missing: one satellite's hls-s30 of T15TVG from" in str(found)


def test_a_tile_is_reported_that_another_product_is_listed_in() -> None:
    entries = FULL | regular("hls-l30", YEAR, 8, 3) | regular("hls-l30", YEAR, 8, 3, "15TVH")
    found = answer(entries, YEAR, *HLS)
    assert "missing: all hls-s30 of T15TVH" in str(found) and found.absent == ()


def test_a_catalogue_that_stops_before_its_tracks_are_known() -> None:
    days = days_of("2026-06-09", "2026-10-31")
    landsat = regular("hls-l30", days, 8, 3)
    cut = {entry for entry in regular("hls-s30", days, 5, 2) if entry.day < day_number(date(2026, 6, 17))}
    found = answer(landsat | cut, days, *HLS)
    assert 0 < len(cut) < 3 and found.absent == ()
    assert "missing: nearly all hls-s30 of T15TVG" in str(found)


def test_a_product_is_absent_that_is_never_listed() -> None:
    found = answer(FULL, YEAR, *HLS)
    assert found.absent == ("hls-l30",) and "missing: all hls-l30 of T15TVG" in str(found)
    assert answer(FULL, YEAR[:50], *HLS).absent == ()  # not a season


def test_gaps_that_are_usual_on_a_track_are_not_reported() -> None:
    assert answer({entry for entry in FULL if entry.day % 7}, YEAR).gaps == ()


def test_a_pass_that_only_grazes_a_tile_is_not_expected() -> None:
    grazing = regular("hls-s30", YEAR, 15, 4)
    assert answer(FULL | grazing, YEAR).expected == len(FULL)


def test_a_few_dates_prove_nothing() -> None:
    assert answer(sorted(FULL)[:2], YEAR) == Acquisitions(0, 0)


def test_days_to_come_and_just_gone_are_not_expected() -> None:
    today = date(2024, 7, 1)
    listed = {entry for entry in FULL if entry.day <= day_number(today) - 10}
    assert answer(listed, YEAR, today=today).gaps == ()
    assert answer(listed, YEAR, today=today + timedelta(days=60)).gaps != ()


def test_landsat_9_is_expected_since_it_flies() -> None:
    days = days_of("2021-01-01", "2022-12-31")
    pair = day_number(date(2021, 12, 1))
    landsat_8 = regular("hls-l30", days, 16, 3)
    both = landsat_8 | {entry for entry in regular("hls-l30", days, 16, 11) if entry.day >= pair}
    assert answer(both, days, "hls-l30").gaps == ()
    (gap,) = answer(landsat_8, days, "hls-l30").gaps
    assert date_of(gap.run.days[0]) >= date(2021, 12, 1) and gap.run.of_one_satellite


def test_sentinel_2a_is_not_expected_in_its_extended_mission() -> None:
    days = days_of("2026-01-01", "2026-12-31")
    every_ten = regular("hls-s30", days, 5, 2) | regular("hls-s30", days, 10, 4)
    found = answer(every_ten, days)
    assert found.gaps == () and found.expected == len(regular("hls-s30", days, 5, 2))
    alone = regular("hls-s30", days, 10, 2)  # no visitor: the other satellite of the track is missing
    assert answer(alone, days).gaps


def test_products_of_unknown_satellites_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = replace(HLS_S30, constellation=HLS_S30.constellation._replace(service=None))
    monkeypatch.setitem(PRODUCTS, "hls-s30", unknown)
    assert answer(FULL, YEAR) == Acquisitions(0, 0)


@pytest.mark.parametrize(
    ("identity", "tile"),
    [
        ("HLS.S30.T15TVG.2022152T170100.v2.0", "15TVG"),
        ("S2A_28QCH_20200714_0_L2A", "28QCH"),
        ("S2B_MSIL2A_20190629T212529_R043_T06VVN_20201006T080531", "06VVN"),
        ("S2_31UDS_20170804T105328_L2A", "31UDS"),
        ("LC08_L2SP_028030_20200114_20200824_02_T1_SR", "028030"),
        ("scene 7", None),
    ],
)
def test_the_tile_in_a_name(identity: str, tile: str | None) -> None:
    assert tile_in(identity) == tile


# ------------------------------------------------------------------ how often


@pytest.mark.parametrize(
    "scenario",
    [
        "one entry of a full track",
        "a month of a product, 5 or more a tile",
        "one satellite",
        "one tile of a product",
        "Sentinel-2 from 16 to 18 June on",
    ],
)
def test_what_is_taken_out_of_the_simulated_archive_is_reported(scenario: str) -> None:
    tally = measure(simulated("sandbox"), scenario)
    assert tally.removed >= 100 and tally.found >= 0.95 * tally.removed and tally.gaps_found == tally.gaps
    assert tally.false < 0.01 * tally.expected


def test_the_simulated_archive_itself_is_hardly_reported() -> None:
    tally = measure(simulated("sandbox"), "nothing")
    assert tally.expected > 1_500 and tally.false < 0.01 * tally.expected


def test_june_2026_is_reported() -> None:
    scenes = made()
    cut = day_number(date(2026, 6, 17))
    found = answer(
        (entry for entry in scenes.entries if entry.product != "hls-s30" or entry.day < cut), scenes.days, *HLS
    )
    assert "hls-s30 of 4 tiles from 2026-06-1" in str(found) and "(last listed 2026-06-1" in str(found)


@pytest.mark.skipif(REAL is None, reason="needs real data: set MMVSF_REAL_DATA")
def test_real_lists() -> None:
    total, cut = Tally(), Tally()
    lists: list[SceneList] = list(real(Path(REAL or "")))
    for scenes in lists:
        total.add(measure(scenes, "nothing"))
        cut.add(measure(scenes, "Sentinel-2 from 16 to 18 June on"))
    assert total.false < 0.01 * total.expected and cut.found > 0.95 * cut.removed


# --------------------------------------------------------------- plan, dataset


def listing(archive: TinyArchive, keep: Callable[[str, date], bool] = lambda product, day: True) -> None:
    """Make the archive list Sentinel-2 every 5 days and Landsat every 8 on one tile, as far as `keep` (collection, day)
    says, with the pixels of one scene each."""
    models = {
        collection: next(i for i in archive.items if i["collection"] == collection and EAST.tile in i["id"])
        for collection in ("hls2-s30", "hls2-l30")
    }
    archive.items = []
    for collection, cycle in (("hls2-s30", 5), ("hls2-l30", 8)):
        for day in map(date_of, days_of("2020-06-01", "2021-06-30")):
            if day_number(day) % cycle == 1 and day.month in (5, 6) and keep(collection, day):
                item: dict[str, Any] = json.loads(json.dumps(models[collection]))
                item["id"] = f"HLS.{collection[-3:].upper()}.{EAST.tile}.{day:%Y%j}T170100.v2.0"
                item["properties"]["datetime"] = f"{day}T17:01:00Z"
                archive.items.append(item)
    archive.write_items()


def without_june(collection: str, day: date) -> bool:
    return collection == "hls2-l30" or day < date(2021, 6, 1)


def plan_of(archive: TinyArchive, mmvsf: Command) -> dict[str, Any]:
    outcome = mmvsf("plan", archive.recipe, "--data-dir", archive.data, "--json")
    assert outcome.code == 0, outcome.err
    facts: dict[str, Any] = json.loads(outcome.out)
    return facts


def test_a_plan_of_a_full_archive_counts_and_does_not_warn(tiny: TinyArchive, mmvsf: Command) -> None:
    listing(tiny)
    facts = plan_of(tiny, mmvsf)
    assert facts["warnings"] == [] and facts["acquisitions"]["missing"] == []
    assert facts["acquisitions"]["listed"] == facts["acquisitions"]["expected"] == len(tiny.items)


def test_a_plan_names_what_is_missing(tiny: TinyArchive, mmvsf: Command) -> None:
    listing(tiny, without_june)
    (warning,) = plan_of(tiny, mmvsf)["warnings"]
    assert "missing: hls-s30 of T15TTG from 2021-06-0" in warning and "(last listed 2021-05-" in warning


def test_a_build_says_it_and_keeps_it(
    tiny: TinyArchive, mmvsf: Command, dataset: Callable[[TinyArchive], Outcome]
) -> None:
    listing(tiny, without_june)
    outcome = dataset(tiny)
    assert outcome.code == 0, outcome.err
    assert "missing: hls-s30 of T15TTG" in " ".join(outcome.out.split())
    assert "lacked scenes that satellites acquired: hls-s30 of T15TTG" in tiny.cube.with_name(CARD).read_text()
    kept = Cube.open(tiny.cube).attributes["acquisitions"]
    assert kept["listed"] < kept["expected"] and kept["missing"][0].startswith("hls-s30 of T15TTG from 2021-06-0")


def test_a_product_without_any_scene_is_refused(
    tiny: TinyArchive, mmvsf: Command, dataset: Callable[[TinyArchive], Outcome]
) -> None:
    listing(tiny, lambda collection, day: collection == "hls2-l30")
    assert "missing: all hls-s30 of T15TTG" in plan_of(tiny, mmvsf)["warnings"][0]
    outcome = dataset(tiny)
    assert outcome.code == 2 and not tiny.cube.exists()
    assert "take another imagery.catalog, or leave hls-s30 out of imagery.products" in outcome.error


def test_an_empty_answer_is_compared_too(tiny: TinyArchive, mmvsf: Command) -> None:
    listing(tiny, lambda collection, day: False)
    outcome = mmvsf("plan", tiny.recipe, "--data-dir", tiny.data)
    assert outcome.code == 2
    assert "satellites acquired about 19 scenes of hls-s30 over any place in that period" in outcome.error


def test_the_gap_of_the_planetary_computer_is_explained() -> None:
    source = StacImagery(catalog("planetary-computer", http.RETRY_POLICY), http.RETRY_POLICY)
    reason = source.known_gap("hls-s30", date(2026, 8, 1))
    assert "did not end" in reason and "lpcloud" in reason
    assert not source.known_gap("hls-s30", date(2026, 6, 1)) and not source.known_gap("hls-l30", date(2026, 8, 1))
