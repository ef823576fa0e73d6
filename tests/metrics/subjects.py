"""Fake games that are as good, or as bad, as a test needs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ganvas.data import Dataset
from ganvas.rng import generator


class Fake:
    """A game whose samples are `change(real images, generator)`, drawn with replacement."""

    name = "fake"

    def __init__(self, data: Dataset, change: Callable[[Tensor, torch.Generator], Tensor] = lambda x, g: x):
        x = torch.from_numpy(data.samples.copy())
        self.x = x.permute(0, 3, 1, 2).float() / 127.5 - 1 if x.dim() == 4 else x
        self.change, self.drawn = change, 0

    def sample(self, n: int, seed: int = 0) -> Tensor:
        g = generator(seed)
        self.drawn += n
        return self.change(self.x[torch.randint(len(self.x), (n,), generator=g)], g)


def noise(x: Tensor, g: torch.Generator) -> Tensor:
    return torch.rand(x.shape, generator=g) * 2 - 1


def blurred(x: Tensor, g: torch.Generator) -> Tensor:
    return torch.nn.functional.avg_pool2d(x, 3, 1, 1)
