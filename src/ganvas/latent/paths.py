"""Paths between latents."""

from __future__ import annotations

import torch
from torch import Tensor


def lerp(a: Tensor, b: Tensor, t: Tensor | float) -> Tensor:
    """(1 − t) a + t b, [n, d], for one t or for one of each row, [n]."""
    return a + _each(t) * (b - a)


def slerp(a: Tensor, b: Tensor, t: Tensor | float) -> Tensor:
    """Along the great circle from the direction of `a` to that of `b`, [n, d], lengths changing linearly (White 2016).

    Between parallel vectors, and where one has no length, the path is straight.
    """
    u, v = (x / x.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny) for x in (a, b))
    angle = 2 * torch.atan2((u - v).norm(dim=-1, keepdim=True), (u + v).norm(dim=-1, keepdim=True))
    t_, sine = _each(t), angle.sin()
    defined = (sine > 1e-6) & (u.norm(dim=-1, keepdim=True) > 0) & (v.norm(dim=-1, keepdim=True) > 0)
    direction = (((1 - t_) * angle).sin() * u + (t_ * angle).sin() * v) / torch.where(defined, sine, 1.0)
    length = lerp(a.norm(dim=-1, keepdim=True), b.norm(dim=-1, keepdim=True), t)
    return torch.where(defined, length * direction, lerp(a, b, t))


def _each(t: Tensor | float) -> Tensor | float:
    return t.unsqueeze(-1) if isinstance(t, Tensor) and t.dim() else t
