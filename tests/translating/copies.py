"""Games that translate by rule, and pictures to give them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ganvas.game import DataSpec


class Copies:
    """A game whose translations are `change(x)`, of A with so many channels, and of B."""

    name, device = "copies", torch.device("cpu")

    def __init__(
        self,
        channels: tuple[int, int] = (3, 3),
        change: Callable[[Tensor], Tensor] = lambda x: x,
        directions: tuple[str, ...] = ("ab",),
    ):
        self.of, self.change, self.directions = channels, change, directions
        self.data = DataSpec((channels[1], 16, 16), 0, "pairs", (channels[0], 16, 16))
        self.seen: list[tuple[tuple[int, ...], dict]] = []

    def channels(self, direction: str) -> tuple[int, int]:
        return self.of if direction == "ab" else (self.of[1], self.of[0])

    def translate(self, x: Tensor, direction: str = "ab", seed: int = 0, **how) -> Tensor:
        assert x.dtype == torch.float32 and x.shape[1] == self.channels(direction)[0]
        assert x.min() >= -1 and x.max() <= 1
        self.seen.append((tuple(x.shape), {"direction": direction, "seed": seed, **how}))
        return self.change(x)


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """uint8 [H, W, C], or [H, W] of one channel."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    return pixels[..., 0] if channels == 1 else pixels
