"""The gradient penalty: its known answer, its derivative, and wrong ways of writing it, which these tests reject."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ganvas.losses.penalties import gradient_penalty, orthogonality

Penalty = Callable[..., Tensor]


def uneven(x: Tensor) -> Tensor:
    """A critic whose gradient's norm differs from sample to sample: D(x) = Σ x² ⇒ ‖∇D‖ = 2‖x‖."""
    return x.square().flatten(1).sum(1)


def keeps_its_promises(penalty: Penalty) -> None:
    """What a gradient penalty must do. Wrong implementations fail here."""
    g = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(16, 4, generator=g, dtype=torch.float64) for _ in range(2))
    mix = torch.rand(16, generator=g, dtype=torch.float64)
    # D(x) = 2 Σ x in four dimensions: (4 − 1)² = 9
    assert float(penalty(lambda x: 2 * x.sum(1), real, fake, mix)) == pytest.approx(9.0)
    # the norm of each sample, at each sample's own mixture
    at = mix[:, None] * real + (1 - mix[:, None]) * fake
    assert float(penalty(uneven, real, fake, mix)) == pytest.approx(float(((2 * at.norm(dim=1) - 1) ** 2).mean()))
    # it teaches the critic: d/dw of (|w|·2 − 1)², for D(x) = w Σ x
    w = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    penalty(lambda x: w * x.sum(1), real, fake, mix).backward()
    assert w.grad is not None
    assert float(w.grad) == pytest.approx(2 * (3 * 2 - 1) * 2)


def test_gradient_penalty():
    keeps_its_promises(gradient_penalty)
    wide = torch.randn(3, 2, 5, 5)
    assert float(gradient_penalty(lambda x: x.flatten(1).sum(1), wide, wide, torch.rand(3))) == pytest.approx(
        (50**0.5 - 1) ** 2, rel=1e-5
    )


def test_target():
    x = torch.randn(5, 4)
    assert float(gradient_penalty(lambda t: 2 * t.sum(1), x, x, torch.rand(5), target=4.0)) == pytest.approx(
        0.0, abs=1e-9
    )


def batch_norm_of_everything(critic, real, fake, mix):
    x = (mix[:, None] * real + (1 - mix[:, None]) * fake).requires_grad_()
    (g,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return (g.norm() - 1).square()


def one_mixture_for_all(critic, real, fake, mix):
    x = (mix[0] * real + (1 - mix[0]) * fake).requires_grad_()
    (g,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return (g.norm(dim=1) - 1).square().mean()


def detached(critic, real, fake, mix):
    x = (mix[:, None] * real + (1 - mix[:, None]) * fake).requires_grad_()
    (g,) = torch.autograd.grad(critic(x).sum(), x)
    return (g.norm(dim=1) - 1).square().mean() + 0 * critic(x).sum()


@pytest.mark.parametrize("wrong", [batch_norm_of_everything, one_mixture_for_all, detached])
def test_known_bad_penalties_are_rejected(wrong):
    with pytest.raises(AssertionError):
        keeps_its_promises(wrong)


def test_a_critic_with_batch_norm_mixes_samples():
    """Why BatchNorm is refused: the gradient of one sample's score depends on the others."""
    torch.manual_seed(0)
    for norm, mixes in ((nn.BatchNorm1d(4), True), (nn.LayerNorm(4), False)):
        critic = nn.Sequential(nn.Linear(4, 4), norm, nn.Tanh(), nn.Linear(4, 1)).double()
        x = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
        (g,) = torch.autograd.grad(critic(x)[0].sum(), x)
        assert bool(g[1:].abs().max() > 1e-9) == mixes


def test_it_is_computed_in_float32_under_autocast():
    seen = []

    def critic(x):
        seen.append((x.dtype, torch.is_autocast_enabled("cpu")))
        return x.sum(1)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        gradient_penalty(critic, torch.randn(2, 4), torch.randn(2, 4).bfloat16(), torch.rand(2))
    assert seen == [(torch.float32, False)]


@pytest.mark.parametrize("shape", [(5, 8), (8, 5), (4, 3, 3, 3), (40, 2, 1, 1)])
def test_orthogonality_is_the_off_diagonal_of_the_gram_matrix(shape):
    """Eq. 3 of Brock et al. 2019, its gradient 4 (W Wᵀ ⊙ (1 − I)) W; rows' lengths are free."""
    torch.manual_seed(0)
    w = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    rows = w.flatten(1)
    gram = rows @ rows.T * (1 - torch.eye(len(rows), dtype=torch.float64))
    found = orthogonality([w, w])
    torch.testing.assert_close(found, 2 * gram.square().sum())
    gradient = torch.autograd.grad(found, w)[0]
    torch.testing.assert_close(gradient.flatten(1), 8 * gram @ rows, rtol=1e-10, atol=1e-10)


def test_orthogonal_filters_of_any_length_cost_nothing():
    w = torch.linalg.qr(torch.randn(9, 4, dtype=torch.float64))[0].T * torch.tensor([[1.0], [2.0], [3.0], [0.1]])
    assert float(orthogonality([w])) < 1e-24
    assert float(orthogonality([w + 0.01])) > 1e-4
