"""One embedding of a pixel from any of its images: what two random halves of its clear dates tell must agree.

After Feng et al. (2025), "TESSERA: Temporal embeddings of surface spectra for Earth representation and analysis",
arXiv 2506.20380, with the loss of Bardes et al. (2022), "VICReg: Variance-invariance-covariance regularization for
self-supervised learning", whose variances and covariances are taken among the pixels of a window here: those of
different windows differ by their weather already.

Letters in shapes are those of `network`.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from mmvsf.datasets.samples.batch import Batch

from .network import MMVSF
from .weather_encoder import Memory

AGREEING = 32
"""Pixels of a window whose embeddings must agree, where the network follows each pixel alone."""


def disagreement(
    network: MMVSF, batch: Batch, memory: Memory, chosen: Tensor | None, generator: torch.Generator
) -> Tensor:
    """The loss, a scalar, of two embeddings of each (chosen) patch on the day of one of the images, drawn at random:
    each is made from another half of the images up to that day.

    chosen: (B, L) int64, as in `MMVSF.encode`; the first AGREEING are taken. Windows need more than one patch."""
    chosen = None if chosen is None else chosen[:, :AGREEING]
    b, t = batch.image_days.shape
    device = batch.images.device
    day = batch.image_days.gather(1, torch.randint(t, (b, 1), generator=generator).to(device))
    order = torch.rand(b, t, generator=generator).argsort(1).to(device)
    halves = (order[:, : t // 2], order[:, t // 2 :])
    one, other = (_embedding(network, _part(batch, half, day), memory, chosen) for half in halves)
    return (one - other).square().mean() + _collapse(one) + _collapse(other)


def _part(batch: Batch, images: Tensor, day: Tensor) -> Batch:
    """The batch with some of its images (B, n), after one without a valid pixel on a day (B, 1)."""
    samples = torch.arange(len(images), device=images.device)[:, None]
    return replace(
        batch,
        images=F.pad(batch.images[samples, images], (0, 0, 0, 0, 0, 0, 1, 0)),
        image_days=torch.cat([day, batch.image_days[samples, images]], 1),
        valid=F.pad(batch.valid[samples, images], (0, 0, 0, 0, 1, 0)),
    )


def _embedding(network: MMVSF, batch: Batch, memory: Memory, chosen: Tensor | None) -> Tensor:
    """(B, N, E) float32: the embedding of the first image, normalised."""
    encoded = network.encode(batch, memory=memory, chosen=chosen)
    index = encoded.rank[:, None, :1, None].expand(-1, encoded.tokens.shape[1], -1, encoded.tokens.shape[3])
    tokens = encoded.tokens.gather(2, index)[:, :, 0].float()
    return F.layer_norm(tokens, tokens.shape[-1:])


def _collapse(embedding: Tensor) -> Tensor:
    """How far features (B, N, E) are from deviations of 1 among the patches of a window, and from being uncorrelated;
    the weights are those of VICReg, 25 to 1."""
    centred = embedding - embedding.mean(1, keepdim=True)
    covariance = torch.einsum("bne,bnf->ef", centred, centred) / (centred.shape[0] * (centred.shape[1] - 1))
    variance = covariance.diagonal()
    apart = covariance - torch.diag(variance)
    return F.relu(1 - (variance + 1e-4).sqrt()).mean() + apart.square().sum() / (25 * len(variance))
