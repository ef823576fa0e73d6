"""Whether samples are of the class that was asked for, by a classifier that the generator never met.

The classifier is the small network of `ganvas.metrics.classifier`, trained on the real set; its accuracy on real images
that it was not shown is the most that samples can be expected to reach, and stands beside the figure. A generator that
makes one perfect image of each class reaches it, too: variety is for the distances to tell.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ganvas.data import Dataset
from ganvas.errors import UserError
from ganvas.metrics.asked import MOST_LISTED, demand_asked
from ganvas.metrics.base import Block, Evidence, Features, Metric, Part, Terms

if TYPE_CHECKING:
    from ganvas.game import Samples
    from ganvas.metrics.classifier import ClassifierFeatures


class LabelAccuracy(Metric):
    """The share of samples that the classifier takes for what was asked for; "by_class" tells that of each class."""

    name = "label-accuracy"
    needs = frozenset({"samples"})
    looks_at = frozenset[Part]({"floor", "generated"})

    @classmethod
    def check(cls, data: Dataset) -> None:
        from ganvas.metrics.classifier import FEWEST, demand_labels

        try:
            demand_labels(data)
        except UserError:
            raise UserError(
                f"{data.name} is not a set of at least {FEWEST} images with labels of two classes or more, which the "
                f"classifier of the metric {cls.name} learns from; leave it out, or give labelled images."
            ) from None

    @classmethod
    def check_subject(cls, subject: Samples | Dataset, extractor: Features | None) -> None:
        demand_asked(subject, cls.name, "to hold what is made against")

    def __init__(self, data: Dataset, terms: Terms):
        self._data = data
        self._counts: dict[Part, np.ndarray] = {}

    @cached_property
    def _classifier(self) -> ClassifierFeatures:
        from ganvas.metrics.classifier import ClassifierFeatures

        return ClassifierFeatures(self._data)

    def see(self, part: Part, block: Block) -> None:
        if block.labels is None:
            raise UserError(
                f"the samples that are judged have other labels than the real ones, so the metric {self.name} cannot "
                "compare them; leave it out, or name the classes alike."
            )
        logits = self._classifier(block.samples).logits
        assert logits is not None
        known = block.labels >= 0
        asked, right = block.labels[known], logits.argmax(1)[known] == block.labels[known]
        k = len(self._data.label_names)
        counts = np.stack([np.bincount(asked[right], minlength=k), np.bincount(asked, minlength=k)])
        self._counts[part] = self._counts.get(part, 0) + counts

    def result(self, evidence: Evidence) -> dict[str, Any]:
        found: dict[str, Any] = {"classifier": self._classifier.name}
        for called, part in evidence.judged():
            right, there = self._counts[part]
            found[called] = float(right.sum() / there.sum())
            if called == "value" and len(there) <= MOST_LISTED:
                names = self._data.label_names
                found["by_class"] = {n: float(r / t) for n, r, t in zip(names, right, there, strict=True) if t}
        return found
