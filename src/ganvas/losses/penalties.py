r"""Penalties on a critic's gradients and on weights. Always in float32, where second derivatives keep their meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar

import torch
from torch import Tensor

from ganvas.losses import precise


class Slope:
    """A pass whose gradient at its input is going to be derived again, in which layers may take care of that."""

    wanted = False
    """Whether this gradient is what is being taken now, so that those of weights would be thrown away."""


_current: ContextVar[Slope | None] = ContextVar("slope", default=None)


def current() -> Slope | None:
    """The pass of `scored` that is going on, or None."""
    return _current.get()


def input_gradient(critic: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """∇ₓ D(x) [B, ...] for each sample, differentiable with respect to the critic's weights.

    The gradient of the summed outputs is each sample's own only where the critic treats samples apart, so a critic
    with BatchNorm must not come here (Gulrajani et al. 2017, §4, "No critic batch normalization").
    """
    x = x.detach().requires_grad_()
    return torch.autograd.grad(precise(critic(x)).sum(), x, create_graph=True)[0]


@torch.compiler.disable  # a compiled graph has no second derivative: the penalty of a compiled turn stays eager
def gradient_penalty(
    critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor, target: float = 1.0
) -> Tensor:
    """E (‖∇ D(x̂)‖₂ − target)² at x̂ = ε·x + (1 − ε)·G(z) (Gulrajani et al. 2017, Eq. 3, without its λ).

    Args:
        critic: maps samples [B, ...] to scores [B] or [B, 1].
        real, fake: samples [B, ...].
        mix: ε, uniform in [0, 1), one number per sample [B].
        target: the norm that is not punished; 1 for a 1-Lipschitz critic.
    """
    assert mix.shape == (len(real),), "one interpolation per sample"
    with torch.autocast(real.device.type, enabled=False):
        real = precise(real)
        epsilon = mix.to(real.dtype).view(-1, *[1] * (real.dim() - 1))
        gradient = input_gradient(critic, epsilon * real + (1 - epsilon) * fake.to(real.dtype))
        return (gradient.flatten(1).norm(dim=1) - target).square().mean()


@torch.compiler.disable
def scored(critic: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """D(x) [B] and ‖∇ D(x)‖² [B] at samples x [B, ...], both of one pass, for a loss and its penalty together.

    What is said of the critic at `input_gradient` holds here, too.
    """
    slope = Slope()
    token = _current.set(slope)
    try:
        with torch.autocast(x.device.type, enabled=False):
            x = precise(x).detach().requires_grad_()
            scores = precise(critic(x))
            slope.wanted = True
            (gradient,) = torch.autograd.grad(scores.sum(), x, create_graph=True)
            return scores, gradient.square().flatten(1).sum(1)
    finally:
        slope.wanted = False
        _current.reset(token)


@torch.compiler.disable
def zero_centred(critic: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """E ‖∇ D(x)‖² at samples x [B, ...]: R1 on reals, R2 on fakes (Mescheder et al. 2018, Eqs. 9 and 10, without γ/2).

    `critic` maps samples to scores [B] or [B, 1]. Where its outputs depend on other samples, as through a minibatch
    standard deviation, the gradient is that of all outputs together.
    """
    with torch.autocast(x.device.type, enabled=False):
        return input_gradient(critic, precise(x)).square().flatten(1).sum(1).mean()


def orthogonality(weights: Iterable[Tensor]) -> Tensor:
    """Σ ‖W Wᵀ ⊙ (1 − I)‖²_F over weights [out, ...]: 0 where all filters of each are at right angles.

    Their lengths are free (Brock et al. 2019, Eq. 3, without its β). A matrix with more rows than columns is never so
    large multiplied: ‖W Wᵀ‖ = ‖Wᵀ W‖, from which the diagonal's Σ ‖w_i‖⁴ is taken.
    """
    found = []
    for weight in weights:
        with torch.autocast(weight.device.type, enabled=False):
            w = precise(weight).flatten(1)
            if len(w) <= w.shape[1]:
                gram = w @ w.T
                found.append((gram - gram.diagonal().diag()).square().sum())
            else:
                found.append((w.T @ w).square().sum() - w.square().sum(1).square().sum())
    return torch.stack(found).sum()


@torch.compiler.disable
def path_lengths(synthesis: Callable[[Tensor], Tensor], w: Tensor, y: Tensor) -> Tensor:
    """[B]: ‖J_wᵀ y‖₂ of images g(w) at styles w [B, layers, w_dim] (Karras et al. 2020, Eq. 4), differentiable again.

    The norm is the root of the mean over layers, as one w for all of them has, for normal y [B, C, H, W], whose
    deviation is 1/√(H W), so that lengths do not depend on the number of pixels.
    """
    with torch.autocast(w.device.type, enabled=False):
        (jacobian,) = torch.autograd.grad((precise(synthesis(w)) * y).sum(), w, create_graph=True)
        return jacobian.square().sum(2).mean(1).sqrt()
