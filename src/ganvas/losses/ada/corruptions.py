"""Octaves made stronger or weaker, noise, and holes: what the paper found to harm more often than help (appendix B)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ganvas.losses.ada.dice import Dice
from ganvas.losses.ada.wavelets import BANDS, octaves

POWER = (10 / 13, 1 / 13, 1 / 13, 1 / 13)
"""What the octaves have of the power of natural images, 1/f; low to high."""
NOISE = 0.1
HOLE = 0.5


def filtered(x: Tensor, names: Sequence[str], dice: Dice) -> Tensor:
    """Images whose octaves are each strengthened by 2^N with probability p, at equal power."""
    if "imgfilter" not in names:
        return x
    power = torch.tensor(POWER).to(dice.p)
    eye = torch.eye(BANDS).to(dice.p)
    chosen = [dice.chosen(f"imgfilter {i}") for i in range(BANDS)]
    gains = torch.ones_like(power)[None]
    for i, who in enumerate(chosen):
        by = dice.either(who, dice.normal(f"imgfilter {i}").exp2(), 1)
        own = 1 + (by[:, None] - 1) * eye[i]
        gains = gains * own / (power * own.square()).sum(1, keepdim=True).sqrt()
    down, across = ((gains @ octaves(n, x.dtype, x.device).flatten(1)).view(-1, 1, n, n) for n in x.shape[2:])
    changed = down @ x @ across.mT
    return torch.where(torch.stack(chosen).any(0)[:, None, None, None], changed, x)


def noised(x: Tensor, names: Sequence[str], dice: Dice) -> Tensor:
    """Noise whose deviation is 0.1 |N|."""
    if "noise" not in names:
        return x
    deviation = dice.either(dice.chosen("noise"), dice.normal("noise").abs() * NOISE, 0)
    return x + deviation[:, None, None, None] * dice.normal("noise everywhere", *x.shape[1:])


def cut(x: Tensor, names: Sequence[str], dice: Dice) -> Tensor:
    """A rectangle of half of each side is 0; its centre is anywhere in the image, so it may be cut by the border."""
    if "cutout" not in names:
        return x
    inside = dice.chosen("cutout")[:, None, None]
    centre = dice.uniform("cutout", 2)
    for dim, n in enumerate(x.shape[2:]):
        middle = (torch.arange(n, device=x.device) + 0.5).to(centre) / n
        near = (middle - centre[:, dim, None]).abs() < HOLE / 2
        inside = inside & (near[:, :, None] if dim == 0 else near[:, None, :])
    return x * ~inside[:, None]
