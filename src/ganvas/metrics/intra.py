"""The Fréchet distance within classes: whether the samples of a class are like the real ones of that class.

    (1/K) Σ_c d²(generated samples that were asked for c, real ones of c)

Miyato and Koyama 2018 (arXiv:1802.05637, §4), who take Inception's features and call it intra-FID. A generator that
makes one class where another was asked for has the very distance of a good one over all samples, but not within.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ganvas.data import Dataset
from ganvas.data.labelled import known
from ganvas.errors import UserError
from ganvas.metrics.asked import MOST_LISTED, demand_asked
from ganvas.metrics.base import Evidence, Features, Metric
from ganvas.metrics.frechet import between
from ganvas.metrics.moments import Moments

if TYPE_CHECKING:
    from ganvas.game import Samples

FEWEST = 2
"""Samples that have a covariance."""
_NAMED = 5  # classes that a note names


def distances_within(
    x: np.ndarray, labels: np.ndarray, real: np.ndarray, real_labels: np.ndarray, classes: int
) -> np.ndarray:
    """d² between the samples of each class, float64 [classes]; NaN where either side has fewer than two.

    Features are float [n, d] and [m, d], labels int64 [n] and [m] below `classes`; a label of -1 is of no class.
    """
    found = np.full(classes, np.nan)
    for c in range(classes):
        these, those = labels == c, real_labels == c
        if min(these.sum(), those.sum()) >= FEWEST:
            found[c] = between(Moments.of(x[these]), Moments.of(real[those]))
    return found


class IntraFrechet(Metric):
    """The mean over the classes, each counted alike; "by_class" and "floor_by_class" tell those of sets with up to 20.

    A class of which there are fewer than two samples has no distance, and is left out of value and floor.
    """

    name = "intra-fd"
    needs = frozenset({"vectors"})
    looks_at = frozenset({"reference", "floor", "generated"})

    @classmethod
    def check(cls, data: Dataset) -> None:
        if data.labels is None:
            raise UserError(
                f"{data.name} has no labels, so there are no classes to measure within; "
                f"leave the metric {cls.name} out, or give labelled data."
            )

    @classmethod
    def check_subject(cls, subject: Samples | Dataset, extractor: Features | None) -> None:
        demand_asked(subject, cls.name, "to measure within classes")

    def result(self, evidence: Evidence) -> dict[str, Any]:
        names, labels, vectors = evidence.data.label_names, evidence.labels, evidence.vectors
        found = {
            what: distances_within(vectors[part], labels[part], vectors["reference"], labels["reference"], len(names))
            for what, part in evidence.judged()
        }
        measured = np.isfinite(np.stack([*found.values()])).all(axis=0)
        if not measured.any():
            raise UserError(
                f"no class of {evidence.data.name} has {FEWEST} samples among the judged and the real ones alike, so "
                f"the metric {self.name} has nothing to measure; leave it out, or give more samples with --n."
            )
        result: dict[str, Any] = {what: float(of_class[measured].mean()) for what, of_class in found.items()}
        result["classes"] = int(measured.sum())
        if len(names) <= MOST_LISTED:
            for what, of_class in found.items():
                listed = {n: float(d) for n, d, m in zip(names, of_class, measured, strict=True) if m}
                result["by_class" if what == "value" else f"{what}_by_class"] = listed
        notes = [*_left_out(evidence, measured), *_too_few(evidence, measured)]
        return result | ({"note": " ".join(notes)} if notes else {})


def _counts(evidence: Evidence) -> np.ndarray:
    """How many samples of each class each part has, [parts, classes]."""
    classes = len(evidence.data.label_names)
    parts = ["reference", *(part for _, part in evidence.judged())]
    labels = [evidence.labels[part] for part in parts]  # type: ignore[index]
    return np.stack([np.bincount(y[known(y)], minlength=classes) for y in labels])


def _left_out(evidence: Evidence, measured: np.ndarray) -> list[str]:
    there = _counts(evidence).sum(axis=0) > 0
    names = [n for n, m, t in zip(evidence.data.label_names, measured, there, strict=True) if t and not m]
    if not names:
        return []
    more = ", ..." if len(names) > _NAMED else ""
    return [
        f"{len(names)} of {int(there.sum())} classes have fewer than {FEWEST} samples and are left out of the mean, "
        f"which says nothing of them: {', '.join(names[:_NAMED])}{more}."
    ]


def _too_few(evidence: Evidence, measured: np.ndarray) -> list[str]:
    """What to say where a covariance is singular; the distance is then too great, and the floor's is, too."""
    counts, dimensions = _counts(evidence)[:, measured], evidence.vectors["generated"].shape[1]
    if counts.min() > dimensions:
        return []
    few = int((counts.min(axis=0) <= dimensions).sum())
    return [
        f"{few} of {counts.shape[1]} classes have too few samples for features of {dimensions} dimensions (the fewest "
        f"are {counts.min()}): covariances are singular there and distances come out too great; give more."
    ]
