"""The Inception score: whether a classifier is sure of every sample, and sees all its classes among them.

    IS = exp(E_x KL(p(y|x) ‖ p(y)))

Salimans et al. 2016 (arXiv:1606.03498, Sec. 4): from 1, where all samples look alike to the classifier, to the number
of its classes, where it is sure of each and they are equally many. It knows nothing of real samples: a generator that
makes one perfect image of each class scores the most there is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import log_softmax, xlogy

from ganvas.data import Dataset
from ganvas.errors import UserError
from ganvas.metrics.base import Evidence, Features, Metric, Part
from ganvas.rng import seed_of

SPLITS = 10
"""As published: the score is the mean of so many equal parts of the samples."""
PUBLISHED = 50_000
"""Samples that published scores are taken of; fewer score less."""


def inception_score(logits: np.ndarray) -> float:
    """The score of samples with these class logits [n, classes], in [1, min(n, classes)], in float64."""
    logs = log_softmax(logits.astype(np.float64), axis=1)
    p = np.exp(logs)
    marginal = p.mean(axis=0)
    # The entropy of the mean less the mean entropy is the same, and classes of no probability are no trouble to it.
    divergence = (p * logs).sum(axis=1).mean() - xlogy(marginal, marginal).sum()
    return float(np.exp(max(divergence, 0.0)))


def split_scores(logits: np.ndarray, splits: int = SPLITS) -> np.ndarray:
    """The scores [splits] of equal parts of the samples; fewer than `splits` samples give as many parts.

    The published code cuts the samples in the order of their making, which is a random one. Real samples come in the
    order of their files, often class after class, and a part of one class would score 1. So samples are shuffled first,
    the same way whatever they are.
    """
    n = len(logits)
    splits = min(splits, n)
    order = np.random.default_rng(seed_of("is")).permutation(n)
    cuts = [i * n // splits for i in range(1, splits)]
    return np.array([inception_score(part) for part in np.split(logits[order], cuts)])


class InceptionScore(Metric):
    """The Inception score on the classes of whatever classifier gives the features, which are named."""

    name = "is"
    needs = frozenset({"logits"})
    looks_at = frozenset[Part]({"floor", "generated"})

    @classmethod
    def check(cls, data: Dataset) -> None:
        if data.world is not None:
            raise UserError(
                f"{data.name} is a 2-D world, whose points no classifier sorts; leave the metric is out, or take modes."
            )

    @classmethod
    def check_subject(cls, subject: object, extractor: Features | None) -> None:
        if extractor is not None and not extractor.classes:
            raise UserError(
                f"is needs class probabilities, which the features {extractor.name} do not give; "
                "use --features inception or classifier."
            )

    def result(self, evidence: Evidence) -> dict[str, Any]:
        extractor = evidence.extractor
        assert extractor is not None
        found: dict[str, Any] = {}
        for called, part in evidence.judged():
            scores, whole = split_scores(evidence.logits[part]), inception_score(evidence.logits[part])
            found[called] = float(scores.mean())
            found |= {"std": float(scores.std()), "whole": whole} if part == "generated" else {"whole_of_reals": whole}
        found |= {"splits": min(SPLITS, evidence.n), "classes": extractor.classes}
        if not extractor.is_inception:
            found["note"] = (
                f"this is the score on the {extractor.classes} classes of {extractor.name}, "
                "which published Inception scores do not compare with."
            )
        elif evidence.n < PUBLISHED:
            found["note"] = (
                f"this is the score of {evidence.n} samples, and published ones are of {PUBLISHED}: fewer score less."
            )
        return found
