"""The earth mover's distance between features: what it costs to move one set of samples onto the other, exactly.

    W₁ = min_π mean_i ‖x_i - y_π(i)‖

over all one-to-one assignments π, which reach the optimum of transport between as many samples of equal weight
(Birkhoff's theorem; Rubner et al. 2000; the distance whose dual WGAN estimates, Arjovsky et al. 2017). Like every
distance of finite samples it is above 0 between two sets from one distribution, and more so the more dimensions there
are: mind the floor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from ganvas.metrics.base import Evidence, Metric, Part
from ganvas.rng import seed_of

MOST = 2_000
"""Samples of each set that are matched: the work grows with the cube of it, and the memory with the square."""


def earth_movers_distance(x: np.ndarray, y: np.ndarray) -> float:
    """W₁ between samples [n, d] and as many others [n, d], in the unit of the vectors, in float64."""
    assert x.shape == y.shape and x.ndim == 2 and len(x), f"as many vectors of one length, not {x.shape} and {y.shape}"
    x, y = x.astype(np.float64), y.astype(np.float64)
    if x.shape[1] == 1:  # on a line the sorted samples belong together
        return float(np.abs(np.sort(x, axis=0) - np.sort(y, axis=0)).mean())
    costs = cdist(x, y)
    return float(costs[linear_sum_assignment(costs)].mean())


class EarthMover(Metric):
    """The earth mover's distance of generated to real samples: of the points of 2-D worlds, of the features of images.

    Every set is thinned to the same number of samples, so that value and floor are biased alike.
    """

    name = "emd"
    needs = frozenset({"vectors"})
    looks_at = frozenset[Part]({"reference", "floor", "generated"})

    def result(self, evidence: Evidence) -> dict[str, Any]:
        count = min(MOST, *(len(evidence.vectors[part]) for part in (*dict(evidence.judged()).values(), "reference")))
        reference = _some(evidence.vectors["reference"], count)
        found: dict[str, Any] = {
            called: earth_movers_distance(_some(evidence.vectors[part], count), reference)
            for called, part in evidence.judged()
        }
        return found | {"samples": count}


def _some(x: np.ndarray, count: int) -> np.ndarray:
    """`count` of the vectors, drawn without replacement, always the same ones: files are often sorted by class."""
    return x if len(x) == count else x[np.random.default_rng(seed_of("emd")).permutation(len(x))[:count]]
