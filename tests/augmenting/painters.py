"""Fake conditional games that are as good, or as bad, as a test needs, and sets to augment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganvas.data import Dataset
from ganvas.rng import generator


class Painter:
    """A conditional game whose samples are `change(real images of the class, generator)`, drawn with replacement."""

    name, judges = "painter", "probability"

    def __init__(self, data: Dataset, change: Callable[[Tensor, torch.Generator], Tensor] = lambda x, g: x):
        self.x = torch.from_numpy(np.array(data.samples)).permute(0, 3, 1, 2).float() / 127.5 - 1
        self.labels, self.conditions, self.data = torch.from_numpy(data.labels), len(data.label_names), data.spec
        self.change, self.asked = change, []

    def sample(self, n: int, seed: int = 0, labels: Any = None, truncation: float = 1.0) -> Tensor:
        assert n <= 64, "a block"
        self.asked.append(labels)
        classes = labels if labels.dim() == 1 else labels[:, : self.conditions].argmax(1)
        g = generator("painter", seed)
        turn = torch.randint(1 << 30, (64,), generator=g)[:n]
        rows = [torch.nonzero(self.labels == c)[:, 0] for c in classes]
        return self.change(torch.stack([self.x[r[t % len(r)]] for r, t in zip(rows, turn, strict=True)]), g)

    def judge(self, x: Tensor, labels: Any = None) -> Tensor:
        """Dark images are real to it."""
        return 1 - (x.mean((1, 2, 3)) + 1) / 2


def noise(x: Tensor, g: torch.Generator) -> Tensor:
    return torch.rand(64, *x.shape[1:], generator=g)[: len(x)] * 2 - 1


def labelled(*counts: int, side: int = 4, channels: int = 1, names: tuple[str, ...] | None = None) -> Dataset:
    """Noise: so many images of each class, class by class."""
    n = sum(counts)
    images = np.random.default_rng(0).integers(0, 256, (n, side, side, channels), np.uint8)
    names = names or tuple(f"class {k}" for k in range(len(counts)))
    return Dataset("noise", images, np.repeat(np.arange(len(counts)), counts), names, "0", ())
