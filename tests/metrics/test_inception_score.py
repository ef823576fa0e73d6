"""The Inception score against closed forms, scipy's entropy and the published way of cutting samples into parts."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import entropy

from ganvas.data import Dataset, load
from ganvas.errors import UserError
from ganvas.metrics.base import Evidence, Terms
from ganvas.metrics.inception_score import InceptionScore, inception_score, split_scores

SURE = 1e4  # a logit that leaves no probability to the other classes


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")


def some_logits(n: int = 500, classes: int = 7, seed: int = 0) -> np.ndarray:
    return 3 * np.random.default_rng(seed).standard_normal((n, classes)).astype(np.float32)


def sure(labels: np.ndarray, classes: int) -> np.ndarray:
    return (SURE * np.eye(classes)[labels]).astype(np.float32)


def evidence(
    digits: Dataset, generated: np.ndarray, floor: np.ndarray | None = None, inception: bool = False
) -> Evidence:
    extractor = SimpleNamespace(name="pixels", classes=generated.shape[1], is_inception=inception)
    parts = {"generated": generated} | ({} if floor is None else {"floor": floor})
    rows = {part: np.arange(len(logits)) for part, logits in parts.items()}
    return Evidence(digits, digits, extractor, Terms(), len(generated), logits=parts, rows=rows)  # type: ignore[arg-type]


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_sure_of_all_classes_alike_scores_their_number(classes):
    assert inception_score(sure(np.repeat(np.arange(classes), 3), classes)) == pytest.approx(classes, rel=1e-9)


def test_samples_that_look_alike_score_one():
    assert inception_score(np.zeros((50, 10))) == pytest.approx(1, abs=1e-12)
    assert inception_score(sure(np.full(50, 3), 10)) == pytest.approx(1, abs=1e-12)
    assert inception_score(np.tile(some_logits(1), (50, 1))) == pytest.approx(1, abs=1e-12)
    assert inception_score(some_logits(1)) == 1


def test_sure_of_unequal_classes_scores_the_exponential_of_their_entropy():
    labels = np.repeat([0, 1, 2], [70, 20, 10])
    assert inception_score(sure(labels, 5)) == pytest.approx(np.exp(entropy([0.7, 0.2, 0.1])), rel=1e-9)


def test_agrees_with_the_entropy_of_scipy_and_not_only_in_float32():
    logits = some_logits()
    p = softmax(logits.astype(np.float64), axis=1)
    expected = np.exp(np.mean([entropy(row, p.mean(axis=0)) for row in p]))
    assert inception_score(logits) == pytest.approx(expected, rel=1e-12)
    assert inception_score(logits + np.float32(64)) == pytest.approx(expected, rel=1e-5)


def test_parts_are_those_of_the_published_code_after_a_fixed_shuffle():
    logits = some_logits(n=105)
    order = np.random.default_rng(1).permutation(105)
    scores = split_scores(logits)
    assert scores.shape == (10,) and not np.array_equal(split_scores(logits[order]), scores)
    np.testing.assert_array_equal(split_scores(logits), scores)
    sizes = [(i + 1) * 105 // 10 - i * 105 // 10 for i in range(10)]
    # Each sample with a class of its own and sure of it: a part scores the number of its samples.
    np.testing.assert_allclose(split_scores(sure(np.arange(105), 105)), sizes, rtol=1e-9)
    assert len(split_scores(logits[:4])) == 4


def test_samples_that_are_sorted_by_class_score_like_the_same_ones_in_random_order():
    by_class = sure(np.repeat(np.arange(10), 100), 10)
    shuffled = np.random.default_rng(0).permutation(by_class)
    assert split_scores(by_class).mean() > 9
    assert split_scores(by_class).mean() == pytest.approx(split_scores(shuffled).mean(), rel=0.02)


def test_it_falls_with_doubt_and_with_classes_that_are_not_made(digits):
    rng = np.random.default_rng(0)
    logits = 8 * np.eye(10)[rng.integers(10, size=1000)]
    doubt = [inception_score(logits * share) for share in (1, 0.7, 0.5, 0.3, 0.1, 0)]
    assert doubt == sorted(doubt, reverse=True) and doubt[0] > 9 and doubt[-1] == pytest.approx(1)
    fewer = [inception_score(8 * np.eye(10)[rng.integers(k, size=1000)]) for k in (10, 8, 5, 2, 1)]
    assert fewer == sorted(fewer, reverse=True) and fewer[-1] == pytest.approx(1)


def test_the_result_holds_both_parts_and_says_whose_classes_they_are(digits):
    generated, floor = some_logits(400), some_logits(300, seed=1) * 2
    found = InceptionScore(digits, Terms()).result(evidence(digits, generated, floor))
    assert json.loads(json.dumps(found)) == found
    assert found["value"] == split_scores(generated).mean() and found["std"] == split_scores(generated).std()
    assert found["floor"] == split_scores(floor).mean() > found["value"]
    assert found["whole"] == inception_score(generated) and found["whole_of_reals"] == inception_score(floor)
    assert (found["splits"], found["classes"]) == (10, 7)
    assert "the 7 classes of pixels" in found["note"]
    alone = InceptionScore(digits, Terms()).result(evidence(digits, generated, inception=True))
    assert alone["value"] == found["value"] and "floor" not in alone
    assert "400 samples, and published ones are of 50000" in alone["note"]


def test_mistakes_are_told(digits):
    with pytest.raises(UserError, match=r"ring is a 2-D world.* take modes"):
        InceptionScore.check(load("ring"))
    with pytest.raises(UserError, match="the features pixels do not give; use --features inception or classifier"):
        InceptionScore.check_subject(digits, SimpleNamespace(name="pixels", classes=0))  # type: ignore[arg-type]
    InceptionScore.check(digits)
    InceptionScore.check_subject(digits, SimpleNamespace(name="classifier", classes=10))  # type: ignore[arg-type]
