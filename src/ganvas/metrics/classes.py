"""Which classes a generator makes, counted by a classifier that shares nothing with the features of the distances."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ganvas.data import Dataset
from ganvas.data.labelled import known
from ganvas.errors import UserError
from ganvas.metrics.base import Block, Evidence, Metric, Part, Terms, is_labelled

FEWEST = 10
"""Real images that a classifier can learn from."""
FOUND = 0.1
"""A class is found when its share of the generated images is at least so much of its share of the real ones."""
_SIDE = 16  # nearest neighbours need no more than the gist
_MOST_FITTED, _MOST_HELD_OUT = 10_000, 2_000


class Classes(Metric):
    """Classes found among generated images, how often each, and the Kullback-Leibler divergence of their shares.

    The divergence is KL(generated ‖ real) in nats, as for stacked MNIST in VEEGAN (Srivastava et al. 2017) and PacGAN.
    """

    name = "classes"
    needs = frozenset({"samples"})
    looks_at = frozenset[Part]({"floor", "generated"})

    @classmethod
    def check(cls, data: Dataset) -> None:
        if not is_labelled(data):
            raise UserError(
                f"{data.name} has no labels of two classes or more, so classes cannot be counted; "
                "leave the metric classes out, or give labelled data."
            )
        if (n := len(known(data.labels))) < FEWEST:
            raise UserError(
                f"{data.name} has {n} labelled images, and the metric classes needs {FEWEST} at least to learn from; "
                "leave it out, or give more."
            )

    def __init__(self, data: Dataset, terms: Terms):
        assert data.labels is not None
        self._data, self._labels = data, data.labels
        labels = data.labels[known(data.labels)]
        self._shares = np.bincount(labels, minlength=len(data.label_names)) / len(labels)
        self._counts: dict[Part, np.ndarray] = {}

    @cached_property
    def _fitted(self) -> tuple[Any, str, float]:
        """The classifier, what it is, and its accuracy on images that it was not fitted to."""
        from sklearn.decomposition import PCA
        from sklearn.neighbors import KNeighborsClassifier
        from sklearn.pipeline import make_pipeline

        samples = self._data.samples
        order = np.random.default_rng(0).permutation(known(self._labels))
        fitted = min(_MOST_FITTED, len(order) * 4 // 5)
        here, held_out = np.sort(order[:fitted]), np.sort(order[fitted : fitted + _MOST_HELD_OUT])
        x = _vectors(samples[here])
        components, neighbours = min(50, *x.shape), min(5, fitted)
        classifier = make_pipeline(
            PCA(components, svd_solver="randomized", random_state=0), KNeighborsClassifier(neighbours)
        ).fit(x, self._labels[here])
        accuracy = float((classifier.predict(_vectors(samples[held_out])) == self._labels[held_out]).mean())
        return classifier, f"{neighbours} nearest neighbours on {components} principal components", accuracy

    def see(self, part: Part, block: Block) -> None:
        predicted = self._fitted[0].predict(_vectors(block.samples))
        counts = np.bincount(predicted, minlength=len(self._shares))
        self._counts[part] = self._counts.get(part, 0) + counts

    def result(self, evidence: Evidence) -> dict[str, Any]:
        names, there = self._data.label_names, self._shares > 0
        _, what, accuracy = self._fitted
        found: dict[str, Any] = {}
        for called, part in evidence.judged():
            predicted, ending = self._counts[part], "" if part == "generated" else "_of_reals"
            made = predicted / predicted.sum()
            some = made > 0
            found[called] = int((made >= FOUND * self._shares)[there].sum())
            found["kl" + ending] = float((made[some] * np.log(made[some] / self._shares[some])).sum())
        counts = {name: int(c) for name, c, t in zip(names, self._counts["generated"], there, strict=True) if t}
        return found | {"of": int(there.sum()), "counts": counts, "classifier": what, "accuracy": accuracy}


def _vectors(images: np.ndarray) -> np.ndarray:
    """float32 [n, side · side · channels] of uint8 [n, height, width, channels], box-averaged where they are larger."""
    from ganvas.metrics.features import as_network_input

    return as_network_input(images, at_most=_SIDE).flatten(1).numpy()
