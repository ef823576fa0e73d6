"""Fidelity and variety apart: precision and recall, density and coverage, by balls about the samples.

A ball about every sample of a set, up to its k-th nearest neighbour in the set, covers where such samples lie.

- Precision is the share of generated samples that lie in the ball of some real one, recall the share of real samples
  that lie in the ball of some generated one: Kynkäänniemi et al. 2019 (arXiv:1904.06991, Eq. 1 and 2), k = 3.
- Density is how many balls of real samples a generated sample lies in, over k, on average; coverage is the share of
  real samples whose ball holds a generated one: Naeem et al. 2020 (arXiv:2002.09797, Sec. 3), k = 5.

As in the code of their authors, the balls of the first two are closed and those of the others open, so that identical
sets score 1 in all four. Density exceeds 1 where generated samples crowd where the real ones do.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from ganvas.metrics.base import Evidence, Metric, Part
from ganvas.metrics.nearest import inside, nearest

K_OF_PRECISION = 3
K_OF_DENSITY = 5


def neighbour_distances(x: np.ndarray, k: int) -> np.ndarray:
    """float64 [n, k]: how far the first to the k-th nearest other vector of x [n, d] are from each, k < n."""
    return nearest(x, x, k, itself=np.arange(len(x)))[0]


def precision_recall(real: np.ndarray, made: np.ndarray, k: int = K_OF_PRECISION) -> tuple[float, float]:
    """Improved precision and recall, each in [0, 1], of vectors [n, d] against real ones [m, d]."""
    of_real, of_made = (neighbour_distances(x, k)[:, -1:] for x in (real, made))
    return _share(inside(made, real, of_real)[0]), _share(inside(real, made, of_made)[0])


def density_coverage(real: np.ndarray, made: np.ndarray, k: int = K_OF_DENSITY) -> tuple[float, float]:
    """Density, from 0 to m / k, and coverage, in [0, 1], of vectors [n, d] against real ones [m, d]."""
    of_sample, of_ball = inside(made, real, _open(neighbour_distances(real, k)[:, -1:]))
    return float(of_sample.mean()) / k, _share(of_ball)


def _open(radii: np.ndarray) -> np.ndarray:
    """The closed balls of these radii hold what the open ones of `radii` do; where `radii` are 0, nothing."""
    return np.nextafter(radii, -1)


def _share(counts: np.ndarray) -> float:
    return float((counts > 0).mean())


class _Balls(Metric):
    """What the four metrics share: each gives its own figure, and nothing is computed twice."""

    needs = frozenset({"vectors"})
    looks_at = frozenset[Part]({"reference", "floor", "generated"})
    published_k: ClassVar[int]

    def result(self, evidence: Evidence) -> dict[str, Any]:
        k = _k(evidence, self.published_k)
        found: dict[str, Any] = {called: self._figure(evidence, part, k) for called, part in evidence.judged()}
        found["k"] = k
        if k < self.published_k:
            found["note"] = f"k is {k} and not {self.published_k}, for there are only {k + 1} samples of one kind."
        return found

    @abstractmethod
    def _figure(self, evidence: Evidence, part: Part, k: int) -> float:
        """That of a part against the reference."""


class Precision(_Balls):
    """Share of samples that lie in the closed ball of some real one."""

    name = "precision"
    published_k = K_OF_PRECISION

    def _figure(self, evidence: Evidence, part: Part, k: int) -> float:
        return _share(_among_real(evidence, part)[0][:, 0])


class Recall(_Balls):
    """Share of real samples that lie in the closed ball of some generated one."""

    name = "recall"
    published_k = K_OF_PRECISION

    def _figure(self, evidence: Evidence, part: Part, k: int) -> float:
        radii = _radii(evidence, part)[:, k - 1 : k]
        return _share(inside(evidence.vectors["reference"], evidence.vectors[part], radii)[0])


class Density(_Balls):
    """How many open balls of real samples a sample lies in, over k."""

    name = "density"
    published_k = K_OF_DENSITY

    def _figure(self, evidence: Evidence, part: Part, k: int) -> float:
        return float(_among_real(evidence, part)[0][:, 1].mean()) / k


class Coverage(_Balls):
    """Share of real samples whose open ball holds a sample."""

    name = "coverage"
    published_k = K_OF_DENSITY

    def _figure(self, evidence: Evidence, part: Part, k: int) -> float:
        return _share(_among_real(evidence, part)[1][:, 1])


def _k(evidence: Evidence, published: int) -> int:
    """One k for the value and the floor, which only a handful of samples make smaller than published."""
    parts: list[Part] = ["reference", *(part for _, part in evidence.judged())]
    return min(published, *(len(evidence.vectors[part]) - 1 for part in parts))


def _radii(evidence: Evidence, part: Part) -> np.ndarray:
    """float64 [n, k]: the distances of a part's samples to their first to k-th nearest neighbours in it."""
    x = evidence.vectors[part]
    most = min(max(K_OF_PRECISION, K_OF_DENSITY), len(x) - 1)
    return evidence.once(("neighbour distances", part), lambda: neighbour_distances(x, most))


def _among_real(evidence: Evidence, part: Part) -> tuple[np.ndarray, np.ndarray]:
    """In how many balls of real samples each sample lies, int64 [n, 2], and how many samples each holds, int64 [m, 2]:
    of precision's closed balls, and of density's open ones."""

    def count() -> tuple[np.ndarray, np.ndarray]:
        radii = _radii(evidence, "reference")
        closed, opened = (radii[:, _k(evidence, published) - 1] for published in (K_OF_PRECISION, K_OF_DENSITY))
        return inside(evidence.vectors[part], evidence.vectors["reference"], np.stack([closed, _open(opened)], axis=1))

    return evidence.once(("balls of real samples", part), count)
