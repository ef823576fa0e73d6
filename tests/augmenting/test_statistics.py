"""Intervals against scipy and a textbook, recalls against scikit-learn, and what they are said to mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel
from sklearn.metrics import balanced_accuracy_score, recall_score

from ganvas.augmenting.statistics import Difference, difference, recalls

shares = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=12)


def test_the_interval_of_one_two_three() -> None:
    """d̄ = 2, s = 1, t_{2, 0.975} = 4.3027: 2 ± 4.3027 / √3."""
    found = difference([2, 4, 6], [1, 2, 3])
    assert (found.mean, found.low, found.high) == pytest.approx((2, -0.4841, 4.4841), abs=1e-4)


@given(shares)
def test_it_is_scipys(pairs: list[tuple[float, float]]) -> None:
    a, b = map(list, zip(*pairs, strict=True))
    d = np.array(a) - np.array(b)
    if d.std() < 1e-9:
        return
    there = ttest_rel(a, b).confidence_interval(0.95)
    found = difference(a, b)
    assert (found.low, found.high) == pytest.approx((there.low, there.high), abs=1e-9)
    assert found.mean == pytest.approx(d.mean())


def test_pairs_that_all_differ_alike_leave_no_doubt() -> None:
    assert difference([0.5, 0.75], [0.25, 0.5]) == Difference(0.25, 0.25, 0.25)


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((0.01, 0.001, 0.02), "helps"),
        ((0.01, 0.0, 0.02), "undecided"),
        ((0.01, -0.01, 0.03), "undecided"),
        ((-0.02, -0.05, 0.005), "undecided"),
        ((0.0, -0.004, 0.004), "does not help"),
        ((0.0, 0.0, 0.0), "does not help"),
        ((-0.02, -0.03, -0.01), "does not help"),
    ],
)
def test_verdicts(interval: tuple[float, float, float], verdict: str) -> None:
    assert Difference(*interval).verdict == verdict


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_recalls_are_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    labels, predicted = (np.array(column) for column in zip(*pairs, strict=True))
    found = recalls(predicted, labels, 4)
    there = recall_score(labels, predicted, labels=range(4), average=None, zero_division=np.nan)
    np.testing.assert_allclose(found, there)
    ours = np.nanmean(found)
    classes = np.unique(labels)
    if set(predicted) <= set(classes) and len(classes) > 1:
        assert ours == pytest.approx(balanced_accuracy_score(labels, predicted))
