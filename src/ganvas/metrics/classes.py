"""Which classes a generator makes, counted by a classifier that shares nothing with the features of the distances."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganvas.data import Dataset
from ganvas.errors import UserError
from ganvas.metrics.base import Metric, Part, is_labelled

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

    @classmethod
    def check(cls, data: Dataset) -> None:
        if not is_labelled(data):
            raise UserError(
                f"{data.name} has no labels of two classes or more, so classes cannot be counted; "
                "leave the metric classes out, or give labelled data."
            )
        if len(data) < FEWEST:
            raise UserError(
                f"{data.name} has {len(data)} images, and the metric classes needs {FEWEST} at least to learn from; "
                "leave it out, or give more."
            )

    def __init__(self, data: Dataset):
        assert data.labels is not None
        self._names = data.label_names
        self._shares = np.bincount(data.labels, minlength=len(data.label_names)) / len(data.labels)
        self._counts = np.zeros(len(data.label_names), np.int64)
        self._fit(data, data.labels)

    def _fit(self, data: Dataset, labels: np.ndarray) -> None:
        from sklearn.decomposition import PCA
        from sklearn.neighbors import KNeighborsClassifier
        from sklearn.pipeline import make_pipeline

        order = np.random.default_rng(0).permutation(len(data))
        fitted = min(_MOST_FITTED, len(data) * 4 // 5)
        here, held_out = order[:fitted], order[fitted : fitted + _MOST_HELD_OUT]
        x = _vectors(data.samples[np.sort(here)])
        components, neighbours = min(50, *x.shape), min(5, fitted)
        self._classifier = make_pipeline(
            PCA(components, svd_solver="randomized", random_state=0), KNeighborsClassifier(neighbours)
        ).fit(x, labels[np.sort(here)])
        self._what = f"{neighbours} nearest neighbours on {components} principal components"
        predicted = self._classifier.predict(_vectors(data.samples[np.sort(held_out)]))
        self._accuracy = float((predicted == labels[np.sort(held_out)]).mean())

    def see(self, part: Part, samples: np.ndarray, features: np.ndarray | None) -> None:
        predicted = self._classifier.predict(_vectors(samples))
        self._counts += np.bincount(predicted, minlength=len(self._counts))

    def result(self) -> dict[str, Any]:
        real, made = self._shares, self._counts / self._counts.sum()
        there = real > 0
        some = made > 0
        return {
            "value": int((made >= FOUND * real)[there].sum()),
            "of": int(there.sum()),
            "counts": {name: int(c) for name, c, t in zip(self._names, self._counts, there, strict=True) if t},
            "kl": float((made[some] * np.log(made[some] / real[some])).sum()),
            "classifier": self._what,
            "accuracy": self._accuracy,
        }


def _vectors(images: np.ndarray) -> np.ndarray:
    """float32 [n, side · side · channels] of uint8 [n, height, width, channels], box-averaged where they are larger."""
    from ganvas.metrics.features import as_network_input

    return as_network_input(images, at_most=_SIDE).flatten(1).numpy()
