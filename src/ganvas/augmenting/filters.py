"""Which of the samples are kept: all, the share that a discriminator likes best, or those a classifier is sure of."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from ganvas.augmenting.asked import Asked
from ganvas.augmenting.making import BLOCK, Made, Supply
from ganvas.augmenting.statistics import recalls
from ganvas.data import Dataset
from ganvas.errors import UserError
from ganvas.game import Judges
from ganvas.rng import seed_of

CHUNK = 1024
"""Images among whose candidates the best are looked for at once, so that memory stays bounded."""
FEWEST = 2
"""Real images of each class that a classifier can be trained on and tried on."""


class Filter(Protocol):
    """Chooses among the samples of a class."""

    def score(self, x: Tensor, images: np.ndarray, labels: Tensor) -> np.ndarray:
        """What it thinks of samples (`ganvas.augmenting.making.Score`)."""
        ...

    def chosen(self, supply: Supply, n: int) -> Iterator[Made]:
        """`n` samples, in parts; fewer where it cannot find them."""
        ...

    def about(self) -> dict[str, Any]:
        """What it is, for the manifest."""
        ...


class Everything:
    """No filter."""

    def score(self, x: Tensor, images: np.ndarray, labels: Tensor) -> np.ndarray:
        return np.full(len(images), np.nan, np.float32)

    def chosen(self, supply: Supply, n: int) -> Iterator[Made]:
        while supply.drawn < n:
            yield supply.next(n - supply.drawn)

    def about(self) -> dict[str, Any]:
        return {"name": "none"}


class BestShare:
    """The share of the candidates that the run's own discriminator, or critic, thinks most real.

    What it thinks after training says something of a sample, not much (Azadi et al. 2019, "Discriminator rejection
    sampling", correct for it); and it prefers what is usual, so variety falls.
    """

    def __init__(self, game: Any, share: float):
        self.game, self.share = game, share

    def score(self, x: Tensor, images: np.ndarray, labels: Tensor) -> np.ndarray:
        return self.game.judge(x, labels).float().cpu().numpy().reshape(-1)

    def chosen(self, supply: Supply, n: int) -> Iterator[Made]:
        while n > 0:
            take = min(n, CHUNK)
            wanted = math.ceil(take / self.share - 1e-9)
            last = n == take
            blocks = [supply.next(wanted - i if last else BLOCK) for i in range(0, wanted, BLOCK)]
            candidates = Made.together(blocks)
            best = np.argsort(-candidates.scores, kind="stable")[:take]
            yield candidates.rows(np.sort(best))
            n -= take

    def about(self) -> dict[str, Any]:
        return {"name": "discriminator", "keep": self.share, "score": self.game.judges}


class Confident:
    """The candidates of which a classifier is sure that they are of the class that was asked for.

    It is trained on nine tenths of every class, the rarer ones repeated so that all count alike, and tried on the rest.
    """

    def __init__(self, data: Dataset, threshold: float, tries: int):
        from ganvas.metrics.classifier import classified, shrunk, taught

        assert data.labels is not None
        self.threshold, self.tries = threshold, tries
        images, labels, classes = shrunk(data.samples), data.labels, len(data.label_names)
        shown, tried = _nine_tenths(labels)
        self._k = np.arange(classes)
        self._net = taught(images, labels, classes, rows=repeated(labels, shown))
        found = recalls(classified(self._net, images[tried]), labels[tried], classes)
        self.accuracy = float(np.nanmean(found))

    def score(self, x: Tensor, images: np.ndarray, labels: Tensor) -> np.ndarray:
        from ganvas.metrics.classifier import probabilities, shrunk

        classes = labels if labels.dim() == 1 else labels[:, : len(self._k)].argmax(1)
        return probabilities(self._net, shrunk(images))[np.arange(len(images)), classes.numpy()]

    def chosen(self, supply: Supply, n: int) -> Iterator[Made]:
        most = self.tries * n
        while n > 0 and supply.drawn < most:
            candidates = supply.next()
            found = candidates.rows(np.flatnonzero(candidates.scores >= self.threshold)[:n])
            n -= len(found)
            if len(found):
                yield found

    def about(self) -> dict[str, Any]:
        return {
            "name": "classifier",
            "confidence": self.threshold,
            "tries": self.tries,
            "balanced_accuracy": self.accuracy,
        }


def find_filter(asked: Asked, game: Any, data: Dataset, wanted: np.ndarray) -> Filter:
    """The filter that is asked for.

    Raises:
        UserError: the game has no judge, or a class is too small for a classifier.
    """
    if asked.filter == "discriminator":
        if not isinstance(game, Judges):
            raise UserError(
                f"{getattr(game, 'name', '') or type(game).__name__} has no discriminator that could be asked about "
                "single images; use --filter classifier, or leave the filter out."
            )
        return BestShare(game, asked.share)
    if asked.filter == "classifier":
        assert data.labels is not None
        there = np.bincount(data.labels, minlength=len(data.label_names))
        if len(small := np.flatnonzero((there < FEWEST) & (wanted > 0))):
            raise UserError(
                f"{data.name} has {there[small[0]]} real images of {data.label_names[small[0]]}, too few to train a "
                f"classifier on and try it; give {FEWEST} or more of each class, or leave --filter classifier out."
            )
        if len(data) < (fewest := _fewest_of_all()):
            raise UserError(
                f"{data.name} has {len(data)} images, and a classifier is trained on {fewest} or more; leave "
                "--filter classifier out."
            )
        return Confident(data, asked.threshold, asked.tries)
    return Everything()


def _fewest_of_all() -> int:
    from ganvas.metrics.classifier import FEWEST

    return FEWEST


def repeated(labels: np.ndarray, rows: np.ndarray, totals: np.ndarray | None = None) -> np.ndarray:
    """Rows repeated until every class has `totals` of them, int64 [classes]; None brings all up to the largest.

    Every row of a class comes equally often, give or take once; classes without rows stay empty, and none is cut.
    """
    there = np.bincount(labels[rows], minlength=0 if totals is None else len(totals))
    totals = np.where(there > 0, there.max(), 0) if totals is None else totals
    found = [rows]
    for k in np.flatnonzero((there > 0) & (totals > there)):
        own = rows[labels[rows] == k]
        order = np.random.default_rng(seed_of("repeated", int(k))).permutation(len(own))
        found.append(own[np.resize(order, totals[k] - there[k])])
    return np.concatenate(found)


def _nine_tenths(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of nine tenths of every class, and of the rest: of a class of two or more one at least."""
    tried = np.zeros(len(labels), bool)
    for k in np.unique(labels):
        own = np.flatnonzero(labels == k)
        order = np.random.default_rng(seed_of("tried", int(k))).permutation(len(own))
        tried[own[order[: max(1, len(own) // 10) if len(own) > 1 else 0]]] = True
    return np.flatnonzero(~tried), np.flatnonzero(tried)
