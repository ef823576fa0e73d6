r"""The f-divergences of Nowozin et al. 2016 (arXiv:1606.00709), as bounds that a network can raise.

For a convex f with f(1) = 0 (or a constant, see `gan`), D_f(P‖Q) = ∫ q f(p/q) (Eq. 2), and with f*(t) = sup_u ut − f(u)

    D_f(P‖Q) ≥ E_P T(x) − E_Q f*(T(x))        for every T, with equality at T = f'(p/q)     (Eq. 4, 5)

T = g_f(V): the output activation g_f brings a network's output V into the domain of f* (Eq. 6). Tables 1 and 2 of the
paper are `DIVERGENCES`. What a loss needs of f*, f*(g_f(v)), has a form of its own that neither overflows nor cancels
where the two functions, one after the other, would.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ganvas.losses import precise

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Divergence:
    """A row of Tables 1 and 2: all functions of tensors of any shape, elementwise.

    `f(u)` and its `derivative` f'(u) for u > 0, the `activation` g_f(v) for any v, the `conjugate` f*(t) for t in the
    range of g_f, and `penalty`, f*(g_f(v)).
    """

    f: Function
    derivative: Function
    activation: Function
    conjugate: Function
    penalty: Function


DIVERGENCES = {
    # ∫ p log(p/q)
    "kl": Divergence(
        f=lambda u: u * u.log(),
        derivative=lambda u: 1 + u.log(),
        activation=lambda v: v,
        conjugate=lambda t: (t - 1).exp(),
        penalty=lambda v: (v - 1).exp(),
    ),
    # ∫ q log(q/p)
    "reverse-kl": Divergence(
        f=lambda u: -u.log(),
        derivative=lambda u: -1 / u,
        activation=lambda v: -(-v).exp(),
        conjugate=lambda t: -1 - (-t).log(),
        penalty=lambda v: v - 1,
    ),
    # ∫ (q − p)²/q; the paper's Table 1 divides by p in the integral, and by q in f, f* and everything that follows
    "pearson": Divergence(
        f=lambda u: (u - 1).square(),
        derivative=lambda u: 2 * (u - 1),
        activation=lambda v: v,
        conjugate=lambda t: t.square() / 4 + t,
        penalty=lambda v: v.square() / 4 + v,
    ),
    # ∫ (√p − √q)²
    "squared-hellinger": Divergence(
        f=lambda u: (u.sqrt() - 1).square(),
        derivative=lambda u: 1 - u.rsqrt(),
        activation=lambda v: -torch.expm1(-v),
        conjugate=lambda t: t / (1 - t),
        penalty=torch.expm1,
    ),
    # ∫ p log(2p/(p+q)) + q log(2q/(p+q)): twice what is called the Jensen-Shannon divergence elsewhere
    "jensen-shannon": Divergence(
        f=lambda u: u * u.log() - (u + 1) * ((1 + u) / 2).log(),
        derivative=lambda u: (2 * u / (1 + u)).log(),
        activation=lambda v: math.log(2) - F.softplus(-v),
        conjugate=lambda t: -(2 - t.exp()).log(),
        penalty=lambda v: F.softplus(v) - math.log(2),
    ),
    # the same less log 4: the value of Goodfellow's game
    "gan": Divergence(
        f=lambda u: u * u.log() - (u + 1) * (u + 1).log(),
        derivative=lambda u: (u / (1 + u)).log(),
        activation=lambda v: -F.softplus(-v),
        conjugate=lambda t: -(1 - t.exp()).log(),
        penalty=F.softplus,
    ),
}


def bound(real: Tensor, fake: Tensor, of: Divergence) -> Tensor:
    """F = E_P g_f(V(x)) − E_Q f*(g_f(V(x))), the lower bound of D_f(P‖Q), from V(x) of samples of P and of Q (Eq. 7).

    The discriminator raises it and the generator lowers it (Algorithm 1).
    """
    return of.activation(precise(real)).mean() - of.penalty(precise(fake)).mean()


def saturating_generator(fake: Tensor, of: Divergence) -> Tensor:
    """−E_Q f*(g_f(V(x))): the part of the bound that the generator can lower (Algorithm 1, line 4)."""
    return -of.penalty(precise(fake)).mean()


def alternative_generator(fake: Tensor, of: Divergence) -> Tensor:
    """−E_Q g_f(V(x)): the generator raises the discriminator's output, with the same fixed point (§3.2)."""
    return -of.activation(precise(fake)).mean()
