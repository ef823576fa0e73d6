"""The Fréchet distance between Gaussians fitted to two sets of features, in float64.

    d² = ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½)

Dowson and Landau 1982; Heusel et al. 2017 (arXiv:1706.08500, Eq. 6), who take Inception's features and call it FID. The
literature reports d², and so do we.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ganvas.data import Dataset
from ganvas.metrics.base import Evidence, Metric, Terms
from ganvas.metrics.moments import Moments
from ganvas.rng import seed_of

SIZES = 15
"""Sample sizes through whose distances a line is laid (Chong and Forsyth 2020)."""
FEWEST = 2 * SIZES
"""Samples that are needed for so many sizes."""


def frechet_distance(mean1: np.ndarray, cov1: np.ndarray, mean2: np.ndarray, cov2: np.ndarray) -> float:
    """d² between N(mean1, cov1) and N(mean2, cov2): means [d], symmetric covariances [d, d] of any rank."""
    # Σ₁Σ₂ = R Rᵀ Σ₂ has the eigenvalues of the symmetric Rᵀ Σ₂ R, and zeros: no unsymmetric matrix needs a root.
    shared = np.linalg.eigvalsh(_between_roots(cov1, cov2))
    overlap = np.sqrt(shared.clip(min=0)).sum()
    distance = np.square(mean1 - mean2).sum() + np.trace(cov1) + np.trace(cov2) - 2 * overlap
    return max(float(distance), 0.0)


def _between_roots(cov1: np.ndarray, cov2: np.ndarray) -> np.ndarray:
    """Rᵀ cov2 R for some R with R Rᵀ = cov1, whose lower triangle is to be read.

    Any root serves. Cholesky's takes a tenth of an eigendecomposition's time; it exists where cov1 has full rank.
    """
    from scipy.linalg.lapack import dsygst

    try:
        return dsygst(cov2, np.linalg.cholesky(cov1), itype=2, lower=1)[0]
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(cov1)
    # Directions of no variance, where rounding is all there is, are left out.
    kept = values > values[-1] * len(values) * np.finfo(np.float64).eps
    root = vectors[:, kept] * np.sqrt(values[kept])
    return root.T @ cov2 @ root


def between(these: Moments, those: Moments) -> float:
    """d² between the Gaussians of these moments."""
    return frechet_distance(those.mean, those.covariance, these.mean, these.covariance)


@dataclass(frozen=True)
class Line:
    """Distances of N samples by a line over 1/N."""

    infinite: float
    """Where the line meets 1/N = 0. It is unbiased, and of a small distance may lie below 0."""
    standard_error: float
    """Of `infinite`, by the scatter of the sizes about the line alone: that all share their samples is not in it."""
    r2: float
    """Share of the variance that the line explains."""
    smallest: int
    """The smallest N."""


def extrapolate(x: np.ndarray, to: Moments, seed: int = 0) -> Line:
    """The distance of infinitely many samples such as x [n, d] to these moments (Chong and Forsyth 2020).

    The distance of N samples exceeds that of their distribution by about a multiple of 1/N (arXiv:1911.07023, Eq. 3).
    As in the published code, the distances of 15 sizes evenly spaced up to n are fitted by least squares, and the
    moments that they are measured to stay as they are, with their own error: so a perfect generator scores not 0 but
    what infinitely many real samples score, and that is what the floor extrapolates to.

    The published sizes begin at n / 10 = 5,000. Below two samples a dimension, covariances are singular or nearly so
    and the distance is no line over 1/N; sizes begin there where that is more, and at n / 2 at most. Smaller sizes are
    parts of the greater ones, so that every vector is read once; over repeated draws the intercept spreads as it does
    with a fresh shuffle for each size (measured).
    """
    n, d = x.shape
    assert n >= FEWEST, f"{n} samples are too few for {SIZES} sizes"
    sizes = np.linspace(max(n // 10, min(2 * d, n // 2)), n, SIZES).astype(int)
    x = x[np.random.default_rng(seed_of("extrapolate", seed)).permutation(n)]
    grown, distances, seen = Moments(), [], 0
    for size in sizes:
        grown += Moments.of(x[seen:size])
        seen = size
        distances.append(between(grown, to))
    return _line(sizes, np.array(distances))


def _line(sizes: np.ndarray, distances: np.ndarray) -> Line:
    over = 1 / sizes
    inner = over - over.mean()
    slope = inner @ distances / (inner @ inner)
    infinite = distances.mean() - slope * over.mean()
    left = np.square(distances - infinite - slope * over).sum()
    error = np.sqrt(left / (len(sizes) - 2) * (1 / len(sizes) + over.mean() ** 2 / (inner @ inner)))
    total = np.square(distances - distances.mean()).sum()
    return Line(float(infinite), float(error), float(1 - left / total) if total > 0 else 1.0, int(sizes[0]))


def bootstrap_interval(x: np.ndarray, reference: np.ndarray, times: int, seed: int = 0) -> tuple[float, float]:
    """What to add to the distance of x [n, d] to `reference` [m, d] for a 95 % interval: (below 0, above 0).

    Both sets are drawn from themselves with replacement, `times` over (Efron 1979). A set drawn so has fewer different
    samples, so its distances are biased upwards once more; what they tell is how far they spread. Therefore the 2.5 and
    97.5 % quantiles are taken about the replicates' own mean. The interval is one for the distance that so many samples
    have on average, bias included.
    """
    rng = np.random.default_rng(seed_of("bootstrap", seed))

    def replicate(of: np.ndarray) -> Moments:
        return Moments.of(of, np.bincount(rng.integers(len(of), size=len(of)), minlength=len(of)))

    distances = np.array([between(replicate(x), replicate(reference)) for _ in range(times)])
    low, high = np.quantile(distances - distances.mean(), [0.025, 0.975])
    return float(low), float(high)


class Frechet(Metric):
    """The Fréchet distance between the features of generated and of real samples.

    Where the terms ask for it, also "infinite" and "floor_infinite" (see `extrapolate`), with the "fit" of each; and
    "interval", of 95 %, from so many replicates (see `bootstrap_interval`).
    """

    name = "fd"
    needs = frozenset({"moments"})
    looks_at = frozenset({"reference", "floor", "generated"})

    def __init__(self, data: Dataset, terms: Terms):
        if terms.extrapolate or terms.bootstrap:
            self.needs = frozenset({"moments", "vectors"})

    def result(self, evidence: Evidence) -> dict[str, Any]:
        reference, terms = evidence.moments["reference"], evidence.terms
        found: dict[str, Any] = {what: between(evidence.moments[part], reference) for what, part in evidence.judged()}
        if terms.extrapolate:
            found |= self._infinite(evidence)
        if terms.bootstrap:
            x, real = evidence.vectors["generated"], evidence.vectors["reference"]
            low, high = bootstrap_interval(x, real, terms.bootstrap, terms.seed)
            found |= {
                "interval": [max(found["value"] + low, 0.0), found["value"] + high],
                "bootstrap": terms.bootstrap,
            }
        return found

    def _infinite(self, evidence: Evidence) -> dict[str, Any]:
        found: dict[str, Any] = {}
        notes = []
        for what, part in evidence.judged():
            x, name = evidence.vectors[part], "infinite" if what == "value" else f"{what}_infinite"
            if len(x) < FEWEST:
                notes.append(f"{len(x)} samples are too few to extrapolate; give {FEWEST} at least.")
                continue
            line = extrapolate(x, evidence.moments["reference"], evidence.terms.seed)
            found[name] = line.infinite
            found[f"{name}_fit"] = {"r2": line.r2, "standard_error": line.standard_error, "sizes_from": line.smallest}
            if what == "value" and line.smallest < 2 * x.shape[1]:
                notes.append(
                    f"extrapolated from {line.smallest} samples of {x.shape[1]} dimensions on: the distance is no line "
                    f"over 1/N there, and comes out too small; give {4 * x.shape[1]} samples."
                )
        return found | ({"note": " ".join(notes)} if notes else {})
