"""The mean and covariance of vectors that change while a network learns."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganvas.losses import precise

FLOOR = 1e-6
"""Variances below this part of the largest count as it: more than that the sums of a float32 do not tell."""


class RunningMoments(nn.Module):
    """μ [d] and Σ [d, d] over the last `window` batches or so of vectors, in buffers, so that a checkpoint has them.

    After t batches of moments m, C the t-th weighs r = max(1/t, 1/window):

        μ ← μ + r (m − μ),     Σ ← (1 − r) (Σ + r (m − μ)(m − μ)ᵀ) + r C          (μ of before)

    which are the very moments of all vectors where each batch has its weight: equal ones up to `window` batches, then
    falling by 1 − 1/window for every newer batch. Before the first batch μ = 0 and Σ = 1.
    """

    mean: Tensor
    cov: Tensor
    root: Tensor
    batches: Tensor

    def __init__(self, dim: int, window: int):
        super().__init__()
        self.window = window
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("cov", torch.eye(dim))
        self.register_buffer("root", torch.eye(dim))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    @property
    def known(self) -> bool:
        """Whether anything has been seen."""
        return bool(self.batches > 0)

    @torch.no_grad()
    def update(self, x: Tensor) -> None:
        """Takes in a batch [n, d] of vectors; all of the global batch, so that every process keeps the same moments."""
        x = precise(x)
        self.batches += 1
        r = 1 / self.batches.clamp(max=self.window)
        m = x.mean(0)
        c = (x - m).T @ (x - m) / len(x)
        shift = m - self.mean
        known = self.cov * (self.batches > 1)
        self.cov.copy_((1 - r) * (known + r * torch.outer(shift, shift)) + r * c)
        self.mean.add_(r * shift)
        self.root.copy_(symmetric_root(self.cov))


def symmetric_root(cov: Tensor) -> Tensor:
    """The symmetric R [d, d] with R R = Σ, computed in float64.

    It follows Σ continuously, so a latent drawn as μ + R ε with the same ε moves smoothly while Σ does. A factor of
    Cholesky's would too, but fails where Σ has no full rank, as after a first batch of fewer than d vectors.
    """
    values, vectors = torch.linalg.eigh(cov.double())
    floor = (values[-1] * FLOOR).clamp_min(torch.finfo(torch.float64).tiny)
    return (vectors * values.clamp_min(floor).sqrt() @ vectors.T).to(cov.dtype)
