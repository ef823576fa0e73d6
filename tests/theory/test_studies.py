"""The facts that `ganvas theory` measures."""

from __future__ import annotations

import functools
import importlib
import math

import pytest
from matplotlib.figure import Figure

from ganvas import theory
from ganvas.errors import UserError


@functools.cache
def run(name: str) -> tuple[dict[str, float], Figure]:
    return theory.run(name)


@pytest.mark.parametrize("case", ["equal", "one_mode", "shifted"])
def test_a_trained_discriminator_approaches_the_optimal_one(case: str) -> None:
    numbers, _ = run("optimum")
    assert numbers[f"{case}_gap_mean"] < 0.02
    assert numbers[f"{case}_gap_max"] < 0.05
    assert abs(numbers[f"{case}_value"] - numbers[f"{case}_value_exact"]) < 0.01
    assert numbers[f"{case}_value"] < numbers[f"{case}_value_exact"] + 1e-6  # nothing beats D*


def test_the_value_at_equilibrium_is_minus_log_four() -> None:
    numbers, _ = run("optimum")
    assert abs(numbers["equal_value"] + math.log(4)) < 0.02
    assert numbers["equal_value_exact"] == pytest.approx(-math.log(4), abs=1e-9)
    assert min(numbers["one_mode_value"], numbers["shifted_value"]) > numbers["equal_value"] + 0.3


def test_js_saturates_kl_is_infinite_and_wasserstein_goes_on() -> None:
    numbers, _ = run("divergences")
    assert numbers["uniform_js_least_where_disjoint"] == pytest.approx(math.log(2), abs=1e-3)
    assert numbers["uniform_js_most_where_disjoint"] == pytest.approx(math.log(2), abs=1e-3)
    assert numbers["uniform_kl_least_where_apart"] == math.inf
    assert numbers["uniform_w1_slope"] == pytest.approx(1, abs=1e-3)
    assert numbers["gauss_w1_slope_at_6"] == pytest.approx(1, abs=1e-3)
    assert numbers["gauss_kl_largest_error"] < 1e-6
    assert 0 < numbers["gauss_js_slope_at_6"] < math.exp(-(6**2) / 8)


def test_the_minimax_loss_starves_the_generator() -> None:
    numbers, _ = run("saturation")
    assert numbers["slope_largest_error"] < 1e-6
    assert numbers["D_of_fake_last"] < 1e-2 < 0.3 < numbers["D_of_fake_first"]
    assert numbers["non_saturating_gradient_last"] > 100 * numbers["minimax_gradient_last"]
    assert numbers["non_saturating_gradient_last"] > numbers["non_saturating_gradient_first"]
    assert numbers["minimax_gradient_last"] < numbers["minimax_gradient_first"] / 2


def test_algorithm_1_brings_the_generator_to_the_data() -> None:
    numbers, figure = run("algorithm1")
    distances = [v for k, v in numbers.items() if k.endswith("_wasserstein")]
    gaps = [v for k, v in numbers.items() if k.endswith("_gap_mean")]
    values = [v for k, v in numbers.items() if k.endswith("_value")]
    assert len(distances) == len(figure.axes) == 4
    assert distances[0] > 1.5 and distances[-1] < 0.1
    assert max(gaps) < 0.15 and gaps[-1] < 0.05  # five steps of D a round keep it near D*
    assert abs(values[-1] + math.log(4)) < 0.02


@pytest.mark.parametrize("name", ["optimum", "saturation", "algorithm1"])
def test_the_seed_decides(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module(f"ganvas.theory.{name}")
    short = {"algorithm1": ("_ROUNDS", (2, 4))}.get(name, ("_STEPS", 10))
    monkeypatch.setattr(module, *short)
    first, again, other = (theory.run(name, seed)[0] for seed in (0, 0, 1))
    assert first == again != other


def test_every_study_is_listed_and_the_unknown_is_told() -> None:
    for name in theory.STUDIES:
        assert run(name)[0]
    with pytest.raises(UserError, match="Did you mean saturation"):
        theory.run("saturate")
    with pytest.raises(UserError, match="--seed -1"):
        theory.run("optimum", -1)
