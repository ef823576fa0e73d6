"""The Fréchet distance within classes: closed forms, and the swap that a distance over all samples does not see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from metrics.subjects import Fake

from ganvas.data import Dataset, load
from ganvas.errors import UserError
from ganvas.metrics import evaluate
from ganvas.metrics.base import Evidence, Features, Terms
from ganvas.metrics.evaluation import _chosen
from ganvas.metrics.frechet import between, frechet_distance
from ganvas.metrics.intra import IntraFrechet, distances_within
from ganvas.metrics.moments import Moments


def gaussian(n: int, mean: np.ndarray, root: np.ndarray, seed: int) -> np.ndarray:
    """n vectors whose mean and covariance are these to rounding: `root` rootᵀ is the covariance."""
    x = np.random.default_rng(seed).normal(size=(n, len(mean)))
    x = (x - x.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T))).T
    return x @ root.T + mean


def evidence(data: Dataset, parts: dict[str, tuple[np.ndarray, np.ndarray]]) -> Evidence:
    found = Evidence(data, data, None, Terms(), len(parts["generated"][0]))
    found.vectors = {part: x for part, (x, _) in parts.items()}  # type: ignore[misc]
    found.labels = {part: y for part, (_, y) in parts.items()}  # type: ignore[misc]
    found.rows = {part: np.arange(len(x)) for part, (x, _) in parts.items()}  # type: ignore[misc]
    return found


def named(classes: int, labels: np.ndarray | None = None) -> Dataset:
    return Dataset("named", np.zeros((4, 1, 1, 1), np.uint8), labels, tuple(f"c{i}" for i in range(classes)), "0", ())


def test_gaussians_of_known_distance_in_every_class():
    rng, d, classes = np.random.default_rng(0), 5, 3
    x, y, real, real_y, closed = [], [], [], [], []
    for c in range(classes):
        means, roots = rng.normal(size=(2, d)), rng.normal(size=(2, d, d))
        x.append(gaussian(200 + c, means[0], roots[0], 2 * c))
        real.append(gaussian(300 - c, means[1], roots[1], 2 * c + 1))
        y.append(np.full(200 + c, c))
        real_y.append(np.full(300 - c, c))
        covs = [r @ r.T for r in roots]
        values = np.linalg.eigvals(covs[0] @ covs[1]).real
        closed.append(np.square(means[0] - means[1]).sum() + np.trace(sum(covs)) - 2 * np.sqrt(values).sum())
    order, real_order = rng.permutation(603), rng.permutation(897)
    mixed = [np.concatenate(a)[o] for a, o in ((x, order), (y, order), (real, real_order), (real_y, real_order))]
    np.testing.assert_allclose(distances_within(*mixed, classes), closed, rtol=1e-7)
    found = IntraFrechet(named(classes), Terms()).result(
        evidence(named(classes), {"generated": tuple(mixed[:2]), "reference": tuple(mixed[2:])})
    )
    assert found["value"] == pytest.approx(np.mean(closed), rel=1e-7)
    assert list(found["by_class"].values()) == pytest.approx(closed, rel=1e-7)
    assert "floor" not in found and "floor_by_class" not in found and "note" not in found


def test_of_one_class_it_is_the_plain_distance():
    rng = np.random.default_rng(1)
    x, real = rng.normal(size=(50, 3)), rng.normal(1, 2, size=(70, 3))
    (within,) = distances_within(x, np.zeros(50, int), real, np.zeros(70, int), 1)
    assert within == pytest.approx(between(Moments.of(x), Moments.of(real)), rel=1e-12)
    assert within == pytest.approx(frechet_distance(x.mean(0), np.cov(x.T), real.mean(0), np.cov(real.T)), rel=1e-9)


def test_a_class_with_one_sample_or_no_label_has_no_distance():
    x = np.random.default_rng(2).normal(size=(9, 2))
    y = np.array([0, 0, 0, 1, 2, 2, -1, -1, -1])
    found = distances_within(x, y, x, y, 4)
    assert np.isnan(found).tolist() == [False, True, False, True]
    np.testing.assert_allclose(found[[0, 2]], 0, atol=1e-12)


def result(generated: np.ndarray, y: np.ndarray, classes: int, reals: int = 40, d: int = 2) -> dict[str, Any]:
    real_y = np.arange(reals) % classes
    real, floor = np.random.default_rng(3).normal(size=(2, reals, d)) + 5 * real_y[:, None]
    parts = {"generated": (generated, y), "reference": (real, real_y), "floor": (floor, real_y)}
    return IntraFrechet(named(classes), Terms()).result(evidence(named(classes), parts))


def test_what_is_left_out_and_what_is_too_few_are_told():
    y = np.arange(40) % 2
    x = np.random.default_rng(4).normal(size=(40, 2)) + 5 * y[:, None]
    whole = result(x, y, 2)
    assert whole["classes"] == 2 and "note" not in whole
    assert whole["value"] == pytest.approx(np.mean(list(whole["by_class"].values())))
    assert whole["floor"] == pytest.approx(np.mean(list(whole["floor_by_class"].values())))

    lacking = result(x[y == 0], y[y == 0], 2)
    assert lacking["classes"] == 1
    assert list(lacking["by_class"]) == list(lacking["floor_by_class"]) == ["c0"]
    assert lacking["value"] == pytest.approx(whole["by_class"]["c0"])
    assert lacking["floor"] == pytest.approx(whole["floor_by_class"]["c0"])
    assert "1 of 2 classes have fewer than 2 samples and are left out of the mean" in lacking["note"]
    assert lacking["note"].count("c1") == 1

    few = result(np.concatenate([x, np.zeros((3, 2))]), np.concatenate([y, [2, 2, -1]]), 3)
    assert "1 of 3 classes have too few samples for features of 2 dimensions (the fewest are 2)" in few["note"]
    with pytest.raises(UserError, match="no class of named has 2 samples among the judged and the real ones alike"):
        result(x[:1], y[:1], 2)


def test_many_classes_are_not_listed():
    y = np.arange(84) % 21
    x = np.random.default_rng(5).normal(size=(84, 1))
    found = result(x, y, 21, 84, 1)
    assert found["classes"] == 21 and "by_class" not in found and "floor_by_class" not in found


class Asked(Fake):
    """A game of ten classes, whose samples of a class are real ones of the class that `swap` makes of it."""

    name, conditions = "asked", 10

    def __init__(self, data: Dataset, swap: dict[int, int]):
        super().__init__(data)
        self.rows = [np.flatnonzero(data.labels == swap.get(c, c)) for c in range(10)]

    def sample(self, n: int, seed: int = 0, labels: Any = None, truncation: float = 1.0) -> torch.Tensor:
        chance = np.random.default_rng(seed % 2**32)
        labels = [0] * n if labels is None else labels
        return self.x[[chance.choice(self.rows[int(c)]) for c in labels]]


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")


def test_two_classes_exchanged_are_not_seen_over_all_samples_but_within(digits):
    right, wrong = (
        evaluate(Asked(digits, swap), digits, metrics=["fd", "intra-fd"], features="pixels")["metrics"]
        for swap in ({}, {0: 1, 1: 0})
    )
    assert wrong["fd"]["value"] < 3 * wrong["fd"]["floor"], "the shares of 0 and 1 are nearly alike"
    assert right["intra-fd"]["value"] < 1.5 * right["intra-fd"]["floor"]
    assert wrong["intra-fd"]["value"] > 1.5 * right["intra-fd"]["value"]
    for c in ("0", "1"):
        assert wrong["intra-fd"]["by_class"][c] > 3 * right["intra-fd"]["by_class"][c]
    assert wrong["intra-fd"]["by_class"]["2"] == pytest.approx(right["intra-fd"]["by_class"]["2"], rel=0.5)
    assert wrong["intra-fd"]["floor"] == right["intra-fd"]["floor"]


def test_exchanged_classes_have_a_plain_distance_of_nothing():
    rng = np.random.default_rng(6)
    x, y = np.concatenate([rng.normal(size=(50, 3)), rng.normal(4, 1, size=(50, 3))]), np.arange(100) // 50
    assert between(Moments.of(x), Moments.of(x)) == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(distances_within(x, y, x, y, 2), 0, atol=1e-9)
    assert distances_within(x, 1 - y, x, y, 2).min() > 40


def test_the_floor_is_that_of_real_samples_and_whole_references_have_one(digits):
    half, whole = (
        evaluate(Asked(digits, {}), digits, metrics=["intra-fd"], features="pixels", reference=r)["metrics"]["intra-fd"]
        for r in ("half", "all")
    )
    assert whole["floor"] == pytest.approx(half["floor"])
    assert whole["floor_by_class"] == pytest.approx(half["floor_by_class"])
    assert (
        "too few samples for features of 64 dimensions"
        in evaluate(Asked(digits, {}), digits, metrics=["intra-fd"], features="pixels", n=300)["metrics"]["intra-fd"][
            "note"
        ]
    )


def test_the_name_is_honest_and_all_takes_it_once(digits):
    record = evaluate(Asked(digits, {}), digits, metrics=["intra-fid", "intra-fd", "fid"], features="pixels", n=100)
    assert list(record["metrics"]) == ["fd", "intra-fd"]
    assert sum("FID means Inception" in note for note in record["notes"]) == 2
    assert any("intra-fd is the Fréchet distance on the features named" in note for note in record["notes"])

    of_all, left_out = _chosen(["all"], digits, Terms())
    assert "intra-fd" in of_all and "intra-fid" not in {**of_all, **left_out}
    assert {"fid", "intra-fid"} <= _chosen(["intra-fid", "fid", "fd", "intra-fd"], digits, Terms())[0].keys()


def test_on_inceptions_published_features_it_is_a_fid(digits, monkeypatch):
    class Published(Features):
        name, dimensions, is_inception, key = "inception", 2, True, ""

        def __call__(self, samples: np.ndarray) -> Any:
            from ganvas.metrics.base import Extracted

            return Extracted(samples.reshape(len(samples), -1)[:, [20, 30]].astype(np.float32))

    monkeypatch.setattr("ganvas.metrics.evaluation.find_features", lambda *_: Published())
    record = evaluate(Asked(digits, {}), digits, metrics=["intra-fid"])
    assert list(record["metrics"]) == ["intra-fid"] and "notes" not in record


def test_what_has_no_classes_is_refused(digits):
    with pytest.raises(UserError, match="has no labels, so there are no classes to measure within; leave the metric"):
        IntraFrechet.check(replace(digits, labels=None))
    with pytest.raises(UserError, match="fake cannot be asked for a class, so its samples have no labels to measure"):
        evaluate(Fake(digits), digits, metrics=["intra-fd"], features="pixels")
    other = replace(digits, label_names=tuple("abcdefghij"), fingerprint="other")
    with pytest.raises(UserError, match="digits has no labels, or others than the real set, and the metric intra-fd"):
        evaluate(other, digits, metrics=["intra-fd"], features="pixels")


def test_sets_are_measured_by_the_names_of_their_classes(digits):
    rows = np.arange(0, len(digits), 2)
    turned = replace(
        digits,
        samples=digits.samples[rows],
        labels=9 - digits.labels[rows],
        label_names=digits.label_names[::-1],
        fingerprint="turned",
    )
    found = evaluate(turned, digits, metrics=["intra-fd"], features="pixels")["metrics"]["intra-fd"]
    assert found["value"] < 1.5 * found["floor"]


def test_the_table_tells_each_class_beside_its_floor():
    from ganvas.cli.evaluate import _details

    found = {"value": 2.0, "by_class": {"[red]": 1.5, "b": 2.5}, "floor_by_class": {"[red]": 0.5}}
    assert _details(found) == [("1.5", "0.5", "of class [red]"), ("2.5", "", "of class b")]
