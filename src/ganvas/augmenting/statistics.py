"""Whether one way of training is better than another, judged by pairs of runs that share their seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

MARGIN = 0.005
"""Half a point of accuracy: what is certainly less is no help, though it may not be zero."""

Verdict = Literal["helps", "does not help", "undecided"]


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences a_i − b_i, and its 95 % confidence interval."""

    mean: float
    low: float
    high: float

    @property
    def verdict(self) -> Verdict:
        """ "helps" where the interval lies above 0, "does not help" where it lies below `MARGIN`."""
        if self.low > 0:
            return "helps"
        return "does not help" if self.high < MARGIN else "undecided"


def difference(a: Sequence[float], b: Sequence[float], confidence: float = 0.95) -> Difference:
    """Student's interval d̄ ± t_{n−1} s/√n of the differences d_i = a_i − b_i of n ≥ 2 pairs."""
    from scipy.stats import t

    d = np.asarray(a, float) - np.asarray(b, float)
    reach = float(t.ppf((1 + confidence) / 2, len(d) - 1) * d.std(ddof=1) / np.sqrt(len(d)))
    mean = float(d.mean())
    return Difference(mean, mean - reach, mean + reach)


def recalls(predicted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """The share of each class that is recognised, float64 [classes]; NaN of a class without images.

    Their mean over the classes that are there is the balanced accuracy (Brodersen et al. 2010).
    """
    there = np.bincount(labels, minlength=classes)
    hits = np.bincount(labels[predicted == labels], minlength=classes)
    return np.divide(hits, there, out=np.full(classes, np.nan), where=there > 0)
