"""Classification accuracy score: what a classifier that sees generated samples alone knows of real ones.

A classifier is trained on generated samples and the classes that were asked for, and tested on real ones (Ravuri and
Vinyals 2019, arXiv:1905.10887). It falls short wherever samples are unlike, lack variety, or are not of their class.
The paper trains a ResNet-50 on ImageNet; here it is the small network of `ganvas.metrics.classifier`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ganvas.data import Dataset
from ganvas.data.labelled import known
from ganvas.errors import UserError
from ganvas.metrics.asked import MOST_LISTED, demand_asked
from ganvas.metrics.base import Block, Evidence, Features, Metric, Part, Terms, is_labelled

if TYPE_CHECKING:
    from ganvas.game import Samples

FEWEST = 50
"""Real images that are needed."""


def classification_accuracy(
    images: np.ndarray, labels: np.ndarray, real: np.ndarray, real_labels: np.ndarray, classes: int
) -> tuple[float, np.ndarray]:
    """Accuracy on real images of a classifier trained on `images`, and that on each class, [classes].

    Images are uint8 [n, H, W, C], labels int64 [n] below `classes`; a class without real images has accuracy NaN. The
    same arrays give the same figures.
    """
    from ganvas.metrics.classifier import classified, taught

    right = classified(taught(images, labels, classes), real) == real_labels
    there, hits = (np.bincount(real_labels, weights=w, minlength=classes) for w in (None, right))
    return float(right.mean()), np.divide(hits, there, out=np.full(classes, np.nan), where=there > 0)


class CAS(Metric):
    """The score, beside that of as many real samples; "by_class" and "floor_by_class" are told of up to 20 classes."""

    name = "cas"
    needs = frozenset({"samples"})
    looks_at = frozenset({"generated", "floor", "reference"})

    @classmethod
    def check(cls, data: Dataset) -> None:
        if data.world is not None or not is_labelled(data) or len(known(data.labels)) < FEWEST:
            raise UserError(
                f"{data.name} is not a set of at least {FEWEST} images with labels of two classes or more, which the "
                "metric cas needs to test a classifier on; leave it out, or give labelled images."
            )

    @classmethod
    def check_subject(cls, subject: Samples | Dataset, extractor: Features | None) -> None:
        demand_asked(subject, cls.name, "to train a classifier on")

    def __init__(self, data: Dataset, terms: Terms):
        self._names = data.label_names
        self._seen: dict[Part, list[Block]] = {part: [] for part in self.looks_at}

    def see(self, part: Part, block: Block) -> None:
        if block.labels is None:
            raise UserError(
                f"the samples that are judged have other labels than {', '.join(self._names[:5])}"
                f"{', ...' if len(self._names) > 5 else ''} of the real ones, so the metric cas cannot compare them; "
                "leave it out, or name the classes alike."
            )
        from ganvas.metrics.classifier import shrunk

        rows = known(block.labels)
        self._seen[part].append(Block(shrunk(block.samples[rows]), block.labels[rows]))

    def result(self, evidence: Evidence) -> dict[str, Any]:
        real, real_labels = self._all("reference")
        found: dict[str, Any] = {}
        for what, part in evidence.judged():
            images, labels = self._all(part)
            score, by_class = classification_accuracy(images, labels, real, real_labels, len(self._names))
            found[what] = score
            if what == "value":
                found |= {
                    "trained_on": len(images),
                    "tested_on": len(real),
                    "classes_shown": len(np.unique(labels)),
                }
            if len(self._names) <= MOST_LISTED:
                listed = {n: float(a) for n, a in zip(self._names, by_class, strict=True) if not np.isnan(a)}
                found["by_class" if what == "value" else f"{what}_by_class"] = listed
        return found

    def _all(self, part: Part) -> tuple[np.ndarray, np.ndarray]:
        blocks = self._seen[part]
        labels = [block.labels for block in blocks if block.labels is not None]
        if not sum(map(len, labels)):
            raise UserError(
                "too few samples have a label for the metric cas: a part that it compares has none; leave it out, or "
                "give more labelled ones."
            )
        return np.concatenate([block.samples for block in blocks]), np.concatenate(labels)
