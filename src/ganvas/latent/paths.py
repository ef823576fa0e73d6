"""Paths between latents: straight ones, and those that follow the sphere on which a prior's samples lie.

Independent coordinates in many dimensions, normal or uniform, give vectors of nearly one length. Half way along a
straight line between two of them the length is less by a factor of √2, such as no sample has; a great circle keeps it
(White 2016, arXiv:1609.04468).
"""

from __future__ import annotations

import torch
from torch import Tensor

_NEARLY_PARALLEL = 1e-6  # sin Ω below which a great circle is straight, or where it runs is not known


def lerp(a: Tensor, b: Tensor, t: Tensor | float) -> Tensor:
    """(1 − t) a + t b, [n, ...], for one t or for one of each row, [n]; `a` at 0 and, to the rounding, `b` at 1."""
    return a + _each(t, a) * (b - a)


def slerp(a: Tensor, b: Tensor, t: Tensor | float) -> Tensor:
    """Along the great circle from the direction of `a` to that of `b`, [n, d], at even speed, for one t or [n].

        r(t) (sin((1 − t) Ω) a/‖a‖ + sin(t Ω) b/‖b‖) / sin Ω,   r(t) = (1 − t) ‖a‖ + t ‖b‖

    with the angle Ω between them (Shoemake 1985). Of vectors of one length it is White's formula (2016), and where the
    lengths differ these change linearly. Parallel vectors have a straight path, and so have opposite ones, between
    which no great circle is singled out; so every path in one dimension is straight. A vector of length 0 has no
    direction, and its path is straight, too.
    """
    a_norm, b_norm = (x.norm(dim=-1, keepdim=True) for x in (a, b))
    direction, defined = _between(a, b, _each(t, a))
    return torch.where(defined, lerp(a_norm, b_norm, t) * direction, lerp(a, b, t))


def slerp_unit(a: Tensor, b: Tensor, t: Tensor | float) -> Tensor:
    """`slerp` of a/‖a‖ and b/‖b‖, [n, d] of length 1, for latent spaces that are normalised (Karras et al. 2019)."""
    return slerp(a / a.norm(dim=-1, keepdim=True), b / b.norm(dim=-1, keepdim=True), t)


def _between(a: Tensor, b: Tensor, t: Tensor | float) -> tuple[Tensor, Tensor]:
    """Directions [n, d] on the great circles, and where they are defined [n, 1]."""
    tiny = torch.finfo(a.dtype).tiny
    u, v = (x / x.norm(dim=-1, keepdim=True).clamp(min=tiny) for x in (a, b))
    # Kahan's angle: the arc cosine of u·v loses half of the digits where vectors are nearly parallel.
    angle = 2 * torch.atan2((u - v).norm(dim=-1, keepdim=True), (u + v).norm(dim=-1, keepdim=True))
    sine = angle.sin()
    there = (a.norm(dim=-1, keepdim=True) > 0) & (b.norm(dim=-1, keepdim=True) > 0) & (sine > _NEARLY_PARALLEL)
    path = (((1 - t) * angle).sin() * u + (t * angle).sin() * v) / torch.where(there, sine, 1.0)
    return path, there


def _each(t: Tensor | float, like: Tensor) -> Tensor | float:
    """t [n] so that it goes with each row of `like`, [n, ...]."""
    return t.view(-1, *[1] * (like.dim() - 1)) if isinstance(t, Tensor) and t.dim() else t
