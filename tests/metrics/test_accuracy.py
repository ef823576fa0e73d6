"""The accuracy of a game's own classifier on real images: counted by hand, by name, and honest about what was seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from metrics.subjects import Fake
from torch import Tensor

from ganvas.data import Dataset, load
from ganvas.errors import UserError
from ganvas.game import DataSpec
from ganvas.metrics import evaluate
from ganvas.metrics.accuracy import Accuracy, hits


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")


class Knowing(Fake):
    """A game that knows the digits it has seen by heart, and takes those of `wrongly` for the next class."""

    name = "knowing"

    def __init__(self, seen: Dataset, names: tuple[str, ...], wrongly: tuple[int, ...] = ()):
        super().__init__(seen)
        self.data = DataSpec((1, 8, 8), len(names), label_names=names)
        index = {name: i for i, name in enumerate(names)}
        self.known = {x.tobytes(): index[seen.label_names[y]] for x, y in zip(seen.samples, seen.labels, strict=True)}
        self.wrongly, self.asked = wrongly, 0

    def classify(self, x: Tensor) -> Tensor:
        assert x.dtype == torch.float32 and float(x.min()) >= -1 and float(x.max()) == 1
        found = [self.known[i.tobytes()] for i in ((x + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()]
        self.asked += len(found)
        said = [(k + 1) % self.data.classes if k in self.wrongly else k for k in found]
        return torch.nn.functional.one_hot(torch.tensor(said), self.data.classes).float()


def accuracy(game: Knowing, data: Dataset, **terms: Any) -> dict[str, Any]:
    record = evaluate(game, data, metrics=["accuracy"], **terms)
    assert record["features"] == "none"
    return record["metrics"]["accuracy"]


def test_all_real_images_count_and_each_once(digits):
    for reference in ("half", "all"):
        game = Knowing(digits, digits.label_names, wrongly=(3, 7))
        found = accuracy(game, digits, reference=reference)
        wrong = int(np.isin(digits.labels, (3, 7)).sum())
        assert (found["wrong"], found["tested_on"]) == (wrong, 1797)
        assert found["value"] == pytest.approx(1 - wrong / 1797, rel=1e-12)
        assert found["by_class"] == {name: float(name not in "37") for name in digits.label_names}
        assert game.asked == 1797
        assert "floor" not in found and "note" not in found


def test_classes_are_right_by_their_names(digits):
    turned = replace(digits, labels=9 - digits.labels, label_names=digits.label_names[::-1])
    assert accuracy(Knowing(digits, digits.label_names), turned)["value"] == 1
    backwards = Knowing(digits, digits.label_names[::-1])
    assert accuracy(backwards, digits)["value"] == 1
    few = digits.labels < 3  # of a game that knows more classes than the set has
    three = replace(digits, samples=digits.samples[few], labels=digits.labels[few], label_names=("0", "1", "2"))
    assert accuracy(Knowing(digits, digits.label_names, wrongly=(1,)), three)["by_class"] == {"0": 1, "1": 0, "2": 1}


def test_images_without_a_label_are_passed_over():
    data = Dataset("few", np.zeros((5, 1, 1, 1), np.uint8), np.array([0, -1, 1, -1, 1]), ("a", "b"), "0", ())
    right, there = hits(lambda x: np.full(len(x), 1), data, ("a", "b"))
    assert (right.tolist(), there.tolist()) == ([0, 2], [1, 2])


def test_many_classes_are_not_listed(digits):
    many = replace(digits, label_names=(*digits.label_names, *map(str, range(10, 30))))
    assert "by_class" not in accuracy(Knowing(digits, digits.label_names), many)


def test_what_cannot_be_told_is_refused(digits):
    game = Knowing(digits, digits.label_names)
    unlabelled = replace(digits, labels=None, label_names=(), fingerprint="unlabelled")
    other = replace(digits, label_names=(*digits.label_names[:9], "nine"), fingerprint="other")
    ignorant = Knowing(digits, digits.label_names)
    ignorant.data = DataSpec((1, 8, 8))
    for call, words in {
        lambda: accuracy(game, unlabelled): "digits has no labels, so nobody knows which class is right; leave",
        lambda: Accuracy.check(load("ring")): "ring has no labels",
        lambda: accuracy(digits, digits): "digits is a set of samples, and the metric accuracy asks a game",
        lambda: accuracy(Fake(digits), digits): "fake does not tell classes apart, so it has no accuracy; leave",
        lambda: accuracy(ignorant, digits): "knowing does not tell classes apart",
        lambda: accuracy(game, other): "digits has the class nine, and knowing knows 0, 1, 2, 3, 4, ... alone; leave",
        lambda: Accuracy.check(replace(digits, labels=digits.labels * 0 - 1)): "digits has no labels",
    }.items():
        with pytest.raises(UserError, match=words):
            call()
    left_out = evaluate(game, other, metrics=["all"], features="pixels", n=4)["left_out"]
    assert "has the class nine" in left_out["accuracy"], "of all that applies it is left out, with the reason"
