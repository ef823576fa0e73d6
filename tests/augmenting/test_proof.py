"""Whether synthetic images help: perfect ones do, noise does not, and the three arms are trained alike."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from augmenting.painters import labelled

from ganvas.augmenting import proof as module
from ganvas.augmenting.proof import ARMS, MEASURES, Labelled, demand_enough, judged, prove
from ganvas.augmenting.statistics import Difference
from ganvas.data import load
from ganvas.errors import UserError
from ganvas.metrics import classifier

UP, FLAT, DOWN, OPEN = (
    Difference(*d) for d in ((0.02, 0.01, 0.03), (0, -0.001, 0.001), (-0.02, -0.03, -0.01), (0, -0.1, 0.1))
)


@pytest.fixture
def digits(monkeypatch) -> tuple[Labelled, Labelled, Labelled]:
    """A long tail of digits, perfect synthetic ones (real ones that it lacks), and held-out ones."""
    monkeypatch.setattr(classifier, "_SHOWN", 3_000)
    whole, test = load("digits", held_out=0.3), load("digits", held_out=0.3, split="test")
    tail = load("digits", held_out=0.3, imbalance=40)
    seen = {image.tobytes() for image in tail.samples}
    fresh = np.array([image.tobytes() not in seen for image in whole.samples])
    return (
        Labelled(np.array(tail.samples), tail.labels),
        Labelled(np.array(whole.samples[fresh]), whole.labels[fresh]),
        Labelled(np.array(test.samples), test.labels),
    )


NAMES, EVEN = tuple(map(str, range(10))), np.full(10, 127)


def test_perfect_images_help_and_noise_does_not(digits) -> None:
    real, perfect, test = digits
    found = prove(real, perfect, test, NAMES, EVEN, 5)
    assert found["verdict"] == "helps"
    assert found["sentence"].startswith("The synthetic images help: +")
    between = found["differences"]
    for pair in ("augmented - real", "augmented - oversampled"):
        assert between[pair]["rare_recall"]["low"] > 0.03
    assert found["arms"]["augmented"]["rare_recall"]["mean"] > 0.7
    noise = replace(perfect, images=np.random.default_rng(0).integers(0, 256, perfect.images.shape, np.uint8))
    noise = replace(noise, labels=np.random.default_rng(1).permutation(noise.labels))
    assert prove(real, noise, test, NAMES, EVEN, 5)["verdict"] == "does not help"


def test_the_record_is_what_the_classifiers_found(monkeypatch) -> None:
    """Three arms, of which each seed's classifier is right in a known share of each class."""
    real = Labelled(np.zeros((60, 2, 2, 1), np.uint8), np.repeat([0, 1, 2], [40, 15, 5]))
    synthetic = Labelled(np.ones((30, 2, 2, 1), np.uint8), np.repeat([1, 2], [10, 20]))
    test = Labelled(np.zeros((16, 2, 2, 1), np.uint8), np.repeat([0, 1, 2], [8, 4, 4]))
    asked = []

    def taught(images, labels, classes, *, rows, seed, batch):
        asked.append((rows, seed, batch))
        return len(asked) - 1

    def classified(net, images):
        """Class 0 is always right, class 1 half, class 2 as often as the arm and the seed say."""
        i, arm = divmod(net, 3)
        right = [1, 2, 1][arm] + i % 2
        return np.array([0] * 8 + [1, 1, 0, 0] + [2] * right + [0] * (4 - right))

    monkeypatch.setattr(module, "taught", taught)
    monkeypatch.setattr(module, "classified", classified)
    told = []
    found = prove(real, synthetic, test, ("a", "b", "c"), np.array([40, 25, 30]), 6, told.append)
    assert len(asked) == 18 and told[4] == "proving: augmented, seed 2 of 6"
    arms = found["arms"]
    assert [arms[a]["trained_on"] for a in ARMS] == [60, 90, 95]
    assert arms["real"]["recall"] == {"a": 1.0, "b": 0.5, "c": 0.375}
    assert arms["real"]["balanced_accuracy"]["values"] == pytest.approx([(1.5 + s) / 3 for s in (0.25, 0.5) * 3])
    assert arms["augmented"]["accuracy"]["mean"] == pytest.approx((8 + 2 + 2.5) / 16)
    assert found["rare"] == ["c"] and arms["augmented"]["rare_recall"]["mean"] == 0.625
    for pair in ("augmented - real", "augmented - oversampled"):
        difference = found["differences"][pair]["balanced_accuracy"]
        assert [difference[k] for k in ("mean", "low", "high")] == pytest.approx([0.25 / 3] * 3)
        assert difference["verdict"] == "helps"
    assert found["differences"]["oversampled - real"]["accuracy"]["mean"] == 0
    assert found["verdict"] == "helps"
    rows = {arm: asked[i][0] for i, arm in enumerate(ARMS)}
    counts = {arm: np.bincount(np.r_[real.labels, synthetic.labels][r]).tolist() for arm, r in rows.items()}
    assert counts == {"real": [40, 15, 5], "augmented": [40, 25, 25], "oversampled": [40, 25, 30]}
    assert rows["oversampled"].max() < 60, "up to what was asked for, it repeats real images alone"
    assert {batch for _, _, batch in asked} == {60}, "the batch of the smallest arm, so that all make the same steps"
    seeds = [seed for _, seed, _ in asked]
    assert all(len(set(seeds[i : i + 3])) == 1 for i in range(0, 18, 3)) and len(set(seeds)) == 6


def test_all_arms_make_as_many_steps(monkeypatch) -> None:
    """Of sets of 60 and 400 images: the optimizer is stepped equally often."""
    monkeypatch.setattr(classifier, "_SHOWN", 1_200)
    steps = []
    step = classifier.torch.optim.Adam.step
    monkeypatch.setattr(classifier.torch.optim.Adam, "step", lambda self, *a: (steps.append(1), step(self, *a))[1])
    few, many = labelled(50, 10), labelled(50, 350)
    test = Labelled(few.samples, few.labels)
    found = prove(test, Labelled(many.samples, many.labels), test, few.label_names, np.array([100, 360]), 2)
    assert len(steps) == 2 * 3 * found["steps"] == 120 and found["batch"] == 60


def test_classes_that_are_not_tested_count_nowhere(monkeypatch) -> None:
    monkeypatch.setattr(classifier, "_SHOWN", 600)
    data = labelled(40, 30, 2)
    here = Labelled(data.samples, data.labels)
    test = Labelled(data.samples[:60], data.labels[:60])
    found = prove(here, Labelled(data.samples[-2:], data.labels[-2:]), test, ("a", "b", "c"), np.array([40, 30, 4]), 5)
    assert found["arms"]["real"]["recall"]["c"] is None
    assert found["rare"] == ["b"]
    assert all(np.isfinite(of[m]["mean"]) for of in found["arms"].values() for m in MEASURES)


@pytest.mark.parametrize(
    ("over_real", "over_oversampled", "verdict", "says"),
    [
        (UP, UP, "helps", "The synthetic images help: "),
        (UP, FLAT, "does not help", "help, but not more than repeating real ones does: "),
        (UP, DOWN, "does not help", "help, but not more than repeating"),
        (UP, OPEN, "undecided", "help; whether more than repeating real ones does is undecided: "),
        (OPEN, OPEN, "undecided", "Whether the synthetic images help is undecided: "),
        (OPEN, UP, "undecided", "is undecided"),
        (DOWN, UP, "does not help", "The synthetic images do not help: "),
        (OPEN, DOWN, "does not help", "do not help: "),
        (FLAT, FLAT, "does not help", "do not help: "),
    ],
)
def test_they_must_beat_both(over_real: Difference, over_oversampled: Difference, verdict: str, says: str) -> None:
    found = judged(over_real, over_oversampled)
    assert found[0] == verdict and says in found[1]


def test_the_sentence_has_the_figures() -> None:
    assert judged(UP, OPEN)[1].endswith(
        "+2.00 (+1.00 to +3.00) points of balanced accuracy against the real set as it is, "
        "+0.00 (-10.00 to +10.00) against repeated real images (95 % intervals)."
    )


def test_too_few_images_are_told() -> None:
    demand_enough(labelled(45, 5), labelled(2, 2))
    demand_enough(labelled(45, 5, 0), labelled(2, 2, 0))
    with pytest.raises(UserError, match="noise has 49 images of 2 classes; to prove anything takes 50 or more"):
        demand_enough(labelled(45, 4), labelled(2, 2))
    with pytest.raises(UserError, match="noise has 60 images of 1 classes"):
        demand_enough(labelled(60, 0), labelled(2, 2))
    with pytest.raises(UserError, match="noise has 1 held-out images of class 1, and at least 2 of every class"):
        demand_enough(labelled(45, 5), labelled(9, 1))


def test_a_classifier_is_the_same_for_the_same_seed_and_another_for_another(monkeypatch) -> None:
    monkeypatch.setattr(classifier, "_SHOWN", 640)
    data = labelled(50, 50)
    nets = [
        classifier.taught(data.samples, data.labels, 2, **settings)
        for settings in ({}, {"rows": np.arange(100)}, {"seed": 1}, {"seed": 1}, {"rows": np.arange(60)}, {"batch": 64})
    ]
    weights = [net.head.weight.tolist() for net in nets]
    assert weights[0] == weights[1] and weights[2] == weights[3]
    assert all(a != b for a, b in pairwise([weights[0], weights[2], weights[4], weights[5]]))
