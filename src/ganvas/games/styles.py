"""What the games with styles share: mixing, truncation, and images of styles that are given."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from ganvas.errors import UserError
from ganvas.games.two_player import FromLatents, in_chunks
from ganvas.priors import Prior

Noise = Literal["const", "random", "none"]


class Styled(FromLatents):
    """A game whose generator `G` has a `mapping` z → w and a `synthesis` of images from w and noise."""

    G: Any
    config: Any
    device: torch.device

    @property
    def layers(self) -> int:
        """How many styles an image has."""
        return self.G.layers

    @property
    def playing(self) -> int:
        """How many of the layers make the images now."""
        return self.layers

    def mixed(self, w: Tensor, other: Tensor, dice: Tensor) -> Tensor:
        """[B, layers, w_dim]: w, and with probability `mixing` `other` from one of the `playing` layers on.

        `dice` [B, 2] are uniform numbers, which say whether and from where.
        """
        chance, place, playing = *dice.unbind(1), self.playing
        first = torch.where(chance < self.config.mixing, 1 + (place * (playing - 1)).floor(), playing)
        own = torch.arange(self.layers, device=w.device) < first[:, None]
        return torch.where(own[:, :, None], w[:, None], other[:, None])

    @torch.no_grad()
    def w(self, z: Tensor, labels: Any = None, truncation: float = 1.0) -> Tensor:
        """Styles [n, w_dim] of latents [n, z_dim] and of what `labels` ask for, drawn towards their mean."""
        w = in_chunks(self.G.mapping, [z, *self.asked(labels, len(z))])
        return w if truncation == 1 else torch.lerp(self.G.mapping.w_mean, w, truncation)

    @torch.no_grad()
    def synthesize(self, w: Tensor, noise: Noise = "const", seed: int = 0) -> Tensor:
        """Images [n, *shape], float32 in [−1, 1], of styles w [n, w_dim] or [n, layers, w_dim].

        `noise` is the same in all of them ("const"), a function of (`seed`, an image's index) ("random"), or absent.
        """
        shapes = self.G.noise_shapes
        if noise == "random":
            fields = [
                Prior(h * v).numbered(len(w), f"noise {i}", seed, w.device).view(-1, 1, h, v)
                for i, (h, v) in enumerate(shapes)
            ]
            images = in_chunks(lambda v, *n: self.G.synthesis(v, n), [w, *fields])
        else:
            same = self.G.constant_noise() if noise == "const" else [None] * len(shapes)
            images = in_chunks(lambda v: self.G.synthesis(v, same), [w])
        return images.float().contiguous().clamp(-1, 1)

    def generate(self, z: Tensor, labels: Any = None) -> Tensor:
        return self.synthesize(self.w(z, labels))

    def sample(self, n: int, seed: int = 0, labels: Any = None, truncation: float = 1.0) -> Tensor:
        if not 0 <= truncation <= 1:
            raise UserError(f"truncation = {truncation:g} is out of range; give a number from 0 (the mean) to 1 (all).")
        return self.synthesize(self.w(self.prior.seeded(n, seed, self.device), labels, truncation))
