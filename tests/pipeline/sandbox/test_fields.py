"""Fields, rotation, mixed pixels and labels."""

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.warp import transform

from mmvsf.pipeline.sandbox.crop_types import (
    ALFALFA,
    BEANS,
    CORN,
    COVERS,
    DOUBLE_CROP,
    FOREST,
    HAY,
    PASTURE,
    ROAD,
    SOYBEANS,
)
from mmvsf.pipeline.sandbox.fields import lay_out
from mmvsf.pipeline.sandbox.spec import Site, WorldSpec, check_sites
from mmvsf.pipeline.sandbox.tiles import TILES
from mmvsf.pipeline.sandbox.world import SiteWorld, truth


def test_every_cover_has_its_share(wide_sites):
    spec = WorldSpec(9, 2018, 2023)
    for site in wide_sites:
        field_map = lay_out(spec, site)
        shares = np.array([np.bincount(year[field_map.field].ravel(), minlength=12) for year in field_map.crop[:6]])
        shares = shares / field_map.field.size
        sown = np.delete(shares, [DOUBLE_CROP, ROAD], axis=1)
        assert (sown.mean(axis=0) > 0.01).all() and (sown > 0).mean() > 0.95
        assert shares[:, DOUBLE_CROP].mean() > 0.004  # seldom in the north
        assert (shares[:, [CORN, SOYBEANS]].sum(axis=1) > 0.2).all()
        assert 80 <= field_map.parcel.max() <= 200


def test_pasture_and_forest_stay_and_alfalfa_stands_for_years(wide_sites):
    crop = lay_out(WorldSpec(9, 2012, 2023), wide_sites[0]).crop
    for cover in (PASTURE, FOREST, HAY, ROAD):
        assert ((crop == cover).any(axis=0) == (crop == cover).all(axis=0)).all()
    stands = []
    for field in (crop == ALFALFA).T:
        change = np.flatnonzero(np.diff(field.astype(int), prepend=0, append=0))
        known = [(start, stop) for start, stop in zip(change[::2], change[1::2], strict=True) if start and stop < 12]
        stands += [stop - start for start, stop in known]
    assert set(stands) <= {3, 4}
    after_soybeans = crop[1:][crop[:-1] == SOYBEANS]
    assert np.isin(after_soybeans, (SOYBEANS, BEANS)).mean() < 0.2


def test_pixels_are_mixed_of_fields(worlds):
    world = worlds["wide-west"]
    own = world.view(world.site.geobox)
    tile = world.view(TILES[0].geobox)
    assert own is not None
    assert tile is not None
    for view in (own, tile):
        np.testing.assert_allclose(view.mixing.sum(axis=1), 1, atol=1e-12)
        purity = view.mixing.max(axis=1).toarray()
        assert 0.5 < (purity > 0.999).mean() < 0.95
    # On the site's own grid a pixel is exactly nine cells of the field map.
    assert np.allclose(own.mixing.data * 9, np.rint(own.mixing.data * 9))
    assert world.view(TILES[1].geobox) is None


@pytest.mark.slow
def test_both_zones_see_the_same_fields(spec, sites):
    world = truth(spec, sites)["overlap"]
    fields = world.season(2021).reflectance[60]
    west, east = (world.view(tile.geobox) for tile in TILES[:2])
    assert west is not None
    assert east is not None
    seen_west, seen_east = west.mix(fields), east.mix(fields)
    pure_west = (west.mixing.max(axis=1).toarray() > 0.999).ravel()
    distance = np.hypot(west.x[:, None] - east.x, west.y[:, None] - east.y)
    nearest = distance.argmin(axis=1)
    pure = pure_west & (east.mixing.max(axis=1).toarray() > 0.999).ravel()[nearest] & (distance.min(axis=1) < 22)
    assert pure.sum() > 300
    np.testing.assert_allclose(seen_west[pure], seen_east[nearest[pure]], rtol=0.05)
    # Field sums agree: nothing is shifted or scaled between the zones.
    assert np.abs(west.mixing.mean(axis=0) - east.mixing.mean(axis=0)).max() < 0.01


@pytest.mark.slow
def test_labels_are_the_fields_at_the_pixel_centres(archive, spec, sites):
    worlds = truth(spec, sites)
    codes = np.array([cover.code for cover in COVERS])
    for index, year in enumerate(spec.years):
        with rasterio.open(archive / "labels" / f"crop_{year}.tif") as file:
            label, affine, colors = file.read(1), file.transform, file.colormap(1)
            assert file.crs.to_epsg() == 5070
        assert (affine.c % 30, affine.f % 30) == (15, 15)  # as in the national layer
        assert colors[1][:3] == (255, 210, 0)
        labelled = 0
        for world in worlds.values():
            rows, columns = np.nonzero(label)
            x, y = transform("EPSG:5070", "EPSG:32615", affine.c + 30 * (columns + 0.5), affine.f - 30 * (rows + 0.5))
            corner = world.field_map.geobox.affine
            column, row = (np.array(x) - corner.c) / 10, (corner.f - np.array(y)) / 10
            height, width = world.field_map.geobox.shape
            here = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            field = world.field_map.field[row[here].astype(int), column[here].astype(int)]
            assert (label[rows[here], columns[here]] == codes[world.field_map.crop[index][field]]).all()
            labelled += here.sum()
        assert labelled == (label > 0).sum()
    legend = (archive / "labels" / "legend.csv").read_text().splitlines()
    assert legend[:2] == ["code,name,color", "1,Corn,#ffd200"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crs": "EPSG:32614"}, "EPSG:32615"),
        ({"x": 250021}, "HLS grid"),
        ({"resolution": 20}, "30 m"),
    ],
)
def test_unsuitable_grids_are_refused(change, message):
    at = {"crs": "EPSG:32615", "x": 250020, "resolution": 30, **change}
    r = at["resolution"]
    box = GeoBox.from_bbox((at["x"], 4650000, at["x"] + 16 * r, 4650000 + 16 * r), at["crs"], resolution=r, tight=True)
    with pytest.raises(ValueError, match=message):
        check_sites([Site("a", box)])


def test_sites_must_have_names_of_their_own_and_keep_their_distance(sites):
    with pytest.raises(ValueError, match="unique"):
        check_sites([sites[0], sites[0]])
    with pytest.raises(ValueError, match="apart"):
        check_sites([sites[0], Site("neighbour", sites[0].geobox.translate_pix(40, 0))])


def test_unsuitable_specs_are_refused():
    for wrong in ({"crop_dose": 1.5}, {"last_year": 2000}, {"seed": -1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            WorldSpec(**{"seed": 1, "first_year": 2020, "last_year": 2021, **wrong})


def test_doses_share_ground_and_fields(worlds, control):
    for name, world in worlds.items():
        other: SiteWorld = control[name]
        assert (world.field_map.field == other.field_map.field).all()
        assert (world.weather.values == other.weather.values).all()
