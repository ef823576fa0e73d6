"""How well a game that tells classes apart does so on real images, such as those of a test set.

Salimans et al. 2016 (arXiv:1606.03498, §5) judge semi-supervised learning by it: the paper counts the images of the
test set that the discriminator classifies wrongly. Generated samples have no part in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ganvas.data import Dataset
from ganvas.data.labelled import known
from ganvas.errors import UserError
from ganvas.metrics.asked import MOST_LISTED
from ganvas.metrics.base import Evidence, Features, Metric
from ganvas.metrics.samples import BLOCK

if TYPE_CHECKING:
    from ganvas.game import Samples

_NAMED = 5  # classes that a message names


def hits(
    predict: Callable[[np.ndarray], np.ndarray], data: Dataset, names: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """How many images of each class of the data are classified right, and how many there are, int64 [classes].

    `predict` turns images, uint8 [n, H, W, C], into indices of `names`; a class of the data is right by its name.
    Images whose label is -1 are passed over.
    """
    assert data.labels is not None
    index = {name: i for i, name in enumerate(names)}
    wanted = np.array([index.get(name, -1) for name in data.label_names])
    right, there = np.zeros((2, len(wanted)), np.int64)
    rows = known(data.labels)
    for start in range(0, len(rows), BLOCK):
        here = rows[start : start + BLOCK]
        labels = data.labels[here]
        is_right = predict(data.samples[here]) == wanted[labels]
        right += np.bincount(labels[is_right], minlength=len(wanted))
        there += np.bincount(labels, minlength=len(wanted))
    return right, there


class Accuracy(Metric):
    """The share of all real images that the game classifies right; "wrong" counts the others.

    It looks at the whole set, not at a half, through the game and not through features, so it makes its own pass.
    """

    name = "accuracy"
    has_floor = False

    @classmethod
    def check(cls, data: Dataset) -> None:
        if not len(known(data.labels)):
            raise UserError(
                f"{data.name} has no labels, so nobody knows which class is right; "
                f"leave the metric {cls.name} out, or give labelled images with --data."
            )

    @classmethod
    def check_subject(cls, subject: Samples | Dataset, extractor: Features | None) -> None:
        from ganvas.game import Classifies

        if isinstance(subject, Dataset):
            raise UserError(
                f"{subject.name} is a set of samples, and the metric {cls.name} asks a game which class an image is "
                "of; leave it out, or give a run of a game that tells classes apart, such as ssgan."
            )
        if not isinstance(subject, Classifies) or not subject.data.classes:
            raise UserError(
                f"{getattr(subject, 'name', '') or type(subject).__name__} does not tell classes apart, so it has no "
                f"accuracy; leave the metric {cls.name} out, or give a run of a game that does, such as ssgan."
            )

    @classmethod
    def check_against(cls, subject: Samples | Dataset, data: Dataset) -> None:
        knows = subject.data.class_names  # type: ignore[union-attr]
        assert data.labels is not None
        there = [data.label_names[i] for i in np.unique(data.labels[known(data.labels)])]
        if strange := [name for name in there if name not in knows]:
            raise UserError(
                f"{data.name} has the class {strange[0]}, and {getattr(subject, 'name', 'the game')} knows "
                f"{', '.join(knows[:_NAMED])}{', ...' if len(knows) > _NAMED else ''} alone; leave the metric "
                f"{cls.name} out, or name the classes alike."
            )

    def result(self, evidence: Evidence) -> dict[str, Any]:
        import torch

        game: Any = evidence.subject

        @torch.no_grad()
        def predict(images: np.ndarray) -> np.ndarray:
            from ganvas.metrics.features import as_network_input

            return game.classify(as_network_input(images)).argmax(1).cpu().numpy()

        names = evidence.data.label_names
        right, there = hits(predict, evidence.data, game.data.class_names)
        found: dict[str, Any] = {
            "value": float(right.sum() / there.sum()),
            "wrong": int(there.sum() - right.sum()),
            "tested_on": int(there.sum()),
        }
        if len(names) <= MOST_LISTED:
            found["by_class"] = {n: float(r / t) for n, r, t in zip(names, right, there, strict=True) if t}
        return found
