"""Metrics of sets of which most images have no label: these are passed over, and never taken for a class."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from metrics.subjects import Fake

from ganvas.data import Dataset, load
from ganvas.errors import UserError
from ganvas.metrics import classifier, default_metrics, evaluate, ppl
from ganvas.metrics.base import Block, Terms, is_labelled
from ganvas.metrics.cas import CAS
from ganvas.metrics.classes import Classes
from ganvas.metrics.evaluation import labels_among
from ganvas.metrics.features import _suitable
from ganvas.metrics.msssim import draw_pairs
from ganvas.metrics.samples import drawn


@pytest.fixture(scope="module")
def few() -> Dataset:
    """The digits with 300 labels."""
    return load("digits", labelled=300)


class Asked(Fake):
    name, conditions = "asked", 10
    labels: Any = None

    def sample(self, n: int, seed: int = 0, labels: Any = None, truncation: float = 1.0) -> torch.Tensor:
        self.labels = labels
        return super().sample(n, seed)


def test_one_class_and_unknown_ones_are_no_two_classes():
    data = Dataset("one", np.zeros((3, 1, 1, 1), np.uint8), np.array([0, -1, -1]), ("a",), "0", ())
    assert not is_labelled(data)
    assert is_labelled(replace(data, labels=np.array([0, -1, 1]), label_names=("a", "b")))


def test_metrics_and_features_that_suit_few_labels(few):
    assert default_metrics(few) == ("fd", "classes")
    nine = replace(few, labels=np.where(np.arange(len(few)) < 9, np.arange(len(few)), -1))
    assert default_metrics(nine) == ("fd",)
    assert (_suitable(load("digits", labelled=49)), _suitable(few)) == ("pixels", "classifier")
    with pytest.raises(UserError, match="not a set of at least 50 images with labels"):
        classifier.demand_labels(load("digits", labelled=49))
    with pytest.raises(UserError, match="not a set of at least 50 images with labels"):
        CAS.check(load("digits", labelled=49))
    with pytest.raises(UserError, match="digits has 9 labelled images, and the metric classes needs 10"):
        Classes.check(nine)


def test_classes_are_learnt_and_counted_from_the_labelled_alone(few):
    found = evaluate(Fake(few), few, metrics=["classes"])["metrics"]["classes"]
    assert (found["value"], found["of"]) == (10, 10)
    assert found["accuracy"] > 0.8
    assert sum(found["counts"].values()) == 898
    assert found["kl"] < 0.1, "the shares are those of the labelled images"


def test_a_classifier_is_trained_on_and_tested_on_the_labelled_alone(few, monkeypatch):
    monkeypatch.setattr(classifier, "_SHOWN", 6_000)
    assert few.labels is not None
    _, accuracy = classifier.train(few, few.labels)
    assert accuracy > 0.8


def test_the_classification_score_sees_the_labelled_alone(few):
    metric = CAS(few, Terms())
    metric.see("reference", Block(few.samples[:100], few.labels[:100]))
    images, labels = metric._all("reference")
    there = np.flatnonzero(few.labels[:100] >= 0)
    assert np.array_equal(labels, few.labels[there]) and np.array_equal(images, few.samples[there])
    metric.see("floor", Block(few.samples[:3], np.full(3, -1)))
    with pytest.raises(UserError, match="too few samples have a label for the metric cas"):
        metric._all("floor")


def test_only_classes_are_asked_for(few):
    game = Asked(few)
    shown = drawn(game, 500, Terms(), few)  # type: ignore[arg-type]
    shown.block(0)
    assert game.labels.min() == 0 and shown.labels is not None and len(np.unique(shown.labels)) == 10
    asked = ppl._labels(game, few, 500, 0)  # type: ignore[arg-type]
    assert asked is not None and asked.min() == 0


def test_what_has_no_class_has_no_pairs_within_one():
    assert draw_pairs(np.array([-1, -1, 0, 0, -1])).tolist() == [[3, 2]]


def test_unknown_labels_stay_unknown_by_other_names(few):
    turned = replace(few, label_names=few.label_names[::-1])
    found = labels_among(turned, few.label_names)
    assert np.array_equal(found, np.where(few.labels >= 0, 9 - few.labels, -1))


def test_distances_within_classes_and_accuracy_pass_the_unknown_over(few):
    found = evaluate(Asked(few), few, metrics=["intra-fd"], features="pixels", n=898)["metrics"]["intra-fd"]
    assert found["classes"] == 10 and found["floor"] > 0
