"""Precision, recall, density and coverage against their definitions on whole matrices, and where they are known."""

from __future__ import annotations

import json
from math import comb

import numpy as np
import pytest

from ganvas.data import load
from ganvas.metrics import manifold as module
from ganvas.metrics import metric
from ganvas.metrics.base import Evidence, Terms
from ganvas.metrics.manifold import density_coverage, precision_recall

NAMES = ("precision", "recall", "density", "coverage")


def normal(n: int, d: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def results(generated: np.ndarray, reference: np.ndarray, floor: np.ndarray | None = None) -> dict[str, dict]:
    digits = load("digits")
    parts = {"generated": generated, "reference": reference} | ({} if floor is None else {"floor": floor})
    rows = {part: np.arange(len(x)) for part, x in parts.items()}
    seen = Evidence(digits, digits, None, Terms(), len(generated), vectors=parts, rows=rows)  # type: ignore[arg-type]
    return {name: metric(name)(digits, Terms()).result(seen) for name in NAMES}


def values(generated: np.ndarray, reference: np.ndarray) -> list[float]:
    return [found["value"] for found in results(generated, reference).values()]


def apart(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(x[:, None].astype(np.float64) - y.astype(np.float64)).sum(-1))


def by_definition(made: np.ndarray, real: np.ndarray) -> list[float]:
    """All four from whole matrices, as the definitions read: closed balls, k = 3, and open ones, k = 5."""
    between = apart(real, made)
    real3, real5, made3 = (np.sort(apart(x, x), axis=1)[:, k] for x, k in ((real, 3), (real, 5), (made, 3)))
    return [
        (between <= real3[:, None]).any(axis=0).mean(),
        (between <= made3[None, :]).any(axis=1).mean(),
        (between < real5[:, None]).sum(axis=0).mean() / 5,
        (between.min(axis=1) < real5).mean(),
    ]


@pytest.mark.parametrize(("n", "m"), [(150, 150), (70, 200), (200, 70)])
def test_agrees_with_the_definitions(n, m):
    made, real = 0.8 * normal(n) + 0.6, normal(m, seed=1)
    expected = by_definition(made, real)
    assert values(made, real) == pytest.approx(expected, abs=1e-12)
    assert [*precision_recall(real, made), *density_coverage(real, made)] == pytest.approx(expected, abs=1e-12)
    assert all(0.05 < x != 1 for x in expected), "no agreement of ideal values"


def test_agrees_with_the_definitions_where_distances_tie_and_samples_repeat():
    rng = np.random.default_rng(0)
    made, real = (rng.integers(0, 5, (80, 2)).astype(np.float32) for _ in range(2))
    assert values(made, real) == pytest.approx(by_definition(made, real), abs=1e-12)


def test_a_line_by_hand():
    # Of 0, 1, ..., 7 the third neighbour is at 3 from the ends and at 2 from all others; the fourth at 4, 3, 2, 2, ...
    real = np.arange(8, dtype=np.float32)[:, None]
    made = np.array([[-3.0], [-3.5], [3.5], [3.5], [10.5]], np.float32)
    found = results(made, real)
    # -3 lies on the surface of the ball of 0; -3.5 and 10.5 lie in none.
    assert found["precision"] == {"value": 3 / 5, "k": 3}
    # From 3.5 the third neighbour, after its double and -3, is at 7: its ball holds all.
    assert found["recall"] == {"value": 1.0, "k": 3}
    # Five samples have four neighbours. Each 3.5 lies in all 8 balls, and -3, -3.5 and 10.5 in that of an end.
    assert found["density"]["value"] == pytest.approx((8 + 8 + 1 + 1 + 1) / 5 / 4) and found["density"]["k"] == 4
    assert found["coverage"]["value"] == 1
    assert all("k is 4 and not 5" in found[name]["note"] for name in ("density", "coverage"))


def test_identical_sets_score_one_in_all_four():
    x = normal(90)
    assert values(x, x) == [1, 1, 1, 1]
    assert values(np.random.default_rng(0).permutation(x), x) == [1, 1, 1, 1]


def test_samples_of_one_distribution_have_known_expectations():
    # Naeem et al. 2020, Sec. 3: density 1, and coverage 1 − P(the 5 nearest of all others are real ones).
    n, m = 60, 40
    expected = 1 - comb(n - 1, 5) / comb(n - 1 + m, 5)
    found = np.array([density_coverage(normal(n, 2, 2 * s), normal(m, 2, 2 * s + 1)) for s in range(300)])
    error = found.std(axis=0) / 300**0.5
    assert abs(found[:, 0].mean() - 1) < 4 * error[0] < 0.05
    assert abs(found[:, 1].mean() - expected) < 4 * error[1] < 0.05


def modes(count: int, seed: int, each: int = 60) -> np.ndarray:
    """Samples of the first `count` of six modes far from each other."""
    return np.repeat(20 * normal(6, seed=99), each, axis=0)[: count * each] + normal(count * each, seed=seed)


def test_modes_that_are_dropped_lower_recall_and_coverage_alone():
    real = modes(6, seed=0)
    curve = np.array([values(modes(count, seed=1), real) for count in (6, 4, 2, 1)])
    for name, kept in zip(NAMES, curve.T, strict=True):
        if name in ("recall", "coverage"):
            assert (np.diff(kept) < -0.1).all(), (name, kept)
        else:
            assert kept.min() > 0.9 * kept[0], (name, kept)


def test_noise_lowers_precision_and_density():
    real, fresh = modes(6, seed=0), modes(6, seed=1)
    curve = np.array([values(fresh + s * normal(360, seed=2), real) for s in (0.0, 0.5, 1.0, 2.0)])
    assert (np.diff(curve[:, 0]) < -0.05).all() and (np.diff(curve[:, 2]) < -0.05).all(), curve
    assert curve[-1, 1] > 0.9 * curve[0, 1], "recall does not see it: balls about noise are large"


def test_a_single_sample_repeated_has_precision_and_nothing_else():
    real = normal(200)
    precision, recall, density, coverage = values(np.repeat(real[:1], 50, axis=0), real)
    assert precision == 1 and density > 0
    assert recall == 1 / 200 and coverage < 0.1


def test_order_and_scale_do_not_matter():
    made, real = 0.8 * normal(70) + 0.5, normal(90, seed=1)
    rng = np.random.default_rng(0)
    assert values(rng.permutation(made), rng.permutation(real)) == values(made, real)
    assert values(4 * made, 4 * real) == values(made, real)


def test_the_floor_is_the_figure_of_the_floor_with_the_same_k_and_work_is_shared(monkeypatch):
    made, real, floor = normal(60) + 1, normal(80, seed=1), normal(50, seed=2)
    calls = []
    for name in ("nearest", "inside"):
        original = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *a, name=name, original=original, **more: calls.append(name) or original(*a, **more)
        )
    found = results(made, real, floor)
    assert calls.count("nearest") == 3, "once for each part"
    assert calls.count("inside") == 4, "generated and floor, among real balls and around real samples"
    for i, name in enumerate(NAMES):
        assert found[name]["floor"] == values(floor, real)[i]
        assert found[name]["value"] == values(made, real)[i] < found[name]["floor"]
    json.dumps(found)
    assert results(made, real, floor[:3])["precision"] | {"note": ""} == {
        "value": by_k(made, real, 2), "floor": by_k(floor[:3], real, 2), "k": 2, "note": ""
    }  # fmt: skip


def by_k(made: np.ndarray, real: np.ndarray, k: int) -> float:
    radii = np.sort(apart(real, real), axis=1)[:, k]
    return float((apart(real, made) <= radii[:, None]).any(axis=0).mean())
