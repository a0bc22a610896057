"""The properties MM-VSF promises, each tried at random initialisation and after some training.

Equality is exact (`torch.equal`) wherever information must not pass at all.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mmvsf.datasets.samples.batch import Batch
from mmvsf.model.mmvsf.layers import from_patches, to_patches
from mmvsf.model.mmvsf.network import MMVSF
from mmvsf.model.mmvsf.objectives import (
    OBJECTIVES,
    SPREAD,
    Objective,
    hidden_patches,
    uniform_keep,
    visible_patches,
)
from mmvsf.model.mmvsf.sizes import SIZES, NetworkConfig
from mmvsf.model.mmvsf.weather_encoder import faded

BANDS = ("blue", "green", "red", "nir", "swir1", "swir2")
WEATHER = ("tmin", "tmax", "precipitation")
START = 17440  # 1 October 2017


def make_batch(seed: int = 0, b: int = 3, t: int = 7, p: int = 5, size: int = 16, days: int = 300) -> Batch:
    """Random images, half of their pixels clouded in blotches, and random weather; two samples share a series."""
    g = torch.Generator().manual_seed(seed)
    image_days = torch.stack([torch.randperm(200, generator=g)[:t].sort().values for _ in range(b)]) + START + 60
    cloud = torch.rand(b, t, size // 4, size // 4, generator=g) < 0.4
    valid = ~cloud.repeat_interleave(4, 2).repeat_interleave(4, 3)
    valid &= torch.rand(valid.shape, generator=g) > 0.1
    images = torch.randn(b, t, 6, size, size, generator=g) * valid[:, :, None]
    origin = torch.randint(0, t, (b, p), generator=g)
    lead = torch.randint(0, 40, (b, p), generator=g)
    return Batch(
        images=images,
        image_days=image_days,
        valid=valid,
        weather=torch.randn(2, days, len(WEATHER), generator=g),
        weather_start=torch.tensor([START, START]),
        weather_index=torch.arange(b) % 2,
        origin=origin,
        target=torch.randn(b, p, 6, size, size, generator=g),
        target_valid=torch.rand(b, p, size, size, generator=g) > 0.3,
        target_day=image_days.gather(1, origin) + lead,
    )


def make_network(**changes: object) -> MMVSF:
    torch.manual_seed(0)
    network = MMVSF(NetworkConfig(BANDS, WEATHER, **{"width": 32, "heads": 2, "mlp": 64} | changes))
    network.weather.mean.copy_(torch.tensor([8.0, 20.0, 3.0]))
    network.weather.std.copy_(torch.tensor([6.0, 7.0, 6.0]))
    return network.eval()


def train_a_little(network: MMVSF) -> MMVSF:
    """Enough steps on smooth images to move every weight; lead zero among the targets."""
    network.train()
    objective = Objective(mask_ratio=0.25)
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3)
    for step in range(60):
        batch = make_batch(seed=100 + step)
        scene = batch.images.gather(1, batch.origin[:, :, None, None, None].expand_as(batch.target))
        seen = batch.valid.gather(1, batch.origin[:, :, None, None].expand_as(batch.target_valid))
        same = torch.rand(batch.origin.shape, generator=torch.Generator().manual_seed(step)) < 0.5
        day = torch.where(same, batch.image_days.gather(1, batch.origin), batch.target_day)
        batch = replace(batch, target=scene, target_valid=seen, target_day=day)
        optimiser.zero_grad()
        objective(network, batch, torch.Generator().manual_seed(step), 0.0).backward()
        optimiser.step()
    return network.eval()


COARSE = {"patch": 4, "spatial_layers": 2, "decoder_layers": 1, "decays": ()}
"""Patches that see each other, and a recurrent memory of weather, as the paper has them"""
TRAINED = (pytest.param(name, marks=pytest.mark.slow) for name in ("trained", "trained, coarse"))


@pytest.fixture(scope="module", params=["random", *TRAINED])
def network(request: pytest.FixtureRequest) -> MMVSF:
    if request.param == "random":
        return make_network()
    return train_a_little(make_network(**(COARSE if "coarse" in request.param else {})))


@pytest.fixture
def batch() -> Batch:
    return make_batch()


def only(batch: Batch, sample: int, target: int) -> Batch:
    """One forecast of one sample, keeping every shape that follows from the images."""
    pick = slice(target, target + 1)
    at = slice(sample, sample + 1)
    return replace(
        batch,
        images=batch.images[at],
        image_days=batch.image_days[at],
        valid=batch.valid[at],
        weather_index=batch.weather_index[at],
        origin=batch.origin[at, pick],
        target=batch.target[at, pick],
        target_valid=batch.target_valid[at, pick],
        target_day=batch.target_day[at, pick],
    )


def run(network: MMVSF, batch: Batch) -> Tensor:
    with torch.no_grad():
        out = network(batch)
    assert torch.isfinite(out).all()
    return out


def each(batch: Batch) -> list[Batch]:
    b, p = batch.origin.shape
    return [only(batch, sample, target) for sample in range(b) for target in range(p)]


# 1. Weather and images: the past matters, the future does not exist.


@pytest.mark.parametrize("days", [1, 31, 32, 33, 200])
def test_effects_of_weather_fade(days: int) -> None:
    """Averages by their definition: a sum over all earlier days, whose weights fall by 1 / e in the time constant."""
    decays, daily = (2.0, 60.0), torch.randn(2, days, 3, dtype=torch.float64)
    age = torch.arange(days)[:, None] - torch.arange(days)
    weights = [torch.where(age >= 0, (-age / tau).exp() * (1 - math.exp(-1 / tau)), 0.0).double() for tau in decays]
    torch.testing.assert_close(
        faded(daily.float(), decays), torch.cat([each @ daily for each in weights], -1).float(), atol=1e-6, rtol=1e-5
    )


def test_weather_on_or_after_the_target_day_changes_nothing(network: MMVSF, batch: Batch) -> None:
    for single in each(batch):
        days_before = int(single.target_day[0, 0]) - START  # rows before the target day
        changed = single.weather.clone()
        changed[:, days_before:] = torch.randn_like(changed[:, days_before:]) * 9
        assert torch.equal(run(network, single), run(network, replace(single, weather=changed)))


def test_the_last_day_before_the_target_does_change_the_forecast(network: MMVSF, batch: Batch) -> None:
    for single in each(batch):
        changed = single.weather.clone()
        changed[:, int(single.target_day[0, 0]) - START - 1] += 2
        assert not torch.equal(run(network, single), run(network, replace(single, weather=changed)))


def test_weather_of_the_gap_changes_the_forecast(network: MMVSF, batch: Batch) -> None:
    for single in each(batch):
        origin_day = int(single.image_days.gather(1, single.origin)[0, 0])
        lead = int(single.target_day[0, 0]) - origin_day
        changed = single.weather.clone()
        changed[:, origin_day - START : origin_day - START + lead] += 1
        assert torch.equal(run(network, single), run(network, replace(single, weather=changed))) == (lead == 0)


def test_weather_after_an_image_does_not_reach_its_embedding(network: MMVSF, batch: Batch) -> None:
    with torch.no_grad():
        before = network.encode(batch)
        row = int(before.days[0, 3]) - START
        changed = batch.weather.clone()
        changed[:, row:] += 3
        after = network.encode(replace(batch, weather=changed))
    assert torch.equal(before.tokens[0, :, :4], after.tokens[0, :, :4])
    assert not torch.equal(before.tokens[0, :, 4:], after.tokens[0, :, 4:])


@pytest.mark.slow
def test_images_after_the_origin_change_nothing(network: MMVSF, batch: Batch) -> None:
    for single in each(batch):
        later = single.image_days > single.image_days.gather(1, single.origin)
        images = single.images + torch.randn_like(single.images) * (later[:, :, None, None] & single.valid)[:, :, None]
        valid = single.valid & ~(later[:, :, None, None] & (torch.rand(single.valid.shape) < 0.5))
        assert torch.equal(run(network, single), run(network, replace(single, images=images * 1.0)))
        assert torch.equal(run(network, single), run(network, replace(single, valid=valid)))


@pytest.mark.slow
def test_every_earlier_clear_image_changes_the_forecast(network: MMVSF, batch: Batch) -> None:
    """In each patch, and from each of the earlier images: time is attended to, patch and time not confused."""
    for single in each(batch):
        origin_day = single.image_days.gather(1, single.origin)
        before = run(network, single)
        for image in range(single.images.shape[1]):
            changed = single.images.clone()
            changed[:, image] += single.valid[:, image, None] * torch.randn_like(changed[:, image])
            moved = to_patches(run(network, replace(single, images=changed)) - before, 4).abs().amax((-1, -2))[0, :, 0]
            seen = to_patches(single.valid[:, :, None].float(), 4)[0, :, image, :, 0].amax(-1) > 0
            if single.image_days[0, image] > origin_day[0, 0]:
                assert not moved.any()
            elif seen.any():  # training may leave an influence so small that rounding swallows it here and there
                assert (moved[seen] > 0).any()


def test_embeddings_look_back_and_never_ahead(network: MMVSF, batch: Batch) -> None:
    """An image reaches the embeddings of its own day and of every later one, and no earlier one."""
    with torch.no_grad():
        before = network.encode(batch)
        for image in range(batch.images.shape[1]):
            changed = batch.images.clone()
            changed[:, image] += batch.valid[:, image, None] * torch.randn_like(changed[:, image])
            after = network.encode(replace(batch, images=changed))
            moved = (before.tokens != after.tokens).any(-1)  # (B, N, T), sorted by day
            seen = before.valid[:, :, image].any(-1)
            assert not moved[:, :, :image].any()
            assert moved[:, :, image:][seen].float().mean() > 0.9


def test_samples_and_targets_do_not_mix(network: MMVSF, batch: Batch) -> None:
    whole = run(network, batch)
    for sample in range(3):
        for target in range(5):
            alone = run(network, only(batch, sample, target))
            torch.testing.assert_close(alone[0, 0], whole[sample, target], atol=1e-4, rtol=1e-4)
    images = batch.images.clone()
    images[1] = torch.randn_like(images[1]) * batch.valid[1, :, None]
    changed = run(network, replace(batch, images=images))
    assert torch.equal(changed[[0, 2]], whole[[0, 2]]) and not torch.equal(changed[1], whole[1])


# 2. What is not valid does not exist.


def test_invalid_pixels_change_nothing(network: MMVSF, batch: Batch) -> None:
    images = torch.where(batch.valid[:, :, None], batch.images, torch.randn_like(batch.images) * 100)
    assert torch.equal(run(network, batch), run(network, replace(batch, images=images)))
    images = torch.where(batch.valid[:, :, None], batch.images, float("nan"))
    assert torch.equal(run(network, batch), run(network, replace(batch, images=images)))


def test_an_invalid_image_changes_nothing_at_all(network: MMVSF, batch: Batch) -> None:
    """Neither its pixels, nor its day, nor its being there: padding is an image that is valid nowhere."""
    t = batch.images.shape[1]
    for day in (START + 5, int(batch.image_days[0, 2]), START + 290):
        padded = replace(
            batch,
            images=torch.cat([batch.images, torch.randn(3, 1, 6, 16, 16)], 1),
            image_days=torch.cat([batch.image_days, torch.full((3, 1), day)], 1),
            valid=torch.cat([batch.valid, torch.zeros(3, 1, 16, 16, dtype=torch.bool)], 1),
        )
        assert padded.images.shape[1] == t + 1
        torch.testing.assert_close(run(network, padded), run(network, batch), atol=1e-4, rtol=1e-4)


def test_nothing_valid_gives_a_finite_forecast(network: MMVSF, batch: Batch) -> None:
    blind = replace(batch, valid=torch.zeros_like(batch.valid))
    assert torch.equal(run(network, blind), run(network, replace(blind, images=batch.images + 1)))


# 3. Order and calendar.


def test_order_of_images_changes_nothing(network: MMVSF, batch: Batch) -> None:
    order = torch.randperm(7, generator=torch.Generator().manual_seed(1))
    shuffled = replace(
        batch,
        images=batch.images[:, order],
        image_days=batch.image_days[:, order],
        valid=batch.valid[:, order],
        origin=order.argsort()[batch.origin],
    )
    assert torch.equal(run(network, batch), run(network, shuffled))


def test_four_years_later_changes_nothing(network: MMVSF, batch: Batch) -> None:
    later = replace(
        batch,
        image_days=batch.image_days + 1461,
        target_day=batch.target_day + 1461,
        weather_start=batch.weather_start + 1461,
    )
    assert torch.equal(run(network, batch), run(network, later))
    season = replace(batch, image_days=batch.image_days + 90, target_day=batch.target_day + 90,
                     weather_start=batch.weather_start + 90)  # fmt: skip
    assert not torch.equal(run(network, batch), run(network, season))


# 4. Any number of images, any lead time, any size.


@pytest.mark.parametrize("images", [1, 2, 24])
@pytest.mark.parametrize("size", [8, 32])
def test_any_number_of_images_and_any_size(network: MMVSF, images: int, size: int) -> None:
    batch = make_batch(t=images, size=size)
    for lead in (0, 1, 80):
        day = batch.image_days.gather(1, batch.origin) + lead
        assert run(network, replace(batch, target_day=day)).shape == batch.target.shape


# 6. No time, no change.


def test_lead_zero_over_a_clear_image_is_that_image(network: MMVSF) -> None:
    batch = make_batch(seed=5)
    batch = replace(batch, target_day=batch.image_days.gather(1, batch.origin))
    scene = batch.images.gather(1, batch.origin[:, :, None, None, None].expand_as(batch.target))
    seen = batch.valid.gather(1, batch.origin[:, :, None, None].expand_as(batch.target_valid))
    error = ((run(network, batch) - scene) ** 2).mean(2)[seen].mean()
    assert error < 0.02  # of a variance of 1
    later = replace(batch, target_day=batch.target_day + 40)
    assert ((run(network, later) - scene) ** 2).mean(2)[seen].mean() > 2 * error


# The rest.


def test_patches_go_there_and_back() -> None:
    images = torch.randn(2, 3, 6, 16, 8)
    patches = to_patches(images, 4)
    assert patches.shape == (2, 8, 3, 16, 6)
    assert torch.equal(from_patches(patches, 16, 8), images)
    assert torch.equal(patches[0, 3, 1, 0], images[0, 1, :, 4, 4])  # patch 3 is row 1, column 1


def test_masking_hides_patches_uniformly(network: MMVSF, batch: Batch) -> None:
    keep = uniform_keep(3, 8, 16, 0.5, torch.Generator().manual_seed(0))
    assert keep.shape == (3, 8, 8)
    for sample in keep:
        assert all(len(set(image.tolist())) == 8 for image in sample)  # as many in every image
        assert torch.equal(torch.bincount(sample.flatten(), minlength=16), torch.full((16,), 4))
    # A masked patch is as if it weren't valid.
    squares = uniform_keep(3, 7, 16, 0.5, torch.Generator().manual_seed(0))
    keep = visible_patches(batch, network.config.patch, 0.5, torch.Generator().manual_seed(0))
    assert keep.shape[2] == 8 * (4 // network.config.patch) ** 2
    seen = torch.zeros(3, 7, 16, dtype=torch.bool).scatter(2, squares, True).view(3, 7, 4, 4)
    seen = seen.repeat_interleave(4, 2).repeat_interleave(4, 3)
    with torch.no_grad():
        masked = network(batch, keep)
        hidden = network(replace(batch, valid=batch.valid & seen))
        changed = network(replace(batch, images=torch.where(seen[:, :, None], batch.images, 9.0)), keep)
    torch.testing.assert_close(masked, hidden, atol=1e-4, rtol=1e-4)
    assert torch.equal(masked, changed)


def test_without_weather_no_weather_is_seen(network: MMVSF, batch: Batch) -> None:
    other = replace(batch, weather=torch.randn_like(batch.weather))
    assert not torch.equal(run(network, batch), run(network, other))
    assert torch.equal(run(network, batch.without_weather()), run(network, other.without_weather()))


def test_loss_counts_valid_pixels_only(network: MMVSF, batch: Batch) -> None:
    objective = Objective(mask_ratio=0.0, agreement=0.0, robust=0.0, pixels=0)
    generator = torch.Generator()
    with torch.no_grad():
        loss = objective(network, batch, generator, 0.0)
        target = torch.where(batch.target_valid[:, :, None], batch.target, float("nan"))
        assert torch.equal(loss, objective(network, replace(batch, target=target), generator, 0.0))
        forecast, spread = network.forecast_with_spread(network.encode(batch), batch.origin, batch.target_day)
        squares = ((forecast - batch.target) ** 2).mean(2)[batch.target_valid].mean()
        apart = (forecast - batch.target).abs()
        ndvi = (network.ndvi(forecast) - network.ndvi(batch.target)).abs()
        likelihood = (torch.cat([apart, ndvi], 2) / spread + spread.log()).mean(2)[batch.target_valid].mean()
        torch.testing.assert_close(loss, squares + SPREAD * likelihood)
        # Beyond one deviation the loss grows linearly.
        bounded = replace(objective, robust=1.0)(network, batch, generator, 0.0) - SPREAD * likelihood
        huber = torch.where(apart < 1, apart.square(), 2 * apart - 1).mean(2)[batch.target_valid].mean()
        torch.testing.assert_close(bounded, huber)
        nothing = replace(batch, target_valid=torch.zeros_like(batch.target_valid))
        assert objective(network, nothing, generator, 0.0) == 0


def test_reconstruction_is_judged_on_hidden_patches_alone() -> None:
    batch = make_batch()
    b, t, _, h, w = batch.images.shape
    keep = torch.tensor([0, 3]).expand(b, t, 2)
    masked = hidden_patches(batch, keep, 4)
    assert torch.equal(masked.target, batch.images) and torch.equal(masked.target_day, batch.image_days)
    side = w // 4
    for patch in range((h // 4) * side):
        rows, columns = (
            slice(4 * (patch // side), 4 * (patch // side) + 4),
            slice(4 * (patch % side), 4 * (patch % side) + 4),
        )
        scored, valid = masked.target_valid[:, :, rows, columns], batch.valid[:, :, rows, columns]
        assert not scored.any() if patch in (0, 3) else torch.equal(scored, valid)


def test_a_hidden_patch_is_drawn_from_visible_ones_of_its_image() -> None:
    """And not only from what was seen there before, which would make reconstruction a kind of forecasting."""
    network, batch = make_network(**COARSE), make_batch(b=1, t=1, p=1)
    batch = replace(batch, valid=torch.ones_like(batch.valid))
    keep = torch.tensor([[[0, 3]]])
    masked, hidden = hidden_patches(batch, keep, 4), hidden_patches(batch, keep, 4).target_valid
    brighter = replace(masked, images=masked.images + 3)
    with torch.no_grad():
        change = (network(brighter, keep) - network(masked, keep)).abs().amax(2)
    assert change[hidden].min() > 0
    elsewhere = torch.where(hidden[:, :, None], masked.images + 3, masked.images)
    with torch.no_grad():
        torch.testing.assert_close(network(replace(masked, images=elsewhere), keep), network(masked, keep))


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=list(OBJECTIVES))
def test_gradients_are_finite_where_nothing_is_valid(objective: Objective) -> None:
    network = make_network().train()
    batch = make_batch()
    valid = batch.valid.clone()
    valid[0] = False
    objective(network, replace(batch, valid=valid), torch.Generator(), 0.0).backward()
    without = {name for name, p in network.named_parameters() if p.grad is None}
    assert without == (set() if objective.reconstruct_weather else {"weather_out.weight", "weather_out.bias"})
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


def test_bfloat16_is_near_full_precision(network: MMVSF, batch: Batch) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        low = run(network, batch)
    torch.testing.assert_close(low, run(network, batch), atol=0.15, rtol=0.1)


def test_sizes() -> None:
    paper = NetworkConfig(BANDS, WEATHER, **SIZES["paper"])
    network = MMVSF(paper)
    batch = make_batch(b=1, t=2, p=1, size=32)
    assert run(network, batch).shape == (1, 1, 6, 32, 32)
    assert (paper.patch, paper.width, paper.spatial_layers, paper.temporal_layers) == (8, 512, 4, 1)
    assert SIZES["large"]["width"] == 256


@pytest.mark.parametrize(
    ("changes", "weather_sums", "copies"),
    [({}, True, True), ({"degree_days": False}, False, True), ({"copy": False}, True, False)],
    ids=["whole", "without degree-days", "without copy"],
)
def test_each_addition_can_be_left_out(changes: dict[str, bool], weather_sums: bool, copies: bool) -> None:
    network, batch = make_network(**changes), make_batch()
    memory = network.encode(batch).memory
    assert bool(memory.total.any()) == weather_sums
    assert bool(network.weather.heat(batch.weather).any()) == weather_sums
    # Nothing but the copy path keeps a pixel apart from its neighbours on a day without a lead.
    clear = replace(batch, valid=torch.ones_like(batch.valid), target_day=batch.image_days.gather(1, batch.origin))
    scene = clear.images.gather(1, clear.origin[:, :, None, None, None].expand_as(clear.target))
    assert (float((run(network, clear) - scene).abs().mean()) < 0.1) == copies


def test_batch_refuses_shapes_that_do_not_fit(batch: Batch) -> None:
    with pytest.raises(ValueError, match=r"Batch\.valid must be \(B, T, H, W\) with T = 7"):
        replace(batch, valid=batch.valid[:, 1:])
    with pytest.raises(ValueError, match=r"Batch\.target_day"):
        replace(batch, target_day=batch.target_day[:, :1])
    with pytest.raises(ValueError, match="bool"):
        replace(batch, valid=batch.valid.float())


def test_unknown_targets_give_no_gradient(batch: Batch) -> None:
    """Not even where they are no numbers."""
    network = make_network().train()
    target = torch.where(batch.target_valid[:, :, None], batch.target, float("nan"))
    Objective()(network, replace(batch, target=target), torch.Generator().manual_seed(0), 0.0).backward()
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)
