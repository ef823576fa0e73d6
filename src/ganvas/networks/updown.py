"""Convolutions that double or halve the sides of an image, as residual networks have them.

From 8×8 on they are computed without the larger image (`ganvas.networks.resampled`), with kernels made once a loss; at
4×4 the plain way is as quick or quicker. A 1×1 convolution commutes with repeating pixels and with taking means, so it
is taken where the image is small.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from ganvas.networks.resampled import averaged, summed
from ganvas.networks.spectral import Conv

WORTH = 8
"""The side of the smaller image from which 4×4 kernels are quicker (measured on a CPU in bf16, 64 to 384 channels)."""


def doubled(x: Tensor) -> Tensor:
    """Every pixel repeated 2×2 times."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def halved(x: Tensor) -> Tensor:
    """The means of 2×2 pixels."""
    return F.avg_pool2d(x, 2)


class Doubling:
    """What doubles before it convolves, of convolutions that have a `kernel` made once a loss."""

    def forward(self: Any, input: Tensor) -> Tensor:
        if self.kernel_size == (1, 1):
            return doubled(super().forward(input))  # type: ignore[misc]
        if min(input.shape[2:]) < WORTH:
            return super().forward(doubled(input))  # type: ignore[misc]
        return F.conv_transpose2d(input, self.kernel(summed), self.bias, stride=2, padding=1)


class Halving:
    """What convolves and then halves."""

    def forward(self: Any, input: Tensor) -> Tensor:
        if self.kernel_size == (1, 1):
            return super().forward(halved(input))  # type: ignore[misc]
        if min(input.shape[2:]) < 2 * WORTH:
            return halved(super().forward(input))  # type: ignore[misc]
        return F.conv2d(input, self.kernel(averaged), self.bias, stride=2, padding=1)


class UpConv(Doubling, Conv):
    """Nearest-neighbour doubling, then a convolution of 3×3 or 1×1: [B, C, H, W] → [B, C', 2H, 2W]."""


class DownConv(Halving, Conv):
    """A convolution of 3×3 or 1×1, then 2×2 mean pooling: [B, C, H, W] → [B, C', H/2, W/2], of even sides."""
