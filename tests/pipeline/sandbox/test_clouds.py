import numpy as np
import pytest

from mmvsf.pipeline.sandbox.climate import day_of_year, extraterrestrial_radiation
from mmvsf.pipeline.sandbox.clouds import ADJACENT, CLOUD, SHADOW, Sky, sky
from mmvsf.pipeline.sandbox.tiles import passes
from mmvsf.pipeline.sandbox.world import SiteWorld

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def skies(worlds) -> list[tuple[SiteWorld, Sky, float]]:
    """Every sky of two seasons over two sites, with the day's clearness."""
    found = []
    for world in worlds.values():
        for year in world.spec.years:
            for overflight in passes(world.spec, year):
                day = int((overflight.day - world.weather.days[0]).astype(int))
                day_number = day_of_year(world.weather.days[[day]])
                top = extraterrestrial_radiation(day_number, world.weather.latitude)
                clearness = float(world.weather["radiation"][day] / top[0])
                found.append((world, sky(world.spec, world.site, world.weather, overflight), clearness))
    return found


def centres(world: SiteWorld) -> tuple[np.ndarray, np.ndarray]:
    box = world.site.geobox
    x, y = np.meshgrid(np.arange(box.shape[1]) + 0.5, np.arange(box.shape[0]) + 0.5)
    return box.affine.c + 30 * x.ravel(), box.affine.f - 30 * y.ravel()


def test_half_of_what_is_seen_is_clear_and_dull_days_are_cloudy(skies):
    clear = np.array([((s.over(*centres(w)).flags() & (CLOUD | ADJACENT | SHADOW)) == 0).mean() for w, s, _ in skies])
    assert 0.40 < clear.mean() < 0.60
    assert (clear > 0.98).mean() > 0.1
    assert (clear < 0.02).mean() > 0.1
    clearness = np.array([c for _, _, c in skies])
    assert clear[clearness > 0.72].mean() > clear[clearness < 0.5].mean() + 0.4


def test_what_is_not_flagged_is_not_changed(skies):
    for world, above, _ in skies[::15]:
        overhead = above.over(*centres(world))
        ground = np.full((overhead.thickness.size, 6), 0.2, dtype=np.float32)
        seen, flags = overhead.cover(ground), overhead.flags()
        untouched = flags & (CLOUD | SHADOW) == 0
        assert (seen[untouched] == ground[untouched]).all()
        assert (seen[flags & CLOUD > 0][:, 0] > 0.2).all()
        assert (seen[flags & SHADOW > 0] < 0.2).all()


def test_shadows_lie_away_from_the_sun(skies):
    """At half past ten the sun stands in the southeast."""
    for _, above, _ in skies[::15]:
        east, north = above.to_sun
        assert east > 0
        assert north < 0
        assert 250 < np.hypot(east, north) < 3600


def test_high_aerosol_is_rare(skies):
    assert 0.01 < np.mean([above.aerosol == 3 for _, above, _ in skies]) < 0.12
