"""Energies by hand, and the pulling-away term by brute force."""

from __future__ import annotations

import pytest
import torch

from ganvas.losses import energies

pytestmark = pytest.mark.usefixtures("float64")


def brute_force(s: torch.Tensor) -> float:
    """Eq. 4 of Zhao et al. 2017, pair by pair."""
    n, total = len(s), 0.0
    for i in range(n):
        for j in range(n):
            if i != j:
                total += float((s[i] @ s[j]) / (s[i].norm() * s[j].norm())) ** 2
    return total / (n * (n - 1))


def test_pulling_away_by_brute_force():
    s = torch.randn(6, 5)
    assert float(energies.pulling_away(s)) == pytest.approx(brute_force(s), rel=1e-12)
    volumes = torch.randn(4, 3, 2, 2)
    assert float(energies.pulling_away(volumes)) == pytest.approx(brute_force(volumes.flatten(1)), rel=1e-12)


def test_pulling_away_of_known_batches():
    assert float(energies.pulling_away(torch.eye(4))) == 0.0
    assert float(energies.pulling_away(torch.tensor([[1.0, 2.0], [2.0, 4.0], [-3.0, -6.0]]))) == pytest.approx(1.0)
    half = torch.tensor([[1.0, 0.0], [1.0, 1.0]])  # 45°: cos² = ½
    assert float(energies.pulling_away(half)) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda c, n: c.square().mean(),  # the diagonal counted
        lambda c, n: (c.sum() - n) / (n * (n - 1)),  # not squared
        lambda c, n: (c.square().sum() - n) / n**2,  # not the mean over pairs
    ],
)
def test_known_bad_variants_differ(wrong):
    s = torch.randn(6, 5)
    unit = s / s.norm(dim=1, keepdim=True)
    assert abs(float(wrong(unit @ unit.T, 6)) - brute_force(s)) > 1e-3
    assert float(energies.pulling_away(s)) == pytest.approx(brute_force(s), rel=1e-12)


def test_pulling_away_pulls_away():
    """A step against the gradient turns features apart, whatever their lengths; lengths do not matter."""
    s = torch.randn(5, 8, requires_grad=True)
    before = energies.pulling_away(s)
    (slope,) = torch.autograd.grad(before, s)
    assert float(energies.pulling_away(s - 0.1 * slope).detach()) < float(before.detach())
    lengths = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])[:, None]
    assert float(energies.pulling_away(s * lengths).detach()) == pytest.approx(float(before.detach()))
    assert bool(torch.autograd.grad(energies.pulling_away(s * 0), s)[0].isfinite().all()), "features that are all 0"


def test_energies_by_hand():
    x, y = torch.tensor([[[[1.0, -1.0]]], [[[0.0, 0.5]]]]), torch.tensor([[[[0.0, -1.0]]], [[[1.0, 1.0]]]])
    assert energies.absolute(x, y).tolist() == [0.5, 0.75]
    assert energies.squared(x, y).tolist() == [0.5, 0.625]
    assert energies.absolute(x.bfloat16(), y.bfloat16()).dtype == torch.float32


def test_fakes_beyond_the_margin_are_left_alone():
    real, fake = torch.tensor([0.1, 0.3]), torch.tensor([0.5, 2.0], requires_grad=True)
    loss = energies.margin(real, fake, 1.0)
    assert float(loss) == pytest.approx(0.2 + 0.25)
    (slope,) = torch.autograd.grad(loss, fake)
    assert slope.tolist() == [-0.5, 0.0]
