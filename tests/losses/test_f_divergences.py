"""f-divergences: the variational bound on Gaussians, where divergences have closed forms, and the stable forms."""

from __future__ import annotations

import math

import pytest
import torch

from ganvas.losses import adversarial
from ganvas.losses.f_divergences import DIVERGENCES, alternative_generator, bound, saturating_generator

pytestmark = pytest.mark.usefixtures("float64")
X = torch.linspace(-30, 30, 240_001, dtype=torch.float64)
NAMES = list(DIVERGENCES)
GAUSSIANS = [(0.0, 1.0, 0.7, 1.0), (0.0, 1.0, 1.0, 1.3), (-0.5, 0.8, 0.3, 1.1)]  # means and deviations of P and Q


def density(mean: float, std: float) -> torch.Tensor:
    return torch.exp(-((X - mean) ** 2) / (2 * std**2)) / (std * math.sqrt(2 * math.pi))


def integral(values: torch.Tensor) -> float:
    return float(torch.trapezoid(values, X))


def kl(m1: float, s1: float, m2: float, s2: float) -> float:
    return math.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 0.5


def pearson(m1: float, s1: float, m2: float, s2: float) -> float:
    """∫ p²/q − 1, finite where 2 s2² > s1²."""
    v = 2 * s2**2 - s1**2
    return s2**2 / (s1 * math.sqrt(v)) * math.exp((m1 - m2) ** 2 / v) - 1


def hellinger(m1: float, s1: float, m2: float, s2: float) -> float:
    """2 − 2 ∫ √(pq)."""
    v = s1**2 + s2**2
    return 2 - 2 * math.sqrt(2 * s1 * s2 / v) * math.exp(-((m1 - m2) ** 2) / (4 * v))


def js(m1: float, s1: float, m2: float, s2: float) -> float:
    """KL(P‖M) + KL(Q‖M) with M = (P + Q)/2, for which there is no closed form: from the definition."""
    p, q = density(m1, s1), density(m2, s2)
    m = (p + q) / 2
    return integral(torch.xlogy(p, p / m).nan_to_num()) + integral(torch.xlogy(q, q / m).nan_to_num())


KNOWN = {
    "kl": kl,
    "reverse-kl": lambda m1, s1, m2, s2: kl(m2, s2, m1, s1),
    "pearson": pearson,
    "squared-hellinger": hellinger,
    "jensen-shannon": js,
    "gan": lambda *g: js(*g) - math.log(4),
}


def value(name: str, t: torch.Tensor, p: torch.Tensor, q: torch.Tensor) -> float:
    """E_P T − E_Q f*(T) by quadrature."""
    inside = (p > 1e-300) & (q > 1e-300)
    zero = torch.zeros(())
    of = DIVERGENCES[name]
    return integral(torch.where(inside, p * t, zero)) - integral(torch.where(inside, q * of.conjugate(t), zero))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("pair", GAUSSIANS)
def test_the_bound_is_tight_at_the_derivative_of_the_ratio(name, pair):
    """T* = f'(p/q): the bound is the divergence, known in closed form."""
    p, q = density(*pair[:2]), density(*pair[2:])
    inside = (p > 1e-300) & (q > 1e-300)
    ratio = torch.where(inside, p / q, 1.0)
    best = value(name, DIVERGENCES[name].derivative(ratio), p, q)
    assert best == pytest.approx(KNOWN[name](*pair), rel=1e-6)
    f = integral(torch.where(inside, q * DIVERGENCES[name].f(ratio), torch.zeros(())))
    assert f == pytest.approx(KNOWN[name](*pair), rel=1e-6), "the definition, ∫ q f(p/q)"


@pytest.mark.parametrize("name", NAMES)
def test_no_other_function_exceeds_it(name):
    pair = (0.0, 1.0, 0.7, 1.0)
    p, q = density(*pair[:2]), density(*pair[2:])
    known, of = KNOWN[name](*pair), DIVERGENCES[name]
    g = torch.Generator().manual_seed(0)
    for _ in range(20):  # functions that a network with that activation could put out
        a, b, c = torch.randn(3, generator=g)
        t = of.activation(a + b * torch.sin(X) + c * torch.tanh(X))
        assert value(name, t, p, q) < known
    inside = (p > 1e-300) & (q > 1e-300)
    optimum = of.derivative(torch.where(inside, p / q, 1.0))
    for step in (0.02, -0.02):  # and near the optimum
        t = optimum + step * torch.exp(-X.square()) * (-1 if name in ("reverse-kl", "gan") and step > 0 else 1)
        nearby = value(name, t, p, q)
        assert nearby < known
        assert nearby == pytest.approx(known, abs=2e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_conjugate_is_the_conjugate(name):
    """f*(t) = sup_u ut − f(u) by search over u, at points of the activation's range."""
    of, u = DIVERGENCES[name], torch.exp(torch.linspace(-14, 14, 200_001))
    for v in (-2.0, -0.5, 0.0, 0.7, 1.5):
        t = of.activation(torch.tensor(v))
        sup = float((u * t - of.f(u)).max())
        assert float(of.conjugate(t)) == pytest.approx(sup, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_derivative_and_penalty_agree_with_their_definitions(name):
    of = DIVERGENCES[name]
    u = torch.tensor([0.1, 0.5, 1.0, 2.0, 7.0], requires_grad=True)
    (slope,) = torch.autograd.grad(of.f(u).sum(), u)
    torch.testing.assert_close(slope, of.derivative(u.detach()))
    v = torch.linspace(-3, 3, 13)
    torch.testing.assert_close(of.penalty(v), of.conjugate(of.activation(v)))
    thresholds = {
        "kl": 1,
        "reverse-kl": -1,
        "pearson": 0,
        "squared-hellinger": 0,
        "jensen-shannon": 0,
        "gan": -math.log(2),
    }
    assert float(of.derivative(torch.ones(()))) == pytest.approx(thresholds[name]), "f'(1) of Table 2"


@pytest.mark.parametrize("name", NAMES)
def test_activations_reach_the_optimum(name):
    """The range of g_f covers f'(u) for every ratio u, and nothing outside of the domain of f*."""
    of = DIVERGENCES[name]
    reach = of.activation(torch.linspace(-30, 30, 601))
    for u in (0.1, 1.0, 10.0):
        t = float(of.derivative(torch.tensor(u)))
        assert float(reach.min()) <= t <= float(reach.max())
    ends = {"reverse-kl": 0, "squared-hellinger": 1, "jensen-shannon": math.log(2), "gan": 0}
    if name in ends:
        assert float(reach.max()) <= ends[name]


def test_gan_is_goodfellows_game():
    real, fake = torch.randn(64), torch.randn(64)
    of = DIVERGENCES["gan"]
    assert float(-bound(real, fake, of)) == pytest.approx(float(adversarial.discriminator(real, fake)))
    assert float(saturating_generator(fake, of)) == pytest.approx(float(adversarial.minimax_generator(fake)))
    assert float(alternative_generator(fake, of)) == pytest.approx(float(adversarial.non_saturating_generator(fake)))


@pytest.mark.parametrize("name", NAMES)
def test_the_alternative_pulls_harder_where_the_discriminator_rejects(name):
    of = DIVERGENCES[name]
    for loss in (saturating_generator, alternative_generator):
        v = torch.tensor(-3.0, requires_grad=True)
        (slope,) = torch.autograd.grad(loss(v, of), v)
        expected_sign = name == "pearson" and loss is saturating_generator  # v²/4 + v turns at −2
        assert (float(slope) > 0) == expected_sign, "the generator raises V, except where Pearson's penalty turns"
    v = torch.tensor(-20.0, requires_grad=True)
    (dead,) = torch.autograd.grad(saturating_generator(v, of), v)
    if name in ("kl", "squared-hellinger", "jensen-shannon", "gan"):
        assert abs(float(dead)) < 1e-8
        (alive,) = torch.autograd.grad(alternative_generator(v, of), v)
        assert abs(float(alive)) >= 1 - 1e-8


@pytest.mark.parametrize("name", ["jensen-shannon", "gan"])
@pytest.mark.parametrize("extreme", [1e4, -1e4])
def test_extreme_outputs_do_not_overflow(name, extreme):
    x = torch.full((2,), extreme, dtype=torch.float32)
    assert bool(bound(x, -x, DIVERGENCES[name]).isfinite())


def test_half_precision_is_averaged_in_float32():
    x = torch.full((4096,), 1.001, dtype=torch.bfloat16)
    assert bound(x, x, DIVERGENCES["kl"]).dtype == torch.float32
