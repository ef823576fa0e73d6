"""Colours, each image's by one affine map of red, green and blue (appendix B.2); of grey images, of one number."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ganvas.losses.ada.dice import Dice


def colored(x: Tensor, names: Sequence[str], dice: Dice) -> Tensor:
    """Images [B, C, H, W] of 1 or 3 channels in other colours."""
    grey = x.shape[1] == 1
    names = [name for name in names if name in CHANGES and not (grey and name in CHROMATIC)]
    if not names:
        return x
    eye = torch.eye(4, dtype=dice.p.dtype, device=dice.p.device)
    chosen = [dice.chosen(name) for name in names]
    map_44 = eye[None]
    for name, who in zip(names, chosen, strict=True):
        map_44 = torch.where(who[:, None, None], CHANGES[name](dice, eye), eye) @ map_44
    linear, constant = map_44[:, :3, :3], map_44[:, :3, 3:]
    if grey:
        linear, constant = linear.sum(2, keepdim=True).mean(1, keepdim=True), constant.mean(1, keepdim=True)
    changed = (linear @ x.flatten(2) + constant).view(x.shape)
    return torch.where(torch.stack(chosen).any(0)[:, None, None, None], changed, x)


def brightness(dice: Dice, eye: Tensor) -> Tensor:
    """+ 0.2 N."""
    by = dice.normal("brightness") * 0.2
    return eye + by[:, None, None] * (torch.tensor([[1.0], [1.0], [1.0], [0.0]]).to(eye) * eye[3])


def contrast(dice: Dice, eye: Tensor) -> Tensor:
    """× 2^(0.5 N)."""
    by = (dice.normal("contrast") * 0.5).exp2()
    return _scaled(eye[:3, :3].expand(len(by), -1, -1) * by[:, None, None], eye)


def lumaflip(dice: Dice, eye: Tensor) -> Tensor:
    """Brightness mirrored, and colours kept: a Householder reflection along grey, for every second image."""
    flips = (dice.uniform("lumaflip") < 0.5).to(eye)
    return eye - 2 * flips[:, None, None] * _along_grey(eye)


def hue(dice: Dice, eye: Tensor) -> Tensor:
    """Turned about grey by ± π."""
    angle = (dice.uniform("hue") * 2 - 1) * math.pi
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    grey = _along_grey(eye)
    turning = torch.zeros_like(eye)  # the cross product with the grey axis
    for i in range(3):
        turning[i, (i + 1) % 3], turning[i, (i + 2) % 3] = -(3**-0.5), 3**-0.5
    rotated = cos * (eye - grey) + sin * turning + grey  # Rodrigues
    return _scaled(rotated[:, :3, :3], eye)


def saturation(dice: Dice, eye: Tensor) -> Tensor:
    """The distance from grey × 2^N."""
    by = dice.normal("saturation").exp2()
    grey = _along_grey(eye)
    return _scaled((grey + by[:, None, None] * (eye - grey))[:, :3, :3], eye)


def _along_grey(eye: Tensor) -> Tensor:
    """[4, 4]: the projection on grey."""
    grey = torch.zeros_like(eye)
    grey[:3, :3] = 1 / 3
    return grey


def _scaled(linear: Tensor, eye: Tensor) -> Tensor:
    """[B, 4, 4] of a linear map [B, 3, 3]."""
    return torch.cat(
        [torch.cat([linear, linear.new_zeros(len(linear), 3, 1)], 2), eye[3:].expand(len(linear), 1, 4)], 1
    )


CHANGES = {"brightness": brightness, "contrast": contrast, "lumaflip": lumaflip, "hue": hue, "saturation": saturation}
CHROMATIC = ("hue", "saturation")
"""Which leave grey as it is."""
