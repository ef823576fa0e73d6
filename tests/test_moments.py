"""Running moments against NumPy's weighted mean and covariance."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganvas.moments import RunningMoments, symmetric_root

pytestmark = pytest.mark.usefixtures("float64")


def shares(batches: int, window: int) -> list[float]:
    """The weight of each batch by unrolling r = max(1/t, 1/window)."""
    weights: list[float] = []
    for t in range(1, batches + 1):
        r = max(1 / t, 1 / window)
        weights = [w * (1 - r) for w in weights] + [r]
    return weights


@pytest.mark.parametrize("window", [1, 4, 100])
def test_closed_form(window):
    g = np.random.default_rng(0)
    batches = [g.normal(i, 1 + i, (5, 3)) @ g.normal(size=(3, 3)) for i in range(7)]
    moments = RunningMoments(3, window)
    for x in batches:
        moments.update(torch.from_numpy(x))
    weights = np.repeat(shares(7, window), 5) / 5
    everything = np.concatenate(batches)
    np.testing.assert_allclose(moments.mean, np.average(everything, axis=0, weights=weights), rtol=1e-12)
    expected = np.cov(everything.T, aweights=weights, ddof=0)
    np.testing.assert_allclose(moments.cov, expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())


def test_within_the_window_they_are_np_covs():
    x = torch.randn(60, 4)
    moments = RunningMoments(4, 10)
    for part in x.split(6):
        moments.update(part)
    np.testing.assert_allclose(moments.cov, np.cov(x.T, ddof=0), rtol=1e-12)


def test_the_obvious_shortcut_is_wrong():
    """Averaging the batches' covariances forgets how far their means lie apart; this test would see it."""
    g = torch.Generator().manual_seed(0)
    parts = [torch.randn(50, 2, generator=g), torch.randn(50, 2, generator=g) + 5]
    moments = RunningMoments(2, 100)
    for x in parts:
        moments.update(x)
    shortcut = sum(torch.cov(x.T, correction=0) for x in parts) / 2
    assert float((moments.cov - shortcut).abs().max()) > 5
    assert float(moments.cov[0, 1]) == pytest.approx(6.25, rel=0.1)


def test_a_root_of_any_rank():
    x = torch.randn(3, 8)  # rank 2 of 8
    moments = RunningMoments(8, 10)
    moments.update(x)
    root = moments.root
    assert bool(root.isfinite().all())
    torch.testing.assert_close(root, root.T)
    largest = float(torch.linalg.eigvalsh(moments.cov)[-1])
    assert float((root @ root - moments.cov).abs().max()) < 1e-5 * largest
    same = torch.ones(4, 8)
    moments = RunningMoments(8, 10)
    moments.update(same)
    assert bool(moments.root.isfinite().all()), "no variance at all"


def test_root_of_a_known_matrix():
    torch.testing.assert_close(
        symmetric_root(torch.diag(torch.tensor([4.0, 9.0]))), torch.diag(torch.tensor([2.0, 3.0]))
    )


def test_before_the_first_batch():
    moments = RunningMoments(3, 10)
    assert not moments.known
    assert torch.equal(moments.root, torch.eye(3))
    moments.update(torch.randn(5, 3))
    assert moments.known
