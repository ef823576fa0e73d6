"""The distributions that generators start from."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from ganvas.errors import UserError
from ganvas.rng import generator

if TYPE_CHECKING:
    from ganvas.moments import RunningMoments

_BLOCK = 64  # seeded latents are drawn in blocks, so that the first 32 of 64 samples are the 32 of a smaller draw


@dataclass(frozen=True)
class Prior:
    """Independent standard normal, or uniform on [-1, 1], in `dim` dimensions."""

    dim: int
    kind: Literal["normal", "uniform"] = "normal"

    def draw(self, n: int, g: torch.Generator) -> Tensor:
        """Latents [n, dim] on the generator's device."""
        if self.kind == "normal":
            return torch.randn(n, self.dim, generator=g, device=g.device)
        return torch.rand(n, self.dim, generator=g, device=g.device) * 2 - 1

    def seeded(self, n: int, seed: int, device: torch.device | str = "cpu", truncation: float = 1.0) -> Tensor:
        """Latents [n, dim]; each is a function of (seed, its index) alone, whatever `n` is.

        `truncation` ψ in [0, 1] pulls every latent towards the prior's mean: ψ = 1 leaves it, ψ = 0 gives the mean.
        """
        if not 0 <= truncation <= 1:
            raise UserError(f"truncation = {truncation:g} is out of range; give a number from 0 (the mean) to 1 (all).")
        return self.pulled(self.numbered(n, "sample", seed, device), truncation)

    def numbered(self, n: int, purpose: str, seed: int, device: torch.device | str) -> Tensor:
        """[n, dim], each a function of (purpose, seed, its index) alone."""
        key = operator.index(seed)  # 3 and np.int64(3) are the same seed
        blocks = [self.draw(_BLOCK, generator(purpose, key, b, device=device)) for b in range(-(-n // _BLOCK))]
        return torch.cat(blocks)[:n] if n else torch.empty(0, self.dim, device=device)

    def pulled(self, z: Tensor, truncation: float) -> Tensor:
        """Latents at `truncation` times their distance from the mean, which is 0."""
        return z * truncation


@dataclass(frozen=True)
class Resampled(Prior):
    """Standard normal; truncated, those values are drawn again that lie beyond a threshold (Brock et al. 2019, §3.1).

    The threshold is 2 ψ, as the paper's go up to 2, but at ψ = 1 nothing is truncated. Values within it stay, so a
    sample keeps what it can of its latent.
    """

    def pulled(self, z: Tensor, truncation: float) -> Tensor:
        return z

    def seeded(self, n: int, seed: int, device: torch.device | str = "cpu", truncation: float = 1.0) -> Tensor:
        z = super().seeded(n, seed, device, truncation)
        if truncation == 1 or not n:
            return z
        threshold = torch.tensor(2.0 * truncation, device=device)
        u = Prior(self.dim, "uniform").numbered(n, "resampled", seed, device)
        inside = 2**0.5 * torch.erfinv(u * torch.erf(threshold * 0.5**0.5))  # drawn again until it is within
        return torch.where(z.abs() > threshold, inside, z)


@dataclass(frozen=True)
class Gaussian(Prior):
    """N(μ, Σ) of moments that may move: every draw is from what they are then.

    Before they are known they say N(0, 1), the standard normal.
    """

    kind: Literal["gaussian"] = "gaussian"  # type: ignore[assignment]
    moments: RunningMoments = None  # type: ignore[assignment]

    def draw(self, n: int, g: torch.Generator) -> Tensor:
        root = self.moments.root  # symmetric
        epsilon = torch.randn(n, self.dim, generator=g, device=g.device).to(root)
        with torch.autocast(root.device.type, enabled=False):
            return self.moments.mean + epsilon @ root

    def pulled(self, z: Tensor, truncation: float) -> Tensor:
        return torch.lerp(self.moments.mean, z, truncation)


@dataclass(frozen=True)
class Coded(Prior):
    """Latents that end in codes: after dim − categories − numbers of `kind`, a class one-hot and uniform numbers."""

    categories: int = 0
    numbers: int = 0
    """Uniform on [-1, 1]."""

    def draw(self, n: int, g: torch.Generator) -> Tensor:
        z = super().draw(n, g)
        start = self.dim - self.categories - self.numbers
        if self.categories:
            which = torch.randint(self.categories, (n,), generator=g, device=g.device)
            z[:, start : start + self.categories] = torch.nn.functional.one_hot(which, self.categories).to(z)
        if self.numbers:
            z[:, start + self.categories :] = torch.rand(n, self.numbers, generator=g, device=g.device) * 2 - 1
        return z

    def pulled(self, z: Tensor, truncation: float) -> Tensor:
        """The codes stay as they are."""
        free = self.dim - self.categories - self.numbers
        return torch.cat([z[:, :free] * truncation, z[:, free:]], 1)
