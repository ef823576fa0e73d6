"""The classification accuracy score: real samples score the floor, and what is unlike, mislabelled or missing costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ganvas.data import Dataset, load
from ganvas.errors import UserError
from ganvas.metrics import classifier
from ganvas.metrics.base import Block, Evidence, Terms
from ganvas.metrics.cas import CAS, classification_accuracy
from ganvas.metrics.samples import halves


class Asked:
    """A game of ten classes."""

    name, conditions = "asked", 10

    def sample(self, n: int, seed: int = 0, labels: Any = None, truncation: float = 1.0) -> torch.Tensor:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Classifiers are trained for a moment only."""
    monkeypatch.setattr(classifier, "_SHOWN", 6_000)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")


def scored(data: Dataset, images: np.ndarray, labels: np.ndarray, block: int = 256, floor: bool = True) -> dict:
    """The metric's result for these generated samples."""
    half, reference = halves(len(data))
    metric = CAS(data, Terms())
    parts = {"reference": (data.samples[np.sort(reference)], data.labels[np.sort(reference)])}
    if floor:
        parts["floor"] = (data.samples[np.sort(half)], data.labels[np.sort(half)])
    for part, (x, y) in ({"generated": (images, labels)} | parts).items():
        for start in range(0, len(x), block):
            metric.see(part, Block(x[start : start + block], y[start : start + block]))  # type: ignore[arg-type]
    evidence = Evidence(data, Asked(), None, Terms(), len(images))  # type: ignore[arg-type]
    evidence.rows = {part: np.arange(len(x)) for part, (x, _) in parts.items()}  # type: ignore[misc]
    return metric.result(evidence)


@pytest.fixture(scope="module")
def half(digits) -> tuple[np.ndarray, np.ndarray]:
    """Real samples that are neither tested on nor the floor's own copies: the same images, moved by a pixel."""
    rows = np.sort(halves(len(digits))[0])
    return np.roll(digits.samples[rows], 1, axis=1), digits.labels[rows]


def test_real_samples_with_their_labels_score_the_floor(digits):
    rows = np.sort(halves(len(digits))[0])
    found = scored(digits, digits.samples[rows], digits.labels[rows])
    assert found["value"] == found["floor"] > 0.85
    assert (found["trained_on"], found["tested_on"], found["classes_shown"]) == (len(rows), len(digits) - len(rows), 10)


def test_labels_without_meaning_score_chance(digits, half):
    images, labels = half
    found = scored(digits, images, np.random.default_rng(0).permutation(labels))
    assert found["value"] < 0.3 < found["floor"]


def test_it_falls_as_noise_grows(digits):
    rows, rng = np.sort(halves(len(digits))[0]), np.random.default_rng(0)
    x, noise = digits.samples[rows].astype(float), rng.uniform(0, 255, (len(rows), *digits.samples.shape[1:]))
    curve = [
        scored(digits, ((1 - s) * x + s * noise).astype(np.uint8), digits.labels[rows], floor=False)["value"]
        for s in (0, 0.7, 0.95)
    ]
    assert curve[0] > curve[1] + 0.02 > curve[2] + 0.1


def test_a_missing_class_is_never_recognised(digits, half):
    images, labels = digits.samples[np.sort(halves(len(digits))[0])], half[1]
    whole, lacking = scored(digits, images, labels), scored(digits, images[labels != 3], labels[labels != 3])
    assert whole["by_class"]["3"] > 0.7
    assert lacking["by_class"]["3"] == 0
    assert lacking["value"] < whole["value"] - 0.05
    assert lacking["classes_shown"] == 9


def test_the_same_samples_in_any_blocks_give_the_same_score(digits, half):
    torch.manual_seed(7)
    state = torch.get_rng_state()
    found = scored(digits, *half)
    assert torch.equal(torch.get_rng_state(), state)
    assert found == scored(digits, *half, block=100)


def test_accuracy_is_that_of_all_and_of_each_class(monkeypatch):
    monkeypatch.setattr(classifier, "taught", lambda *_: None)
    monkeypatch.setattr(classifier, "classified", lambda net, images: np.array([0, 0, 1, 3, 3, 3]))
    labels = np.array([0, 1, 1, 3, 3, 1])
    score, by_class = classification_accuracy(np.zeros(1), labels, np.zeros(6), labels, 4)
    assert score == pytest.approx(4 / 6)
    np.testing.assert_allclose(by_class, [1, 1 / 3, np.nan, 1])


def test_without_a_floor_there_is_none_and_absent_classes_are_not_listed(digits, half):
    some = replace(digits, label_names=(*digits.label_names, "ten"))
    found = scored(some, *half, floor=False)
    assert "floor" not in found
    assert list(found["by_class"]) == list(digits.label_names)
    assert "by_class" not in scored(replace(digits, label_names=tuple(map(str, range(21)))), *half, floor=False)


def test_large_images_are_kept_small():
    x = np.random.default_rng(0).integers(0, 256, (60, 64, 64, 3), np.uint8)
    data = replace(load("digits"), samples=x, labels=np.arange(60) % 2, label_names=("a", "b"))
    metric = CAS(data, Terms())
    metric.see("generated", Block(x, data.labels))
    (kept,) = metric._seen["generated"]
    boxes = x.reshape(60, 32, 2, 32, 2, 3).mean((2, 4))
    assert kept.samples.shape == (60, 32, 32, 3)
    assert np.abs(kept.samples - boxes).max() <= 0.5 + 1e-4


def test_data_without_labels_are_refused(digits):
    CAS.check(digits)
    for data in (replace(digits, labels=None), replace(digits, labels=digits.labels * 0), load("ring")):
        with pytest.raises(UserError, match="needs to test a classifier on; leave it out"):
            CAS.check(data)


def test_what_is_judged_must_have_labels(digits):
    CAS.check_subject(digits, None)
    CAS.check_subject(Asked(), None)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="has no labels"):
        CAS.check_subject(replace(digits, labels=None), None)
    unasked = Asked()
    unasked.conditions = 0
    for game in (unasked, object()):
        with pytest.raises(UserError, match="cannot be asked for a class"):
            CAS.check_subject(game, None)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"other labels than 0, 1, 2, 3, 4, \.\.\. of the real ones"):
        CAS(digits, Terms()).see("generated", Block(digits.samples[:4]))
