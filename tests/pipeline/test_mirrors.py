"""HLS from a list of services: whichever of them gives a granule, the cube is the same to the byte."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mmvsf.datasets.cube.cube import Cube, digest
from mmvsf.pipeline.inspect.explain import scene_services
from mmvsf.pipeline.layers.found import FoundScenes
from mmvsf.pipeline.layers.imagery.unlisted import listing_of, unlisted
from mmvsf.pipeline.raster.scene import Asset, RasterGrid, Scene
from mmvsf.pipeline.sources import mirrors
from mmvsf.pipeline.sources.mirrors import merged
from mmvsf.pipeline.sources.transport import earthdata, http, signing
from mmvsf.pipeline.sources.transport import remote_raster as remote

from ..servers.archive import ArchiveServer
from ..servers.base import Fault, StandIn, corrupt, reset, status
from ..servers.earthengine import EarthEngine, archive_images
from .conftest import Outcome, build_tiny
from .earthengine_session import serving
from .test_earthengine import only_version_2
from .test_stac import OF_LPDAAC, QUICK
from .tiny_archive import EAST, PIXEL, TinyArchive

ALL = ["planetary-computer", "lpcloud", "earthengine"]
PC, LP, EE = ALL
FILES = r"\.tif"
Build = Callable[..., Outcome]


@dataclass(frozen=True)
class Served:
    """The tiny archive in three services."""

    archive: TinyArchive
    planetary_computer: ArchiveServer
    lpcloud: ArchiveServer
    earthengine: EarthEngine
    undisturbed: str
    """digest of the cube that is read from files"""

    def server(self, name: str) -> StandIn:
        servers: tuple[StandIn, ...] = (self.planetary_computer, self.lpcloud, self.earthengine)
        return dict(zip(ALL, servers, strict=True))[name]

    def services(self) -> set[str]:
        """The services that gave scenes of the cube."""
        cube = Cube.open(self.archive.cube)
        return set(scene_services(cube.attributes, cube.array("scenes/product")))


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> TinyArchive:
    """The archive with its finished cube, read from files."""
    archive = only_version_2(TinyArchive(tmp_path_factory.mktemp("known")).write())
    write_recipe(archive, imagery__source="archive", imagery__path="archive", imagery__catalog=None)
    build_tiny(archive)
    return archive


@pytest.fixture
def served(known: TinyArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    tiny = TinyArchive(tmp_path, known.items)
    tiny.root.symlink_to(known.root)
    monkeypatch.setattr(http, "RETRY_POLICY", replace(QUICK, attempts=2))
    for module, name in (
        (remote, "_resting"), (mirrors, "_resting"), (signing, "_tokens"), (signing, "_refusals"),
        (earthdata, "_tokens"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, {})
    monkeypatch.delenv("EARTHDATA_TOKEN", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with (
        ArchiveServer(tiny.root, access="sas") as first,
        ArchiveServer(tiny.root, access="earthdata", collections=OF_LPDAAC, bare=True) as second,
        serving([image for image in archive_images(tiny.root) if "HLS" in image.id], monkeypatch) as third,
    ):
        for server in (second, first):
            for name, value in server.environment().items():
                monkeypatch.setenv(name, value)
        monkeypatch.setenv("MMVSF_URS_URL", second.url)
        monkeypatch.setenv("MMVSF_LPCLOUD_URL", second.stac_url)
        doors = second.doors
        (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login {doors.user} password {doors.password}\n")
        (tmp_path / "netrc").chmod(0o600)
        write_recipe(tiny)
        yield Served(tiny, first, second, third, digest(known.cube))


def write_recipe(archive: TinyArchive, **changes: object) -> None:
    """The recipe of all services; labels, and weather but for one variable, would only take time."""
    lines = {"imagery__source": "stac", "imagery__path": None, "imagery__catalog": ALL, "imagery__complete_above": 0.5}
    lines |= {"labels": None, "weather__variables": ["tmin"]}
    lines |= changes
    if lines["imagery__catalog"] is None:
        del lines["imagery__catalog"]
    archive.write_recipe(**lines)


def test_the_first_service_gives_all_and_the_cube_says_so(served: Served, dataset: Build, mmvsf: Build) -> None:
    outcome = dataset(served.archive)
    assert outcome.code == 0, outcome.err
    assert digest(served.archive.cube) == served.undisturbed and served.services() == {PC}
    x, y = EAST.left + 20 * PIXEL, EAST.top - 20 * PIXEL
    sentence = mmvsf("explain", served.archive.cube, "--day", "2020-06-10", "--x", x, "--y", y).out
    assert f"hls-s30 of {PC} ({served.planetary_computer.url}" in sentence


@pytest.mark.parametrize(
    ("faults", "by"),
    [
        ({PC: (FILES, reset(), 20)}, {PC, LP}),
        ({PC: (FILES, status(429, 1), 20)}, {PC, LP}),
        ({PC: (FILES, corrupt(), 20)}, {LP}),
        ({PC: ("/stac/search", status(503), 0)}, {LP}),
        ({PC: (FILES, status(403), 20), LP: (FILES, reset(), 20)}, {EE}),
        ({LP: ("/stac", reset(), 0)}, {PC}),
        ({EE: ("", status(500), 0)}, {PC}),
    ],
    ids=["killed", "throttled", "corrupt", "search", "two killed", "second search", "last"],
)
def test_any_service_may_fail(
    served: Served, dataset: Build, faults: dict[str, tuple[str, Fault, int]], by: set[str]
) -> None:
    for name, (pattern, fault, after) in faults.items():
        served.server(name).fail(pattern, fault, after=after)
    outcome = dataset(served.archive, "--json")
    assert outcome.code == 0, outcome.err
    assert digest(served.archive.cube) == served.undisturbed
    names = {name for services in served.services() for name in services.split(", ")}
    assert by <= names, names
    assert sum(json.loads(outcome.out.splitlines()[-1])["scenes_by_service"].values()) >= 30
    for server in map(served.server, ALL):
        server.clear_faults()
    finished = Cube.open(served.archive.cube).attributes["finished"]
    assert dataset(served.archive).code == 0
    assert Cube.open(served.archive.cube).attributes["finished"] == finished


def test_a_catalogue_that_ends_or_lists_wrong_items(served: Served, dataset: Build) -> None:
    items = served.planetary_computer.items
    served.planetary_computer.items = [item for item in items if "S30" not in item["id"] or ".2020" in item["id"]]
    item = next(item for item in served.planetary_computer.items if "L30" in item["id"])
    item["assets"] = None
    outcome = dataset(served.archive)
    assert outcome.code == 0, outcome.err
    assert digest(served.archive.cube) == served.undisturbed and served.services() == {PC, LP}


def test_a_service_without_credentials_is_left_out_with_a_line(
    served: Served, mmvsf: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETRC", "/nowhere")
    plan = ("plan", served.archive.recipe, "--data-dir", served.archive.data, "--json")
    warnings = json.loads(mmvsf(*plan).out)["warnings"]
    assert any(re.match("hls-s30 is not taken from lpcloud.*Earthdata token is missing", line) for line in warnings), (
        warnings
    )
    assert not served.lpcloud.requests
    write_recipe(served.archive, imagery__catalog=[LP])
    outcome = mmvsf("dataset", served.archive.recipe, "--data-dir", served.archive.data)
    assert outcome.code == 2 and "Earthdata token is missing" in outcome.error


def test_scenes_that_nobody_lists_during_an_outage_stay_in_the_cube(served: Served, dataset: Build) -> None:
    served.planetary_computer.items = [item for item in served.planetary_computer.items if "S30" not in item["id"]]
    write_recipe(served.archive, imagery__catalog=[PC, LP])
    assert dataset(served.archive).code == 0
    served.lpcloud.fail("/stac", reset())
    outcome = dataset(served.archive)
    assert outcome.code == 1 and "6 scenes that are not listed now" in outcome.error
    assert f"hls-s30 is not taken from {LP}" in outcome.error
    assert digest(served.archive.cube) == served.undisturbed


@pytest.mark.parametrize("half", [False, True])
def test_a_catalogue_that_lists_less_than_it_did_removes_nothing(
    served: Served, dataset: Build, mmvsf: Build, half: bool
) -> None:
    write_recipe(served.archive, imagery__catalog=PC)
    if half:
        served.planetary_computer.fail(r"2021\d{3}T.*\.tif", status(404))
        assert dataset(served.archive).code == 1
        served.planetary_computer.clear_faults()
    else:
        assert dataset(served.archive).code == 0
    items = served.planetary_computer.items
    fewer = [item for item in items if not re.match(r"HLS\.S30\.\w+\.2021", item["id"])]
    assert 0 < len(fewer) < len(items)
    served.planetary_computer.items = fewer
    before = _shards(served.archive.cube)
    for command in ("dataset", "repair", *(() if half else ("extend",))):
        outcome = mmvsf(command, served.archive.recipe, "--data-dir", served.archive.data)
        assert outcome.code == 1 and re.search(
            r"the cube has \d scenes that are not listed now, for example HLS\.S30", outcome.error
        )
        assert "--fewer-scenes" in outcome.error and _shards(served.archive.cube) == before, outcome.error
    served.planetary_computer.items = items
    assert dataset(served.archive).code == 0 and digest(served.archive.cube) == served.undisturbed
    served.planetary_computer.items = fewer
    assert dataset(served.archive, "--fewer-scenes").code == 0
    ids = Cube.open(served.archive.cube).array("scenes/id")
    assert not any(re.match(r"HLS\.S30\.\w+\.2021", name) for name in ids.tolist())
    assert dataset(served.archive).code == 0


def test_a_scene_that_was_processed_again_is_not_missing() -> None:
    """Its id is another one, its acquisition is the same."""
    scene = _scene("A", 1)
    recorded = listing_of([scene, _scene("B", 2)])
    again = [replace(scene, id="A_again", version="v2.1"), replace(_scene("B", 2), fault="cannot be read")]
    assert unlisted(recorded, again, ["hls-s30"], [1, 2]) == []
    assert unlisted(recorded, again[:1], ["hls-s30"], [1, 2]) == [("B", 2)]
    assert unlisted(recorded, [], ["hls-l30"], [1, 2]) == unlisted(recorded, [], ["hls-s30"], [3]) == []


def _scene(name: str, day: int) -> Scene:
    asset = Asset(f"https://example.org/{name}.tif", RasterGrid("EPSG:32615", (30, 0, 0, 0, -30, 0), (8, 8)))
    moment = datetime(1970, 1, 1 + day, 17, tzinfo=UTC)
    return Scene(name, "hls-s30", moment, "v2.0", (asset,), asset, 0, day)


def _shards(cube: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in (cube / "tiles").rglob("c/*") if path.is_file()}


def test_all_services_down(served: Served, dataset: Build) -> None:
    for name in ALL:
        served.server(name).fail("", reset())
    outcome = dataset(served.archive)
    assert outcome.code == 1 and outcome.error.count("127.0.0.1") >= 3


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ({"imagery__catalog": []}, ("takes a name, or a list of names",)),
        ({"imagery__catalog": [PC, LP, PC]}, (f"names {PC} twice",)),
        ({"imagery__catalog": [PC, 3]}, ("takes a name, or a list of names",)),
        ({"imagery__catalog": {"first": PC}}, ("takes a name, or a list of names",)),
        ({"imagery__catalog": [PC, "lpclod"]}, ("'lpclod'", LP)),
        ({"imagery__products": ["sentinel-2-l2a"]}, ("name one for sentinel-2-l2a",)),
    ],
)
def test_a_wrong_list_is_refused_in_one_line(
    tiny: TinyArchive, dataset: Build, lines: dict[str, object], words: tuple[str, ...]
) -> None:
    write_recipe(tiny, **lines)
    outcome = dataset(tiny)
    assert outcome.code == 2 and "imagery.catalog" in outcome.error
    assert all(word in outcome.error for word in words), outcome.error


GRID = RasterGrid("EPSG:32615", (30, 0, 0, 0, -30, 0), (10, 10))
NAME = "HLS.S30.T15TTG.2021125T170100.v2.0"


def scene(host: str, identity: str = NAME, **changes: object) -> Scene:
    asset = Asset(f"https://{host}/{identity}", GRID)
    when = datetime(2021, 5, 5, 17, 1, tzinfo=UTC)
    made = Scene(identity, "hls-s30", when, "v2.0", (asset,), asset, 0, 18_752)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_granules_are_merged_by_name() -> None:
    faulty = scene("a", bands=(), fault="no asset", version="")
    moved = GRID._replace(shape=(9, 9))
    elsewhere = scene("b", quality=Asset("https://b/moved", moved))

    def merge(*answers: tuple[str, Scene]) -> tuple[Scene, ...]:
        return merged([(name, FoundScenes((found,))) for name, found in answers])

    (both,) = merge(("a", scene("a", version="2.0")), ("b", scene("b")))
    assert both.quality.service == "a" and both.version == "v2.0"
    assert [(place.service, place.href) for place in both.quality.elsewhere] == [("b", f"https://b/{NAME}")]
    (sound,) = merge(("a", faulty), ("b", scene("b")))
    assert not sound.fault and sound.quality.service == "b"
    (once,) = merge(("a", faulty), ("b", faulty))
    assert once.fault == "no asset"
    (first,) = merge(("a", scene("a")), ("b", elsewhere))
    assert first.quality.grid == GRID and not first.quality.elsewhere
    assert len(merge(("a", scene("a", "entry 5", fault="no id")), ("b", scene("b")))) == 2
