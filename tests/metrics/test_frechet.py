"""The Fréchet distance against closed forms, against scipy's general matrix root, and where it must not change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save
from scipy.linalg import sqrtm

from ganvas.data import load as load_data
from ganvas.metrics.base import Evidence, Terms
from ganvas.metrics.frechet import FEWEST, Frechet, bootstrap_interval, extrapolate, frechet_distance
from ganvas.metrics.moments import Moments


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


def test_moments_count_a_vector_as_often_as_is_said():
    rng = np.random.default_rng(0)
    x, counts = rng.standard_normal((300, 5)) + 100, rng.integers(0, 4, 300)
    repeated = np.repeat(x, counts, axis=0)
    found = Moments.of(x, counts, block=64)
    assert found.count == len(repeated)
    np.testing.assert_allclose(found.mean, repeated.mean(0), rtol=1e-13)
    np.testing.assert_allclose(found.covariance, np.cov(repeated.T), rtol=1e-10, atol=1e-12)


def test_moments_of_two_parts_join_to_those_of_the_whole_and_leave_the_parts_alone():
    x = np.random.default_rng(0).standard_normal((90, 6)) + 10
    one, other = moments(x[:31]), moments(x[31:])
    kept, joined = other.scatter, Moments()
    for part in (Moments(), one, other, Moments()):
        joined += part
    assert joined.count == 90
    np.testing.assert_allclose(joined.mean, x.mean(0), rtol=1e-13)
    np.testing.assert_allclose(joined.covariance, np.cov(x.T), atol=1e-13)
    np.testing.assert_array_equal(other.scatter, kept)
    np.testing.assert_array_equal(one.covariance, moments(x[:31]).covariance)


def test_moments_come_back_from_a_file_equal_to_the_bit_and_go_on_the_same():
    x = np.random.default_rng(0).standard_normal((90, 6)).astype(np.float32)
    one = moments(x[:40])
    other = Moments.restore(load(save(one.state())))
    for block in (x[40:], x[:0]):
        one.add(block)
        other.add(block)
    assert other.count == one.count == 90
    np.testing.assert_array_equal(other.mean, one.mean)
    np.testing.assert_array_equal(other.covariance, one.covariance)
    np.testing.assert_array_equal(one.covariance, one.covariance.T)


@pytest.mark.parametrize("harm", [{"mean": np.zeros(5)}, {"count": np.zeros(3)}, {"scatter": np.zeros(6)}])
def test_arrays_that_are_no_moments_are_refused(harm):
    with pytest.raises(ValueError, match="no moments"):
        Moments.restore(moments(np.ones((4, 6))).state() | harm)


@pytest.mark.parametrize("d", [64, pytest.param(2048, marks=pytest.mark.slow)])
def test_agrees_with_published_ways_where_samples_outnumber_dimensions(d):
    rng = np.random.default_rng(0)
    scale = np.logspace(0, -2, d)
    x, y = (moments((rng.standard_normal((3 * d, d)) * scale + shift).astype(np.float32)) for shift in (0, 0.01))
    ours = frechet_distance(x.mean, x.covariance, y.mean, y.covariance)
    apart = np.square(x.mean - y.mean).sum() + np.trace(x.covariance + y.covariance)
    assert ours == pytest.approx(apart - 2 * np.trace(sqrtm(x.covariance @ y.covariance)).real, rel=1e-6)
    torch, fid = pytest.importorskip("torch"), pytest.importorskip("torchmetrics.image.fid")
    tensors = [torch.from_numpy(a) for m in (x, y) for a in (m.mean, m.covariance)]
    assert ours == pytest.approx(float(fid._compute_fid(*tensors)), rel=1e-6)


def test_every_step_away_from_the_real_samples_costs_more():
    rng = np.random.default_rng(0)
    real, same = rng.standard_normal((2, 2000, 8))
    for change in (
        lambda k: same + k * 0.3 * rng.standard_normal(same.shape),  # noise
        lambda k: same + 0.2 * k,  # shift
        lambda k: same * (1 - 0.1 * k),  # variety lost in all directions
        lambda k: np.where(np.arange(8) < k, 0.0, same),  # and in some
    ):
        curve = [distance(change(k), real) for k in range(5)]
        assert curve == sorted(curve)
        assert curve[4] > 2 * curve[0]


def test_more_samples_extrapolate_to_the_distance_of_the_distributions():
    d, true = 16, 16 * 0.2**2
    reference = Moments.restore({"count": np.array(2), "mean": np.zeros(d), "scatter": np.eye(d)})  # N(0, 1) itself
    lines, finite = [], []
    for seed in range(20):
        x = np.random.default_rng(seed).standard_normal((600, d)) * 1.2
        lines.append(extrapolate(x, reference, seed))
        finite.append(distance_to(x, reference))
    infinite = np.array([line.infinite for line in lines])
    assert np.mean(finite) > true + 0.15, "600 samples measure too great a distance"
    assert abs(infinite.mean() - true) < 3 * infinite.std() / np.sqrt(20) + 0.02
    assert all(line.r2 > 0.7 for line in lines)
    assert {line.smallest for line in lines} == {60}


def distance_to(x: np.ndarray, reference: Moments) -> float:
    m = moments(x)
    return frechet_distance(m.mean, m.covariance, reference.mean, reference.covariance)


def test_sizes_start_where_a_dimension_has_two_samples():
    x, many = np.random.default_rng(0).standard_normal((2, 400, 30))
    assert extrapolate(x[:, :10], moments(many[:, :10])).smallest == 40
    assert extrapolate(x, moments(many)).smallest == 60
    assert extrapolate(x[:100], moments(many)).smallest == 50


def test_the_last_size_is_all_samples_and_a_line_is_fitted_by_least_squares(monkeypatch):
    from ganvas.metrics import frechet

    seen = []
    monkeypatch.setattr(frechet, "between", lambda these, those: seen.append(these.count) or 3 + 7 / these.count)
    line = extrapolate(np.random.default_rng(0).standard_normal((500, 3)), Moments())
    assert seen == np.linspace(50, 500, 15).astype(int).tolist()
    assert (line.infinite, line.r2) == (pytest.approx(3), pytest.approx(1))
    assert line.standard_error == pytest.approx(0, abs=1e-9)
    noise = iter(np.random.default_rng(0).standard_normal(15))
    monkeypatch.setattr(frechet, "between", lambda these, those: 3 + 7 / these.count + next(noise))
    line = extrapolate(np.zeros((500, 3)), Moments())
    design = np.stack([np.ones(15), 1 / np.array(seen)], 1)
    y = 3 + 7 / np.array(seen) + np.random.default_rng(0).standard_normal(15)
    (intercept, _), (left,), *_ = np.linalg.lstsq(design, y)
    assert line.infinite == pytest.approx(intercept)
    assert line.standard_error == pytest.approx(np.sqrt(left / 13 * np.linalg.inv(design.T @ design)[0, 0]))
    assert line.r2 == pytest.approx(np.corrcoef(design[:, 1], y)[0, 1] ** 2)


def test_an_interval_holds_what_such_sets_measure_on_average():
    def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        return rng.standard_normal((150, 3)) * 1.3, rng.standard_normal((150, 3))

    distances = [distance(*draw(seed)) for seed in range(200)]
    mean, spread = np.mean(distances), np.std(distances)
    found = [bootstrap_interval(*draw(seed), times=50, seed=seed) for seed in range(40)]
    held = [d + low <= mean <= d + high for d, (low, high) in zip(distances, found, strict=False)]
    assert np.mean(held) >= 0.9
    assert 2.5 * spread < np.mean([high - low for low, high in found]) < 6 * spread
    assert bootstrap_interval(*draw(0), times=5, seed=1) == bootstrap_interval(*draw(0), times=5, seed=1)
    assert bootstrap_interval(*draw(0), times=5, seed=1) != bootstrap_interval(*draw(0), times=5, seed=2)


@pytest.mark.parametrize("held", ["generated", "reference"])
def test_both_sets_are_drawn_anew(held):
    x = np.random.default_rng(0).standard_normal((100, 3))
    still = np.ones((100, 3))  # drawn from itself it never changes
    low, high = bootstrap_interval(*((still, x) if held == "generated" else (x, still)), times=20)
    assert low < 0 < high


def evidence(terms: Terms, n: int = 200, floor: bool = True) -> Evidence:
    rng = np.random.default_rng(0)
    parts: dict[str, Any] = {
        "generated": rng.standard_normal((n, 4)) + 1,
        "reference": rng.standard_normal((n, 4)),
    } | ({"floor": rng.standard_normal((n, 4))} if floor else {})
    data = load_data("digits")
    found = Evidence(data, data, None, terms, n)
    found.vectors = {part: x.astype(np.float32) for part, x in parts.items()}
    found.moments = {part: moments(x) for part, x in found.vectors.items()}
    found.rows = {part: np.arange(n) for part in parts}
    return found


def measured(floor: bool = True, n: int = 200, **terms: Any) -> dict[str, Any]:
    agreed = Terms(**terms)
    return Frechet(load_data("digits"), agreed).result(evidence(agreed, n, floor))


def test_the_metric_gives_value_and_floor_and_no_more_unasked():
    found, there = measured(), evidence(Terms()).vectors
    assert found == {
        "value": pytest.approx(distance(there["generated"], there["reference"])),
        "floor": pytest.approx(distance(there["floor"], there["reference"])),
    }
    assert found["floor"] < 0.2 < 3.5 < found["value"]
    assert set(measured(floor=False)) == {"value"}


def test_features_themselves_are_needed_only_where_the_terms_ask_for_more():
    data = load_data("digits")
    assert Frechet(data, Terms()).needs == {"moments"}
    assert Frechet(data, Terms(extrapolate=True)).needs == {"moments", "vectors"}
    assert Frechet(data, Terms(bootstrap=100)).needs == {"moments", "vectors"}
    assert Frechet.needs == {"moments"}


def test_the_metric_extrapolates_value_and_floor():
    found = measured(extrapolate=True)
    assert found["infinite"] < found["value"]
    assert found["floor_infinite"] < found["floor"]
    assert set(found["infinite_fit"]) == {"r2", "standard_error", "sizes_from"}
    assert "note" not in found
    assert "floor_infinite" not in measured(floor=False, extrapolate=True)


def test_too_few_samples_to_extrapolate_are_told():
    found = measured(n=FEWEST - 1, extrapolate=True)
    assert "infinite" not in found
    assert "too few to extrapolate" in found["note"]
    found = measured(n=FEWEST, extrapolate=True)
    assert "note" not in found
    terms = Terms(extrapolate=True)
    wide = evidence(terms)
    wide.vectors = {
        part: np.tile(x, 20) + np.random.default_rng(1).standard_normal((200, 80)) for part, x in wide.vectors.items()
    }
    wide.moments = {part: moments(x) for part, x in wide.vectors.items()}
    assert "give 320 samples" in Frechet(wide.data, terms).result(wide)["note"]


def test_the_metric_lays_the_interval_around_its_value():
    found = measured(bootstrap=30)
    low, high = found["interval"]
    assert found["bootstrap"] == 30
    assert 0 <= low < found["value"] < high
    assert found["interval"] == measured(bootstrap=30)["interval"]
    assert found["interval"] != measured(bootstrap=30, seed=1)["interval"]
