"""KID against sums written out, against torchmetrics, and where its expectation is known."""

from __future__ import annotations

import json
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ganvas.data import load
from ganvas.metrics import kernel as module
from ganvas.metrics.base import Evidence, Features, Terms
from ganvas.metrics.kernel import Kernel, kernel_distance, subset_distances


def normal(n: int, d: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def result(
    generated: np.ndarray,
    reference: np.ndarray,
    floor: np.ndarray | None = None,
    seed: int = 0,
    inception: bool | None = None,
) -> dict:
    digits = load("digits")
    parts = {"generated": generated, "reference": reference} | ({} if floor is None else {"floor": floor})
    extractor: Features | None = None
    if inception is not None:
        extractor = SimpleNamespace(name="pixels-8x8", is_inception=inception)  # type: ignore[assignment]
    terms, rows = Terms(seed=seed), {part: np.arange(len(x)) for part, x in parts.items()}
    seen = Evidence(digits, digits, extractor, terms, len(generated), vectors=parts, rows=rows)  # type: ignore[arg-type]
    return Kernel(digits, terms).result(seen)


def written_out(x: np.ndarray, y: np.ndarray) -> float:
    def k(a, b) -> float:
        return (float(np.dot(a.astype(np.float64), b.astype(np.float64))) / len(a) + 1) ** 3

    n, m = len(x), len(y)
    within = [sum(k(z[i], z[j]) for i in range(len(z)) for j in range(len(z)) if i != j) for z in (x, y)]
    return within[0] / (n * (n - 1)) + within[1] / (m * (m - 1)) - 2 * sum(k(a, b) for a, b in product(x, y)) / (n * m)


@pytest.mark.parametrize(("n", "m", "rows"), [(2, 2, 1024), (9, 14, 1024), (14, 9, 4), (12, 12, 1)])
def test_agrees_with_the_sums_written_out(monkeypatch, n, m, rows):
    monkeypatch.setattr(module, "_ROWS", rows)
    x, y = normal(n), 2 * normal(m, seed=1) + 1
    assert kernel_distance(x, y) == pytest.approx(written_out(x, y), rel=1e-12)
    assert kernel_distance(y, x) == pytest.approx(written_out(x, y), rel=1e-12)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save")
def test_agrees_with_torchmetrics():
    kid = pytest.importorskip("torchmetrics.image.kid")
    x, y = normal(90, 30).astype(np.float64), 1.5 * normal(90, 30, seed=1).astype(np.float64) - 0.5
    assert kernel_distance(x, y) == pytest.approx(float(kid.poly_mmd(torch.tensor(x), torch.tensor(y))), rel=1e-9)

    # On whole sets, where every subset is the same whoever draws it.
    whole = kid.KernelInceptionDistance(feature=Identity(), subsets=3, subset_size=90, normalize=False)
    whole.set_dtype(torch.float64)
    for z, real in ((x, True), (y, False)):
        whole.update(torch.tensor(z), real=real)
    assert subset_distances(x, y, 90, 3).mean() == pytest.approx(float(whole.compute()[0]), rel=1e-6)


class Identity(torch.nn.Module):
    """Features as they are, for torchmetrics."""

    num_features = 30

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def test_a_line_has_a_closed_form():
    # Of n points at a and n at -a, two different ones are alike with probability (n - 1) / (2 n - 1); the kernel of
    # like ones is (1 + a²)³, of unlike ones (1 − a²)³, and of a point at ±a and one at ±b on average 1 + 3 a² b².
    def within(a: float, n: int) -> float:
        alike = (n - 1) / (2 * n - 1)
        return alike * (1 + a**2) ** 3 + (1 - alike) * (1 - a**2) ** 3

    x, y = (np.repeat([a, -a], n)[:, None] for a, n in ((1.0, 20), (2.0, 30)))
    assert kernel_distance(x, y) == pytest.approx(within(1, 20) + within(2, 30) - 2 * (1 + 3 * 4), rel=1e-12)


def test_it_is_unbiased_and_negative_half_of_the_time():
    found = np.array([kernel_distance(normal(20, seed=2 * s), normal(30, seed=2 * s + 1)) for s in range(400)])
    assert abs(found.mean()) < 4 * found.std() / 20
    assert 0.3 < (found < 0).mean() < 0.75
    # Few samples and many have the same expectation, unlike that of a Fréchet distance.
    few = np.mean([kernel_distance(normal(5, seed=2 * s), normal(5, seed=2 * s + 1) + 1) for s in range(4000)])
    assert few == pytest.approx(kernel_distance(normal(2000), normal(2000, seed=1) + 1), rel=0.15)


def test_order_does_not_matter_to_all_pairs_and_single_precision_is_not_summed():
    x, y = normal(300, 64) + 30, normal(300, 64, seed=1) + 30  # the mean kernel is about 7e8
    shuffled = np.random.default_rng(0).permutation(x)
    assert kernel_distance(shuffled, y) == pytest.approx(kernel_distance(x, y), rel=1e-6)
    assert kernel_distance(x.astype(np.float64), y.astype(np.float64)) == kernel_distance(x, y)


def test_subsets_are_drawn_without_replacement_by_their_seed():
    x, y = normal(60), normal(50, seed=1)
    found = subset_distances(x, y, 25, 8)
    assert np.array_equal(found, subset_distances(x, y, 25, 8)) and len(set(found)) == 8
    assert not np.array_equal(found, subset_distances(x, y, 25, 8, seed=1))
    assert subset_distances(x, y, 50, 2)[0] != subset_distances(x, y, 50, 2)[1], "of 60, 50 are drawn"
    whole = subset_distances(x[:50], y, 50, 4)
    np.testing.assert_allclose(whole, kernel_distance(x[:50], y), rtol=1e-9)


def test_it_grows_with_noise_and_with_modes_that_are_dropped():
    modes = np.repeat(2 * np.eye(5, 8, dtype=np.float32), 100, axis=0)
    real, fresh = modes + normal(500), modes + normal(500, seed=1)
    noisy = [result(fresh + s * normal(500, seed=2), real)["value"] for s in (0.0, 0.5, 1.0, 2.0)]
    assert noisy == sorted(noisy) and noisy[-1] > 10 * abs(noisy[0])
    kept = [result(fresh[: 100 * k], real)["value"] for k in (5, 4, 3, 2, 1)]
    assert kept == sorted(kept) and kept[-1] > 10 * abs(kept[0])


def test_the_value_and_the_floor_compare_like_with_like():
    x, reference, floor = normal(80) + 2, normal(200, seed=1), normal(60, seed=2)
    found = result(x, reference, floor)
    assert found["subset_size"] == 30 and found["subsets"] == 100, "half of the fewest"
    same = result(floor, reference, floor)
    assert same["value"] == same["floor"] == found["floor"] and same["std"] == same["floor_std"]
    assert abs(found["floor"]) < 3 * found["floor_std"] < found["value"]
    assert found["std"] == pytest.approx(np.std(subset_distances(x, reference, 30)), rel=1e-12)
    assert found == result(x, reference, floor) and found["value"] != result(x, reference, floor, seed=1)["value"]
    json.dumps(found)
    alone = result(x, reference)
    assert alone["subset_size"] == 40 and "floor" not in alone and "floor_std" not in alone


def test_subsets_are_of_a_thousand_where_there_are_two_thousand_and_of_two_at_least(monkeypatch):
    monkeypatch.setattr(module, "subset_distances", lambda x, y, size, seed: np.zeros(2))
    assert result(normal(2100, 1), normal(2050, 1))["subset_size"] == 1000
    assert result(normal(2, 1), normal(3, 1))["subset_size"] == 2


def test_a_kid_on_other_features_says_so():
    x = normal(8)
    assert "pixels-8x8" in result(x, x, inception=False)["note"]
    assert "note" not in result(x, x, inception=True) and "note" not in result(x, x)
