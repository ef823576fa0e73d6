r"""Convolutions of enlarged images, computed without enlarging them, and of images shrunk afterwards.

Repeating every pixel `s` times along both sides and then convolving adds up the same products again and again. A
transposed convolution of stride s, whose kernel holds the sums, gives the very same image from a fraction of them: with
3×3 kernels 16 instead of 36 products per pixel of the original for s = 2, and 25 instead of 81 for s = 3. The mean of
2×2 pixels after a convolution is a convolution of stride 2 with such sums over 4: 16 products again instead of 36.
"""

from __future__ import annotations

from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor


def spread(weight: Tensor, s: int = 2) -> Tensor:
    """[..., 3, 3] → [..., s+2, s+2]: the kernel in its s×s places, added up."""
    rows = reduce(torch.add, (F.pad(weight, (0, 0, i, s - 1 - i)) for i in range(s)))
    return reduce(torch.add, (F.pad(rows, (i, s - 1 - i)) for i in range(s)))


def summed(weight: Tensor, s: int = 2) -> Tensor:
    """The kernel [C, C', s+2, s+2] of the transposed convolution for a 3×3 kernel `weight` [C', C, 3, 3]."""
    return spread(weight, s).flip(2, 3).transpose(0, 1)


def averaged(weight: Tensor) -> Tensor:
    """The kernel [C', C, 4, 4] of stride 2 for a 3×3 kernel [C', C, 3, 3] whose outcome's 2×2 means are taken."""
    return spread(weight) / 4


def enlarged(x: Tensor, weight: Tensor, bias: Tensor | None = None, s: int = 2) -> Tensor:
    """conv3(x with every pixel repeated s×s times): [B, C, H, W] → [B, C', sH, sW], zeros around as for padding 1."""
    return F.conv_transpose2d(x, summed(weight, s), bias, stride=s, padding=1)


def far_enlarged(x: Tensor, weight: Tensor, s: int) -> Tensor:
    """The same for s ≥ 3: within a block only the first and last rows and columns differ from the others.

    So it is computed for blocks of 3×3, whose middle is then repeated.
    """
    y = enlarged(x, weight, s=3).permute(0, 2, 3, 1)
    b, c, (height, width) = len(x), weight.shape[0], x.shape[2:]
    y = y.reshape(b, height, 3, width, 3, c)
    y = torch.cat([y[..., :1, :], y[..., 1:2, :].expand(-1, -1, -1, -1, s - 2, -1), y[..., 2:, :]], 4)
    y = torch.cat([y[:, :, :1], y[:, :, 1:2].expand(-1, -1, s - 2, -1, -1, -1), y[:, :, 2:]], 2)
    return y.reshape(b, s * height, s * width, c).permute(0, 3, 1, 2)
