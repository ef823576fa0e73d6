"""Whether samples are what was asked for: real ones are, exchanged ones are not, and noise is so by chance."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from metrics.subjects import Fake, noise

from ganvas.data import Dataset, load
from ganvas.errors import UserError
from ganvas.metrics import classifier, evaluate


@pytest.fixture(autouse=True)
def short(monkeypatch, tmp_path):
    """The classifier is trained for a moment only, and kept apart from that of other tests."""
    monkeypatch.setattr(classifier, "_SHOWN", 12_000)
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path))


class Conditional(Fake):
    """Real digits of the class that `give` makes of the one that is asked for."""

    conditions = 10

    def __init__(self, data: Dataset, give=lambda y: y, change=lambda x, g: x):
        super().__init__(data, change)
        self.labels, self.give = data.labels, give

    def sample(self, n, seed=0, labels=None, truncation=1.0):
        labels = np.zeros(n) if labels is None else labels
        rng = np.random.default_rng(seed)
        rows = [rng.choice(np.flatnonzero(self.labels == self.give(y))) for y in np.asarray(labels)]
        return self.change(self.x[rows], torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")


def measured(game, data):
    return evaluate(game, data, metrics=["label-accuracy"], n=400)["metrics"]["label-accuracy"]


def test_real_digits_are_what_they_are(digits):
    found = measured(Conditional(digits), digits)
    assert found["value"] > 0.9 < found["floor"]
    assert set(found["by_class"]) == set("0123456789")
    assert "held-out" in found["classifier"]


def test_two_classes_exchanged_are_wrong_and_the_others_right(digits):
    found = measured(Conditional(digits, lambda y: {3: 8, 8: 3}.get(int(y), y)), digits)["by_class"]
    assert found.pop("3") < 0.1 > found.pop("8")
    assert min(found.values()) > 0.8


def test_noise_is_right_by_chance(digits):
    assert measured(Conditional(digits, change=noise), digits)["value"] < 0.3


def test_a_game_without_classes_is_refused(digits):
    with pytest.raises(UserError, match="cannot be asked for a class"):
        measured(Fake(digits), digits)


def test_a_set_without_labels_is_refused(digits):
    from dataclasses import replace

    with pytest.raises(UserError, match="learns from"):
        measured(Conditional(digits), replace(digits, labels=None, label_names=()))
