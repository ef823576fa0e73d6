"""How alike generated images are to each other: the mean MS-SSIM of random pairs of them.

MS-SSIM (Wang, Simoncelli and Bovik 2003) compares contrast and structure at up to five scales, and luminance at the
coarsest:

    MS-SSIM(x, y) = l_M(x, y)^w_M · Π_j cs_j(x, y)^w_j

1 is the same image. Odena et al. 2017 (arXiv:1610.09585, Sec. 4.2) take the mean over pairs of one class: a generator
that makes few different images scores more than real images do, while less means more diverse, or noise. It says
nothing of quality.
"""

from __future__ import annotations

from heapq import heappush, heappushpop
from typing import Any

import numpy as np
from scipy.ndimage import correlate1d

from ganvas.data import Dataset
from ganvas.errors import UserError
from ganvas.metrics.base import Block, Evidence, Metric, Part, Terms
from ganvas.rng import seed_of

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the scales, from full size on, as published (they add up to 1.0001)."""
WINDOW = 11
"""Pixels of the window, a Gaussian of deviation 1.5: the least side of a scale."""
PAIRS = 1_000
_K1, _K2, _RANGE = 0.01, 0.03, 255
_MOST_BYTES = 2**29  # of the images of a part that pairs are drawn from
_AT_ONCE = 2**21  # values of the images that are compared at a time
_GAUSSIAN = np.exp(-np.square(np.arange(WINDOW) - WINDOW // 2) / (2 * 1.5**2))


def scales_of(height: int, width: int) -> int:
    """How many of the five scales images of this size have: the side is halved while the window still fits."""
    return next(s for s in range(len(WEIGHTS), -1, -1) if s == 0 or min(height, width) >> (s - 1) >= WINDOW)


def ms_ssim(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """MS-SSIM float64 [n] of images [n, H, W, C] in 0..255 and as many others, at as many scales as their size allows.

    Of fewer than five scales the weights are divided by their sum. Windows lie wholly inside the images, as in Wang's
    code; terms are averaged over pixels and channels, and negative ones count as 0, as in the code of Odena et al.
    """
    assert x.shape == y.shape, f"as many images of one shape, not {x.shape} and {y.shape}"
    scales = scales_of(*x.shape[1:3])
    assert scales, f"images of {x.shape[1]}x{x.shape[2]} are smaller than the window"
    weights = np.array(WEIGHTS[:scales])
    if scales < len(WEIGHTS):
        weights /= weights.sum()
    x, y = x.astype(np.float64), y.astype(np.float64)
    found = np.ones(len(x))
    for scale, weight in enumerate(weights):
        luminance, contrast = similarities(x, y)
        last = scale == scales - 1
        found *= (luminance * contrast if last else contrast).mean(axis=(1, 2, 3)).clip(min=0) ** weight
        x, y = (x, y) if last else (_halved(x), _halved(y))
    return found


def similarities(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Luminance l and contrast and structure cs at every place of the window: two of [n, H - 10, W - 10, C]."""
    c1, c2 = (_K1 * _RANGE) ** 2, (_K2 * _RANGE) ** 2
    mean_x, mean_y = _windowed(x), _windowed(y)
    product, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    covariance, variances = _windowed(x * y) - product, _windowed(x**2 + y**2) - squares
    return (2 * product + c1) / (squares + c1), (2 * covariance + c2) / (variances + c2)


def _windowed(x: np.ndarray) -> np.ndarray:
    weights, inside = _GAUSSIAN / _GAUSSIAN.sum(), slice(WINDOW // 2, -(WINDOW // 2))
    return correlate1d(correlate1d(x, weights, axis=1)[:, inside], weights, axis=2)[:, :, inside]


def _halved(x: np.ndarray) -> np.ndarray:
    """Means of 2x2 pixels; the last row or column of an odd side is left out."""
    n, height, width, channels = x.shape
    x = x[:, : height // 2 * 2, : width // 2 * 2]
    return x.reshape(n, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))


def draw_pairs(labels: np.ndarray, most: int = PAIRS) -> np.ndarray:
    """Different pairs of different samples of one class, as many of each class, `most` in all or fewer: [pairs, 2].

    A class of one sample gives none, and what is of no class (-1) has no pairs. Of more than `most` classes as many are
    drawn, always the same ones.
    """
    rng = np.random.default_rng(seed_of("ms-ssim", "pairs"))
    groups = [rows for label in np.unique(labels[labels >= 0]) if len(rows := np.flatnonzero(labels == label)) > 1]
    groups = [groups[i] for i in rng.permutation(len(groups))[:most]]
    found = [np.empty((0, 2), np.int64)]
    for rows in groups:
        of_all = len(rows) * (len(rows) - 1) // 2
        drawn = rng.choice(of_all, min(of_all, most // len(groups)), replace=False)
        found.append(rows[np.stack(np.tril_indices(len(rows), -1), axis=1)[drawn]])
    return np.concatenate(found)


class Some:
    """At most `most` images of those that come block by block, each as likely as any other, whatever the blocks are."""

    def __init__(self, most: int):
        self.most, self.labelled = most, True
        self._seen = 0
        self._rng = np.random.default_rng(seed_of("ms-ssim", "images"))
        self._heap: list[tuple[float, int, int, np.ndarray]] = []

    def add(self, block: Block) -> None:
        """The images with the largest of random numbers are kept: the numbers are a stream, one for each image."""
        self.labelled &= block.labels is not None
        labels = np.zeros(len(block), np.int64) if block.labels is None else block.labels
        for chance, label, image in zip(self._rng.random(len(block)), labels, block.samples, strict=True):
            self._seen += 1
            if len(self._heap) < self.most:
                heappush(self._heap, (chance, self._seen, int(label), image.copy()))
            elif chance > self._heap[0][0]:
                heappushpop(self._heap, (chance, self._seen, int(label), image.copy()))

    def pairs(self, within: bool) -> tuple[list[np.ndarray], np.ndarray]:
        """The images in the order in which they came, and pairs of their indices, perhaps `within` classes."""
        kept = sorted(self._heap, key=lambda entry: entry[1])
        labels = np.array([label for *_, label, _ in kept]) if within else np.zeros(len(kept), np.int64)
        return [image for *_, image in kept], draw_pairs(labels)


class MSSSIM(Metric):
    """The mean MS-SSIM of random pairs of generated images, of one class where these have labels; 1 is no diversity."""

    name = "ms-ssim"
    needs = frozenset({"samples"})
    looks_at = frozenset[Part]({"floor", "generated"})

    @classmethod
    def check(cls, data: Dataset) -> None:
        if data.world is not None:
            raise UserError(f"ms-ssim compares images, and {data.name} is a 2-D world; leave it out, or take modes.")
        height, width = data.samples.shape[1:3]
        if not scales_of(height, width):
            raise UserError(
                f"ms-ssim compares windows of {WINDOW}x{WINDOW} pixels, and the images of {data.name} are "
                f"{height}x{width}; leave it out, or load them at a size of at least {WINDOW}."
            )

    def __init__(self, data: Dataset, terms: Terms):
        shape = data.samples.shape[1:]
        self._scales = scales_of(*shape[:2])
        self._most = max(2, min(2 * PAIRS, _MOST_BYTES // int(np.prod(shape))))
        self._images: dict[Part, Some] = {}

    def see(self, part: Part, block: Block) -> None:
        self._images.setdefault(part, Some(self._most)).add(block)

    def result(self, evidence: Evidence) -> dict[str, Any]:
        judged = evidence.judged()
        within = _has_classes(evidence) and all(
            self._images[part].labelled and len(self._images[part].pairs(True)[1]) for _, part in judged
        )
        found: dict[str, Any] = {}
        for called, part in judged:
            images, pairs = self._images[part].pairs(within)
            at_once = max(1, _AT_ONCE // images[0].size)
            some = [
                ms_ssim(*(np.stack([images[i] for i in side]) for side in rows.T))
                for rows in np.split(pairs, range(at_once, len(pairs), at_once))
            ]
            found[called] = float(np.concatenate(some).mean())
            if part == "generated":
                found["pairs"] = f"{len(pairs)} random pairs" + ", each of one class" * within
        return found | {"scales": self._scales}


def _has_classes(evidence: Evidence) -> bool:
    """Whether what is judged was made class by class: else pairs of real images must be drawn as freely."""
    subject, data = evidence.subject, evidence.data
    if isinstance(subject, Dataset):
        return subject.labels is not None and set(subject.label_names) <= set(data.label_names)
    from ganvas.game import Conditional

    return isinstance(subject, Conditional) and subject.conditions > 0
