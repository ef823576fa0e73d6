"""The samples of an evaluation, a block at a time, so that memory stays flat: as stored, bytes of images or points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ganvas.data import Dataset
from ganvas.data.labelled import known
from ganvas.errors import UserError
from ganvas.metrics.base import Block, Terms
from ganvas.report.grid import to_uint8
from ganvas.rng import seed_of

if TYPE_CHECKING:
    from torch import Tensor

    from ganvas.game import Samples

BLOCK = 256


@dataclass(frozen=True)
class Shown:
    """A part of an evaluation: `count` samples, of which `block(i)` gives those from i · BLOCK on, always the same."""

    count: int
    block: Callable[[int], Block]
    rows: np.ndarray
    """Which samples of their set they are, ascending; of a game's, 0 to `count` - 1."""
    of: Dataset | None = None
    """Their set; None of a game's samples."""
    labels: np.ndarray | None = None
    """int64 [count], as in `Block`; None where there are none."""

    @property
    def blocks(self) -> int:
        return -(-self.count // BLOCK)

    def again(self, rows: np.ndarray) -> np.ndarray:
        """The samples at these places of the part, once more."""
        found = {i: self.block(i).samples for i in np.unique(rows // BLOCK).tolist()}
        return np.stack([found[row // BLOCK][row % BLOCK] for row in rows.tolist()])


def halves(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Two disjoint halves of the indices 0..n-1, in random order, always the same ones."""
    order = np.random.default_rng(seed_of("halves")).permutation(n)
    return order[: n // 2], order[n // 2 :]


def chosen(dataset: Dataset, rows: np.ndarray, labels: np.ndarray | None = None) -> Shown:
    """The samples of these rows, in the order of the file, with `labels` [len(dataset)] or the set's own."""
    rows = np.sort(rows)
    labels = dataset.labels if labels is None else labels
    theirs = None if labels is None else labels[rows]

    def block(i: int) -> Block:
        here = slice(i * BLOCK, (i + 1) * BLOCK)
        return Block(dataset.samples[rows[here]], None if theirs is None else theirs[here])

    return Shown(len(rows), block, rows, dataset, theirs)


def drawn(game: Samples, n: int, terms: Terms, data: Dataset) -> Shown:
    """`n` samples of a game, each block from a seed of its own; a conditional game makes the real shares of classes.

    Raises:
        UserError: in `block`, where the game generates values that are not finite.
    """
    from ganvas.game import Conditional

    asked = None
    if isinstance(game, Conditional) and game.conditions and data.labels is not None:
        asked = np.random.default_rng(seed_of("evaluate", "labels", terms.seed)).choice(
            data.labels[known(data.labels)], n
        )

    def block(i: int) -> Block:
        here = slice(i * BLOCK, min((i + 1) * BLOCK, n))
        more: dict[str, Any] = {"truncation": terms.truncation} if terms.truncation != 1 else {}
        labels = None if asked is None else asked[here]
        more |= {} if labels is None else {"labels": labels}
        x = game.sample(here.stop - here.start, seed=seed_of("evaluate", terms.seed, i), **more)
        return Block(as_stored(x), labels)

    return Shown(n, block, np.arange(n), labels=asked)


def as_stored(x: Tensor) -> np.ndarray:
    """uint8 [n, H, W, C] of images [n, C, H, W] in [-1, 1], as a file would hold them; float32 [n, 2] of points."""
    if not x.isfinite().all():
        raise UserError(
            "the run generates values that are not finite, so there is nothing to measure; give an earlier checkpoint."
        )
    if x.dim() == 2:
        return x.float().cpu().numpy()
    return to_uint8(x)
