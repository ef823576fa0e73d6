"""The samples of an evaluation, a block at a time, so that memory stays flat: as stored, bytes of images or points."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ganvas.data import Dataset
from ganvas.errors import UserError
from ganvas.rng import seed_of

if TYPE_CHECKING:
    from torch import Tensor

    from ganvas.game import Samples

BLOCK = 256


def halves(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Two disjoint halves of the indices 0..n-1, in random order, always the same ones."""
    order = np.random.default_rng(seed_of("halves")).permutation(n)
    return order[: n // 2], order[n // 2 :]


def chosen(dataset: Dataset, rows: np.ndarray) -> Iterator[np.ndarray]:
    """The samples of these rows, in the order of the file."""
    rows = np.sort(rows)
    for start in range(0, len(rows), BLOCK):
        yield dataset.samples[rows[start : start + BLOCK]]


def drawn(game: Samples, n: int, seed: int) -> Iterator[np.ndarray]:
    """`n` samples of a game, each block from a seed of its own.

    Raises:
        UserError: the game generates values that are not finite.
    """
    for start in range(0, n, BLOCK):
        yield as_stored(game.sample(min(BLOCK, n - start), seed=seed_of("evaluate", seed, start // BLOCK)))


def as_stored(x: Tensor) -> np.ndarray:
    """uint8 [n, H, W, C] of images [n, C, H, W] in [-1, 1], as a file would hold them; float32 [n, 2] of points."""
    if not x.isfinite().all():
        raise UserError(
            "the run generates values that are not finite, so there is nothing to measure; give an earlier checkpoint."
        )
    if x.dim() == 2:
        return x.float().cpu().numpy()
    return ((x.float() + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
