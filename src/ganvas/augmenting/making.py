"""Samples of a class from a conditional game, a block at a time, each with the seed that draws it again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganvas.data import Dataset
from ganvas.errors import UserError
from ganvas.report.grid import to_uint8
from ganvas.rng import seed_of

BLOCK = 64
"""Samples that share a seed: sample `index` of a seed is `game.sample(64, seed=seed, labels=class)[index]`."""

Score = Callable[[Tensor, np.ndarray, Tensor], np.ndarray]
"""What is thought of samples [n, C, H, W] in [-1, 1], the same as bytes, and what was asked for: float32 [n]."""


@dataclass(frozen=True)
class Made:
    """Samples of one class, with what draws each of them again and what the filter thinks of it."""

    images: np.ndarray
    """uint8 [n, H, W, C]."""
    seeds: np.ndarray
    """int64 [n]."""
    indices: np.ndarray
    """int64 [n]: the place among the `BLOCK` samples of the seed."""
    scores: np.ndarray
    """float32 [n]; NaN where nothing judges."""
    attributes: np.ndarray
    """float32 [n, columns]: those that were asked for, of a game that is conditioned on them."""

    def __len__(self) -> int:
        return len(self.images)

    def rows(self, chosen: np.ndarray) -> Made:
        return Made(*(getattr(self, f.name)[chosen] for f in fields(self)))

    @staticmethod
    def together(parts: Sequence[Made]) -> Made:
        return Made(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Made)))


class Supply:
    """The samples of class `k`, without end; the first n are the same however many follow.

    A game that is conditioned on attributes, too, is asked for those of real images of the class, drawn at random.

    Raises:
        UserError: in `next`, where the game generates values that are not finite.
    """

    def __init__(self, game: Any, data: Dataset, k: int, score: Score, seed: int, truncation: float):
        self.game, self.data, self.k, self.score = game, data, k, score
        self.seed, self.truncation = seed, truncation
        self.drawn = 0
        self._block = 0

    def next(self, most: int = BLOCK) -> Made:
        """The next block of samples, or the first `most` of it: then no block may follow."""
        seed, n = seed_of("augment", self.seed, self.k, self._block), min(most, BLOCK)
        labels, attributes = self._asked(n)
        x = self.game.sample(n, seed=seed, labels=labels, truncation=self.truncation)
        if not x.isfinite().all():
            raise UserError("the run generates values that are not finite; give an earlier checkpoint.")
        self._block += 1
        self.drawn += n
        images = to_uint8(x)
        return Made(images, np.full(n, seed), np.arange(n), self.score(x, images, labels), attributes)

    def _asked(self, n: int) -> tuple[Tensor, np.ndarray]:
        """Classes int64 [n], or whole conditions float32 [n, dim]; and the attributes that are in them."""
        labels, table = torch.full((n,), self.k), self.data.attributes
        if table is None:
            return labels, np.empty((n, 0), np.float32)
        rows = np.flatnonzero(self.data.labels == self.k)
        known = [(c.name, c.words) for c in getattr(getattr(self.game, "condition", None), "columns", ())]
        if known != [(name, table.words.get(name, ())) for name in table.names] or not len(rows):
            return labels, np.full((n, len(table.names)), np.nan, np.float32)
        rng = np.random.default_rng(seed_of("augment", "attributes", self.seed, self.k, self._block))
        attributes = table.values[rng.choice(rows, BLOCK)[:n]]
        return self.game.condition.vector(labels, torch.from_numpy(attributes)), attributes
