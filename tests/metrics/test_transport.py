"""The earth mover's distance against closed forms, scipy's on a line and POT's in space."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from ganvas.data import load
from ganvas.metrics.base import Evidence, Terms
from ganvas.metrics.transport import MOST, EarthMover, earth_movers_distance


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def result(generated: np.ndarray, reference: np.ndarray, floor: np.ndarray | None = None) -> dict:
    ring, parts = load("ring"), {"generated": generated, "reference": reference}
    parts |= {} if floor is None else {"floor": floor}
    rows = {part: np.arange(len(x)) for part, x in parts.items()}
    seen = Evidence(ring, ring, None, Terms(), len(generated), vectors=parts, rows=rows)  # type: ignore[arg-type]
    return EarthMover(ring, Terms()).result(seen)


def test_a_line_has_a_closed_form_with_which_the_assignment_agrees():
    x, y = normal(300, 1), 2 * normal(300, 1, seed=1) + 1
    expected = wasserstein_distance(x[:, 0].astype(float), y[:, 0].astype(float))
    assert earth_movers_distance(x, y) == pytest.approx(expected, rel=1e-12)
    in_the_plane = [np.hstack([z, np.zeros_like(z)]) for z in (x, y)]
    assert earth_movers_distance(*in_the_plane) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("d", [2, 64])
def test_agrees_with_pot(d):
    ot = pytest.importorskip("ot")
    x, y = normal(150, d).astype(np.float64), 1.5 * normal(150, d, seed=1).astype(np.float64) + 0.3
    weights = np.full(150, 1 / 150)
    expected = ot.emd2(weights, weights, ot.dist(x, y, metric="euclidean"))
    assert earth_movers_distance(x, y) == pytest.approx(expected, rel=1e-9)


def test_a_shift_costs_its_length_and_order_costs_nothing():
    x, shift = normal(200, 8), np.arange(8)
    assert earth_movers_distance(x, x) == 0
    shuffled = np.random.default_rng(1).permutation(x)
    assert earth_movers_distance(x, shuffled) == 0
    assert earth_movers_distance(x, shuffled + shift) == pytest.approx(np.linalg.norm(shift), rel=1e-6)
    y = 2 * normal(200, 8, seed=2)
    assert earth_movers_distance(x, y) == pytest.approx(earth_movers_distance(y, shuffled), rel=1e-12)


def test_it_grows_with_noise_and_with_modes_that_are_dropped():
    ring = load("ring")
    reference, points = ring.samples[:400], ring.samples[400:9000]
    noisy = [earth_movers_distance(points[:400] + s * normal(400, 2), reference) for s in (0.0, 0.2, 0.4, 0.8)]
    assert noisy == sorted(noisy) and noisy[-1] > 2 * noisy[0]
    angle = np.arctan2(points[:, 1], points[:, 0])
    dropped = [earth_movers_distance(points[angle > least][:400], reference) for least in (-4, -2, 0, 1.5, 2.6)]
    assert dropped == sorted(dropped) and dropped[-1] > 1


def test_the_result_is_of_as_many_samples_of_each_part():
    reference, generated, floor = normal(900, 3), normal(500, 3, seed=1) + 1, normal(400, 3, seed=2)
    found = result(generated, reference, floor)
    assert json.loads(json.dumps(found)) == found and found["samples"] == 400
    assert 0 < found["floor"] < 1 < found["value"] < np.sqrt(3) + found["floor"]
    assert found == result(generated, reference, floor)
    assert result(reference, reference) == {"value": 0.0, "samples": 900}


def test_many_samples_are_thinned_and_not_to_the_first_ones():
    line = np.linspace(0, 1, 3 * MOST, dtype=np.float32)[:, None]  # sorted, as files by class are
    found = result(line, line + 5)
    assert found["samples"] == MOST and found["value"] == pytest.approx(5, abs=0.02)
    uniform = np.random.default_rng(0).random((MOST, 1)).astype(np.float32)
    assert result(line, uniform)["value"] < 0.05  # the first third would be at a distance of a third
