"""Losses against the known answers of the project's reference, and against each other."""

from __future__ import annotations

import math

import pytest
import torch

from ganvas.losses import adversarial as L

REAL = torch.tensor([-5.0, 1.4, 12.5, 2.7])
FAKE = torch.tensor([10.0, 4.4, -5.5, 3.6])


def test_known_answers():
    assert float(L.non_saturating_generator(FAKE)) == pytest.approx(1.38582, abs=1e-5)
    assert float(L.discriminator(REAL, FAKE)) == pytest.approx(5.83387, abs=1e-5)
    assert float(L.least_squares_generator(FAKE)) == pytest.approx(17.69625, abs=1e-5)
    assert float(L.least_squares_discriminator(REAL, FAKE)) == pytest.approx(41.73375, abs=1e-5)
    assert float(L.wasserstein_generator(FAKE)) == pytest.approx(-3.125, abs=1e-5)
    assert float(L.wasserstein_critic(REAL, FAKE)) == pytest.approx(0.225, abs=1e-5)
    assert float(L.hinge_discriminator(REAL, FAKE)) == pytest.approx(6.75, abs=1e-5)
    shifted = torch.tensor([-2.0, 0.4, 12.5, 2.7])
    assert float(L.relativistic_average_generator(shifted, FAKE)) == pytest.approx(4.94011, abs=1e-5)
    assert float(L.relativistic_average_discriminator(shifted, FAKE)) == pytest.approx(4.39011, abs=1e-5)


def test_at_equilibrium_the_value_is_minus_log_4():
    half = torch.zeros(8)
    assert float(-L.discriminator(half, half)) == pytest.approx(-math.log(4))
    assert float(L.minimax_generator(half)) == pytest.approx(-math.log(2))


def test_losses_are_those_of_probabilities():
    """The stable forms equal the paper's logarithms."""
    d_real, d_fake = REAL.double().sigmoid(), FAKE.double().sigmoid()
    expected = -(d_real.log().mean() + (1 - d_fake).log().mean())
    assert float(L.discriminator(REAL.double(), FAKE.double())) == pytest.approx(float(expected), rel=1e-12)
    assert float(L.minimax_generator(FAKE.double())) == pytest.approx(float((1 - d_fake).log().mean()), rel=1e-12)


def test_one_sided_smoothing_moves_the_target_of_reals_alone():
    real = torch.zeros(1, requires_grad=True)
    fake = torch.zeros(1, requires_grad=True)
    L.discriminator(real, fake, smooth=0.1).backward()
    assert float(real.grad) == pytest.approx(0.5 - 0.9)
    assert float(fake.grad) == pytest.approx(0.5)
    optimum = torch.tensor(math.log(9.0), requires_grad=True)  # σ = 0.9
    L.discriminator(optimum, torch.tensor(-50.0), smooth=0.1).backward()
    assert float(optimum.grad) == pytest.approx(0.0, abs=1e-6)


def test_the_saturating_loss_has_a_dead_gradient_and_the_other_has_not():
    rejected = torch.tensor([-20.0], requires_grad=True)
    (dead,) = torch.autograd.grad(L.minimax_generator(rejected), rejected)
    (alive,) = torch.autograd.grad(L.non_saturating_generator(rejected), rejected)
    assert abs(float(dead)) < 1e-8
    assert float(alive) == pytest.approx(-1.0)


@pytest.mark.parametrize("extreme", [1e4, -1e4])
def test_extreme_logits_do_not_overflow(extreme):
    x = torch.full((2,), extreme)
    for value in (L.discriminator(x, -x), L.non_saturating_generator(x), L.minimax_generator(x)):
        assert bool(value.isfinite())


def test_relativistic_pairs_by_hand():
    """softplus of 1 − 3 and of 2 − 0 for D, of the opposite numbers for G."""
    real, fake = torch.tensor([3.0, 0.0]), torch.tensor([1.0, 2.0])
    by_hand = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(2))) / 2
    assert float(L.relativistic_pairing_discriminator(real, fake)) == pytest.approx(by_hand, rel=1e-6)
    assert float(L.relativistic_pairing_generator(real, fake)) == pytest.approx(by_hand, rel=1e-6), "2 and −2 again"
    alone = (
        L.relativistic_pairing_discriminator(real[:1], fake[:1]),
        L.relativistic_pairing_generator(real[:1], fake[:1]),
    )
    assert float(alone[0]) == pytest.approx(0.126928, abs=1e-6)
    assert float(alone[1]) == pytest.approx(2.126928, abs=1e-6)
    assert float(L.relativistic_pairing_discriminator(real + 9, fake + 9)) == pytest.approx(by_hand, rel=1e-6)
    assert float(L.relativistic_pairing_discriminator(fake, fake)) == pytest.approx(math.log(2))


def test_half_precision_is_averaged_in_float32():
    x = torch.full((4096,), 1.001, dtype=torch.bfloat16)
    assert L.wasserstein_generator(x).dtype == torch.float32
    assert float(L.wasserstein_generator(x)) == pytest.approx(-float(x[0]), rel=1e-6)


def test_least_squares_targets():
    pearson = L.least_squares_discriminator(REAL, FAKE, a=-1.0, b=1.0)
    expected = 0.5 * (((REAL - 1) ** 2).mean() + ((FAKE + 1) ** 2).mean())
    assert float(pearson) == pytest.approx(float(expected), rel=1e-6)
    assert float(L.least_squares_generator(FAKE, c=0.0)) == pytest.approx(float(0.5 * (FAKE**2).mean()), rel=1e-6)
