"""CycleGAN's pool of fakes (Shrivastava et al. 2017, arXiv:1612.07828, §2.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

DRAWS = 2
"""Random numbers that a fake takes."""


class Pool(nn.Module):
    """The last fakes, from which the discriminator is shown old ones, so that it does not forget.

    The first `size` fakes fill it, and are shown. Each later one is shown with probability ½, and otherwise takes the
    place of one drawn at random, which is shown instead. Its state is saved with the game; fakes come in the order of
    the global batch, so it is the same in every process, and so on one process and on two.
    """

    images: Tensor
    seen: Tensor

    def __init__(self, size: int, shape: tuple[int, ...]):
        super().__init__()
        self.size = size
        self.register_buffer("images", torch.zeros(size, *shape))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def exchange(self, fakes: Tensor, chance: Tensor) -> Tensor:
        """What is shown [n, *shape] instead of fakes [n, *shape], one after the other; `chance` is uniform [n, 2].

        No number leaves the device.
        """
        if not self.size:
            return fakes
        shown = []
        for fake, (whether, which) in zip(fakes.to(self.images.dtype), chance, strict=True):
            filling = self.seen < self.size
            place = torch.where(filling, self.seen, (which * self.size).long().clamp_max(self.size - 1)).view(1)
            old = self.images[place][0]
            swapped = ~filling & (whether < 0.5)
            shown.append(torch.where(swapped, old, fake))
            self.images[place] = torch.where(filling | swapped, fake, old)[None]
            self.seen += 1
        return torch.stack(shown)
