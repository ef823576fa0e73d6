"""Nearest neighbours and balls, block by block, against scikit-learn and against matrices of all distances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from ganvas.metrics import nearest as module
from ganvas.metrics.nearest import BLOCK, inside, nearest

BLOCKS = [(3, 2), (7, 13), (64, 5), (5, 64), BLOCK]


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def all_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """[n, m], from the differences, all at once."""
    return np.sqrt(np.square(x[:, None].astype(np.float64) - y.astype(np.float64)).sum(-1))


def by_sorting(x: np.ndarray, y: np.ndarray, k: int, itself: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Distances and indices by a stable sort of the whole matrix."""
    distances = all_distances(x, y)
    if itself is not None:
        distances[np.arange(len(x)), itself] = np.inf
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, 1), order


def agree(found: tuple[np.ndarray, np.ndarray], expected: tuple[np.ndarray, np.ndarray]) -> None:
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("d", [1, 2, 300])
def test_agrees_with_scikit_learn_whatever_the_blocks(d, block):
    x, y = normal(101, d), normal(137, d, seed=1)
    distances, indices = nearest(x, y, 4, block=block)
    exact = NearestNeighbors(n_neighbors=4, algorithm="brute", metric="sqeuclidean").fit(y.astype(np.float64))
    squares, theirs = exact.kneighbors(x.astype(np.float64))
    np.testing.assert_allclose(distances**2, squares, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(indices, theirs)
    agree((distances, indices), by_sorting(x, y, 4))


@pytest.mark.parametrize("block", BLOCKS)
def test_a_query_is_not_its_own_neighbour(block):
    x = normal(60, 3)
    agree(nearest(x, x, 5, np.arange(60), block), by_sorting(x, x, 5, np.arange(60)))
    some = np.array([17, 3, 59])
    agree(nearest(x[some], x, 59, some, block), by_sorting(x[some], x, 59, some))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_copies_are_at_zero_and_near_copies_are_told_apart_far_from_the_origin(scale):
    # In float32, and without centring, ‖x‖² + ‖y‖² − 2 x·y loses all of these distances.
    points = (1000 + normal(200, 50)) * np.float32(scale)
    steps = np.arange(1, 6)
    points[100:105] = points[7]
    points[100:105, 3] += (steps[::-1] * 2e-4 * 1000 * scale).astype(np.float32)
    distances, indices = nearest(points[[7]], points, 6)
    assert distances[0, 0] == 0 and indices[0].tolist() == [7, 104, 103, 102, 101, 100]
    np.testing.assert_allclose(distances[0, 1:], steps * 0.2 * scale, rtol=1e-3)
    distances, indices = nearest(points[150:], points, 1)
    assert (distances == 0).all() and (indices[:, 0] == np.arange(150, 200)).all()


def test_equally_near_points_come_in_their_order():
    x = np.zeros((3, 2), np.float32)
    corners = np.array([[1, 1], [-1, 1], [1, -1], [-1, -1], [3, 0]], np.float32)
    distances, indices = nearest(x, np.concatenate([corners] * 9), 7, block=(2, 4))
    assert indices[2].tolist() == [0, 1, 2, 3, 5, 6, 7] and (distances == 2**0.5).all()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 3),
    st.integers(2, 40),
    st.integers(1, 40),
    st.booleans(),
    st.sampled_from(BLOCKS),
)
def test_lattices_of_copies_and_ties(seed, d, m, k, excluded, block):
    rng = np.random.default_rng(seed)
    points = rng.integers(-1, 2, (m, d)).astype(np.float32) / 3
    itself = rng.integers(0, m, 12) if excluded else None
    queries = rng.integers(-1, 2, (12, d)).astype(np.float32) / 3 if itself is None else points[itself]
    k = min(k, m - excluded)
    agree(nearest(queries, points, k, itself, block), by_sorting(queries, points, k, itself))


def test_a_set_that_collapsed_is_its_own_neighbour():
    x = np.repeat(normal(3, 20), 400, axis=0)
    distances, indices = nearest(x, x, 5, np.arange(1200))
    assert (distances == 0).all()
    assert indices[0].tolist() == [1, 2, 3, 4, 5] and indices[402].tolist() == [400, 401, 403, 404, 405]


def test_points_within_rounding_of_each_other_are_settled_exactly(monkeypatch):
    # All at one distance of the query but for the last bits, and more of them than there are candidates.
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.standard_normal((64, 64)))[0]
    points, query = np.concatenate([directions, -directions]) * 1e3, np.zeros((1, 64))
    doubted = []
    real = module._candidates
    monkeypatch.setattr(module, "_candidates", lambda *a: doubted.append(found := real(*a)) or found)
    agree(nearest(query, points, 3), by_sorting(query, points, 3))
    assert not doubted[0][1].any(), "the expansion cannot tell"


def test_no_block_is_larger_than_asked_for(monkeypatch):
    seen = []
    centred = module._centred
    monkeypatch.setattr(module, "_centred", lambda x, centre: seen.append(len(x)) or centred(x, centre))
    nearest(normal(100, 4), normal(90, 4), 2, block=(30, 20))
    inside(normal(100, 4), normal(90, 4), np.ones((90, 1)), block=(30, 20))
    assert max(seen) == 30 and sum(n == 20 for n in seen) >= 2 * 4 * 4


@pytest.mark.parametrize("block", BLOCKS)
def test_balls_are_counted_from_both_sides(block):
    x, y = normal(50, 4), normal(70, 4, seed=1)
    radii = np.random.default_rng(2).uniform(0.2, 3, (70, 2))
    held = all_distances(x, y)[:, :, None] <= radii
    of_query, of_ball = inside(x, y, radii, block)
    np.testing.assert_array_equal(of_query, held.sum(1))
    np.testing.assert_array_equal(of_ball, held.sum(0))
    assert 0 < held.mean() < 1


@pytest.mark.parametrize("block", BLOCKS)
def test_a_ball_holds_what_lies_on_its_surface_and_an_open_one_does_not(block):
    x = normal(80, 30) + 100
    radii = nearest(x, x, 3, np.arange(80))[0][:, -1]
    _, of_ball = inside(x, x, np.stack([radii, np.nextafter(radii, -1)], axis=1), block)
    assert (of_ball == [4, 3]).all(), "itself, two within, and the third on the surface"
    _, of_ball = inside(x, x, np.stack([np.zeros(80), np.nextafter(np.zeros(80), -1)], axis=1), block)
    assert (of_ball == [1, 0]).all(), "a point is a closed ball, and no open one"
