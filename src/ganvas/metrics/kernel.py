"""The kernel distance of two sets of features, in float64: the squared maximum mean discrepancy of a cubic kernel.

    MMD² = E k(x, x') + E k(y, y') − 2 E k(x, y),   k(x, y) = (x·y / d + 1)³

Gretton et al. 2012 (JMLR 13, Eq. 3, the unbiased estimate); Bińkowski et al. 2018 (arXiv:1801.01401, Sec. 4), who take
Inception's features and call it KID: the mean over subsets of the samples. Unlike that of a Fréchet distance, its
expectation does not depend on how many samples there are; between samples of one distribution it is 0, so that half of
the estimates are negative.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ganvas.metrics.base import Evidence, Metric, Part
from ganvas.rng import seed_of

SUBSETS = 100
SUBSET_SIZE = 1000
"""Both as published; of fewer than 2,000 samples a subset is half of them, so that subsets differ."""
_ROWS = 1024  # of the kernel's matrix that are held at once


def kernel_distance(x: np.ndarray, y: np.ndarray) -> float:
    """The unbiased estimate of MMD² from all pairs of x [n, d] and y [m, d], two of each at least."""
    return _within(x) + _within(y) - 2 * _mean_kernel(x, y)


def subset_distances(x: np.ndarray, y: np.ndarray, size: int, subsets: int = SUBSETS, seed: int = 0) -> np.ndarray:
    """The unbiased estimates float64 [subsets] from subsets of `size` of x [n, d] and of y [m, d].

    A subset is drawn without replacement; `size` is from 2 to n and m.
    """
    rng = np.random.default_rng(seed_of("kid", seed))
    found = np.empty(subsets)
    for i in range(subsets):
        found[i] = kernel_distance(*(z[rng.choice(len(z), size, replace=False)] for z in (x, y)))
    return found


def _within(x: np.ndarray) -> float:
    """The mean kernel of two different rows of x [n, d]."""
    x = x.astype(np.float64)
    itself = (np.square(x).sum(axis=1) / x.shape[1] + 1) ** 3
    n = len(x)
    return float((_mean_kernel(x, x) * n * n - itself.sum()) / (n * (n - 1)))


def _mean_kernel(x: np.ndarray, y: np.ndarray) -> float:
    """The mean kernel of a row of x [n, d] and a row of y [m, d]."""
    x, y = x.astype(np.float64, copy=False), y.astype(np.float64, copy=False)
    total = 0.0
    for start in range(0, len(x), _ROWS):
        base = x[start : start + _ROWS] @ y.T
        base /= x.shape[1]
        base += 1
        total += float((base * base * base).sum())
    return total / (len(x) * len(y))


class Kernel(Metric):
    """KID: the mean kernel distance over subsets of the generated and of the real samples."""

    name = "kid"
    needs = frozenset({"vectors"})
    looks_at = frozenset[Part]({"reference", "floor", "generated"})

    def result(self, evidence: Evidence) -> dict[str, Any]:
        judged = evidence.judged()
        # One size for the value and the floor, whose spreads then compare.
        fewest = min(len(evidence.vectors[part]) for part in ("reference", *(part for _, part in judged)))
        size = max(2, min(SUBSET_SIZE, fewest // 2))
        found: dict[str, Any] = {}
        for called, part in judged:
            distances = subset_distances(
                evidence.vectors[part], evidence.vectors["reference"], size, seed=evidence.terms.seed
            )
            found[called] = float(distances.mean())
            found["std" if called == "value" else "floor_std"] = float(distances.std())
        found |= {"subsets": SUBSETS, "subset_size": size}
        if evidence.extractor is not None and not evidence.extractor.is_inception:
            found["note"] = (
                f"this is the kernel distance on the features {evidence.extractor.name}, "
                "which published KIDs, on Inception's, do not compare with."
            )
        return found
