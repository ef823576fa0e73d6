"""Fake games that translate as well, or as badly, as a test needs, and the sets that they are judged on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from ganvas.data import Dataset
from ganvas.game import DataSpec

Change = Callable[[Tensor], Tensor]


class Translator:
    """A game whose translations are `change[direction](x)` of images x in [-1, 1]; it counts them."""

    name = "fake"

    def __init__(self, data: Dataset | DataSpec, **change: Change):
        self.data = data.spec if isinstance(data, Dataset) else data
        self.directions, self.change = tuple(change), change
        self.made: dict[str, int] = dict.fromkeys(change, 0)
        self.seeds: set[int] = set()

    def channels(self, direction: str) -> tuple[int, int]:
        assert self.data.given is not None
        a, b = self.data.given[0], self.data.channels
        return (a, b) if direction == "ab" else (b, a)

    def translate(self, x: Tensor, direction: str = "ab", seed: int = 0, *, dropout=None, statistics=None) -> Tensor:
        assert x.shape[1] == self.channels(direction)[0]
        self.made[direction] += len(x)
        self.seeds.add(seed)
        return self.change[direction](x)


def same(x: Tensor) -> Tensor:
    return x


def negated(x: Tensor) -> Tensor:
    return -x


def known(pairs: Mapping[bytes, np.ndarray]) -> Change:
    """Looks translations up by the bytes of the input."""

    def change(x: Tensor) -> Tensor:
        stored = ((x + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
        return torch.from_numpy(np.stack([pairs[image.tobytes()] for image in stored])).permute(0, 3, 1, 2) / 127.5 - 1

    return change


def images(n: int, side: int = 16, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Smooth random images, uint8 [n, side, side, channels], none of them in the middle of the range."""
    x = np.random.default_rng(seed).normal(size=(n, side, side, channels))
    x = gaussian_filter(x, (0, 2, 2, 0))
    return (60 + 80 * (x - x.min()) / (x.max() - x.min())).round().astype(np.uint8)


def two_sided(task: str, a: np.ndarray, b: np.ndarray, **more) -> Dataset:
    return Dataset("made up", b, None, (), f"{task} {a.shape} {b.shape}", (), task=task, inputs=a, **more)


def negatives(n: int = 40, side: int = 16) -> Dataset:
    """Pairs of an image and its negative."""
    a = images(n, side)
    return two_sided("pairs", a, 255 - a)


def domains(n: int = 40, m: int = 30, truth: bool = True) -> Dataset:
    """Dark images and, of others, negatives; what each is in the other domain is known if `truth`."""
    a, b = images(n), 255 - images(m, seed=1)
    return two_sided("domains", a, b, truths=(255 - a, 255 - b) if truth else None)
