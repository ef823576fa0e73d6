"""Distances between densities on a line, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from ganvas.theory import densities

X = -12 + (np.arange(24_000) + 0.5) / 1000
MEANS, STDS = st.floats(-2, 2), st.floats(0.5, 1.5)


def test_a_density_integrates_to_one() -> None:
    one = np.ones_like(X)
    assert densities.expectation(X, densities.gaussian(X, 1, 0.5), one) == pytest.approx(1, abs=1e-9)
    assert densities.expectation(X, densities.uniform(X, 0.25), one) == pytest.approx(1, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(a=MEANS, s=STDS, b=MEANS, t=STDS)
def test_kl_of_gaussians_is_the_closed_form(a: float, s: float, b: float, t: float) -> None:
    exact = math.log(t / s) + (s**2 + (a - b) ** 2) / (2 * t**2) - 0.5
    assert densities.kl(X, densities.gaussian(X, a, s), densities.gaussian(X, b, t)) == pytest.approx(exact, abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(a=MEANS, s=STDS, b=MEANS, t=STDS)
def test_js_is_symmetric_and_at_most_log_two(a: float, s: float, b: float, t: float) -> None:
    p, q = densities.gaussian(X, a, s), densities.gaussian(X, b, t)
    assert densities.js(X, p, q) == pytest.approx(densities.js(X, q, p), abs=1e-12)
    assert -1e-12 <= densities.js(X, p, q) <= math.log(2)
    assert densities.js(X, p, p) == 0


def test_wasserstein_is_the_mean_sorted_difference_of_samples() -> None:
    """REFERENCE: W1 of two 1-D samples of equal size; here a Gaussian against a shifted, narrower one."""
    levels = (np.arange(100_000) + 0.5) / 100_000
    quantiles = np.interp(levels, np.cumsum(densities.gaussian(X, 0, 1)) / 1000, X)
    exact = np.abs(quantiles - (1.5 + 0.5 * quantiles)).mean()
    found = densities.wasserstein(X, densities.gaussian(X, 0, 1), densities.gaussian(X, 1.5, 0.5))
    assert found == pytest.approx(exact, abs=1e-3)


def test_the_value_of_a_discriminator_beyond_doubt_is_finite() -> None:
    p, q = densities.gaussian(X, 0, 1), densities.gaussian(X, 1, 1)
    assert densities.value(X, p, q, np.full_like(X, 800.0)) == pytest.approx(-800, rel=1e-6)


def test_wasserstein_of_a_wider_gaussian_is_the_closed_form() -> None:
    """The quantiles differ by (1 - ½) z, so W1 = ½ E|z| = ½ √(2/π)."""
    found = densities.wasserstein(X, densities.gaussian(X, 0, 1), densities.gaussian(X, 0, 0.5))
    assert found == pytest.approx(0.5 * math.sqrt(2 / math.pi), abs=1e-3)


def test_kl_is_infinite_off_the_support() -> None:
    assert densities.kl(X, densities.uniform(X, 0), densities.uniform(X, 0.5)) == math.inf
    assert densities.kl(X, densities.uniform(X, 0), densities.gaussian(X, 0, 1)) < math.inf


def test_no_discriminator_beats_the_optimal_one() -> None:
    p, q = densities.gaussian(X, 0, 1), densities.gaussian(X, 1, 1)
    best = special.logit(densities.optimal_discriminator(p, q))
    highest = densities.value(X, p, q, best)
    assert highest == pytest.approx(-math.log(4) + 2 * densities.js(X, p, q), abs=1e-9)
    for other in (np.zeros_like(X), 0.9 * best, best + 0.1):
        assert densities.value(X, p, q, other) < highest


def test_kernel_estimate_of_a_quantile_grid_is_the_density() -> None:
    points = np.interp((np.arange(4_000) + 0.5) / 4_000, np.cumsum(densities.gaussian(X, 0, 1)) / 1000, X)
    x = np.linspace(-2, 2, 9)
    smoothed = densities.gaussian(x, 0, math.hypot(1, 0.1))
    np.testing.assert_allclose(densities.kernel_estimate(x, points, 0.1), smoothed, rtol=0.01)
