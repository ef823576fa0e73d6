"""The Fréchet distance between Gaussians fitted to two sets of features, in float64.

    d² = ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½)

Dowson and Landau 1982; Heusel et al. 2017 (arXiv:1706.08500, Eq. 6), who take Inception's features and call it FID. The
literature reports d², and so do we.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ganvas.data import Dataset
from ganvas.metrics.base import Metric, Part


class Moments:
    """Mean and covariance of vectors that come in blocks of any size (Chan, Golub and LeVeque 1983)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = self._scatter = np.zeros(())

    def add(self, x: np.ndarray) -> None:
        """The next vectors [n, d]."""
        n, x = len(x), x.astype(np.float64)
        if n == 0:
            return
        mean = x.mean(axis=0)
        scatter = (x - mean).T @ (x - mean)
        if self.count:
            total, step = self.count + n, mean - self.mean
            scatter += self._scatter + np.outer(step, step) * (self.count * n / total)
            mean = self.mean + step * (n / total)
        self.count, self.mean, self._scatter = self.count + n, mean, scatter

    @property
    def covariance(self) -> np.ndarray:
        """Unbiased, [d, d]."""
        assert self.count > 1, "one vector has no covariance"
        return self._scatter / (self.count - 1)


def frechet_distance(mean1: np.ndarray, cov1: np.ndarray, mean2: np.ndarray, cov2: np.ndarray) -> float:
    """d² between N(mean1, cov1) and N(mean2, cov2): means [d], symmetric covariances [d, d] of any rank."""
    root = _root(cov1)
    # Σ₁Σ₂ = R Rᵀ Σ₂ has the eigenvalues of the symmetric Rᵀ Σ₂ R, and zeros: no unsymmetric matrix needs a root.
    shared = np.linalg.eigvalsh(root.T @ cov2 @ root)
    overlap = np.sqrt(shared.clip(min=0)).sum()
    distance = np.square(mean1 - mean2).sum() + np.trace(cov1) + np.trace(cov2) - 2 * overlap
    return max(float(distance), 0.0)


def _root(cov: np.ndarray) -> np.ndarray:
    """R [d, rank] with R Rᵀ = cov; directions of no variance, where rounding is all there is, are left out."""
    values, vectors = np.linalg.eigh(cov)
    kept = values > values[-1] * len(values) * np.finfo(np.float64).eps
    return vectors[:, kept] * np.sqrt(values[kept])


class Frechet(Metric):
    """The Fréchet distance between the features of generated and of real samples."""

    name = "fd"
    uses_features = True
    looks_at = frozenset({"reference", "floor", "generated"})

    def __init__(self, data: Dataset):
        self._moments: dict[Part, Moments] = {part: Moments() for part in self.looks_at}

    def see(self, part: Part, samples: np.ndarray, features: np.ndarray | None) -> None:
        assert features is not None
        self._moments[part].add(features)

    def result(self) -> dict[str, Any]:
        return {"value": self._to_reference("generated"), "floor": self._to_reference("floor")}

    def _to_reference(self, part: Part) -> float:
        these, those = self._moments[part], self._moments["reference"]
        return frechet_distance(these.mean, these.covariance, those.mean, those.covariance)
