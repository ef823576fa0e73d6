"""The Fréchet distance against closed forms, against scipy's general matrix root, and where it must not change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from ganvas.metrics.frechet import Moments, frechet_distance


def covariance(rng: np.random.Generator, d: int, rank: int | None = None) -> np.ndarray:
    x = rng.standard_normal((d, rank or d))
    return x @ x.T / d


def moments(x: np.ndarray, *cuts: int) -> Moments:
    found = Moments()
    for block in np.split(x, cuts):
        found.add(block)
    return found


def distance(x: np.ndarray, y: np.ndarray) -> float:
    a, b = moments(x), moments(y)
    return frechet_distance(a.mean, a.covariance, b.mean, b.covariance)


def test_one_dimension_is_the_distance_of_means_and_of_deviations():
    one = frechet_distance(np.array([1.0]), np.array([[4.0]]), np.array([-2.0]), np.array([[9.0]]))
    assert one == pytest.approx((1 + 2) ** 2 + (2 - 3) ** 2)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_commuting_covariances_have_a_closed_form(seed, d):
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((d, d)))[0]
    std1, std2, mean1, mean2 = rng.uniform(0, 3, (4, d))
    cov1, cov2 = ((axes * std**2) @ axes.T for std in (std1, std2))
    expected = np.square(mean1 - mean2).sum() + np.square(std1 - std2).sum()
    assert frechet_distance(mean1, cov1, mean2, cov2) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_agrees_with_the_general_matrix_root():
    rng = np.random.default_rng(0)
    mean1, mean2, cov1, cov2 = (
        rng.standard_normal(30),
        rng.standard_normal(30),
        covariance(rng, 30),
        covariance(rng, 30),
    )
    expected = np.square(mean1 - mean2).sum() + np.trace(cov1 + cov2 - 2 * sqrtm(cov1 @ cov2).real)
    assert frechet_distance(mean1, cov1, mean2, cov2) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(mean2, cov2, mean1, cov1) == pytest.approx(expected, rel=1e-9)


def test_identical_sets_are_at_distance_zero_even_without_full_rank():
    x = np.random.default_rng(0).standard_normal((20, 64)) * np.logspace(0, -6, 64)
    assert distance(x, x) == pytest.approx(0, abs=1e-7)
    assert distance(np.ones((5, 3)), np.ones((9, 3))) == 0
    assert distance(x, x + 1) == pytest.approx(64, rel=1e-7)


def test_covariances_of_different_rank():
    # In the plane: a segment along one axis against a round Gaussian; along the other axis the segment has no variance.
    assert frechet_distance(np.zeros(2), np.diag([4.0, 0.0]), np.zeros(2), np.eye(2)) == pytest.approx(1 + 1)
    assert frechet_distance(np.zeros(2), np.eye(2), np.zeros(2), np.diag([4.0, 0.0])) == pytest.approx(1 + 1)
    # Segments at right angles share nothing.
    assert frechet_distance(np.zeros(2), np.diag([4.0, 0]), np.zeros(2), np.diag([0, 9.0])) == pytest.approx(4 + 9)
    rng = np.random.default_rng(1)
    thin, full = covariance(rng, 40, rank=7), covariance(rng, 40)
    expected = np.trace(thin + full) - 2 * np.sqrt(np.linalg.eigvals(thin @ full).real.clip(0)).sum()
    assert frechet_distance(np.zeros(40), thin, np.zeros(40), full) == pytest.approx(expected, rel=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 60), st.lists(st.integers(0, 60), max_size=5), st.integers(0, 10_000))
def test_moments_are_those_of_the_whole_whatever_the_blocks_and_the_order(n, cuts, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 4)).astype(np.float32) + 1000  # far from 0, where sums of squares would cancel
    found = moments(rng.permutation(x), *sorted(cuts))
    exact = x.astype(np.float64)
    assert found.count == n
    np.testing.assert_allclose(found.mean, exact.mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(exact.T), atol=1e-9)
