r"""Convolutions that double or halve the sides of an image, as residual networks have them.

To repeat every pixel 2×2 times and convolve with a 3×3 kernel is a transposed convolution of stride 2, whose 4×4 kernel
adds up the 3×3 one in its four places; to convolve and take the mean of 2×2 pixels is a convolution of stride 2 with
such a kernel over 4. Both take 16 products where the plain way takes 36. Kernels are added up once a loss. A 1×1
convolution commutes with both, so it is taken where the image is small.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ganvas.networks.spectral import Conv

WORTH = 8
"""The side of the smaller image from which the 4×4 kernel is quicker (measured on a CPU in bf16, 64 to 384 channels)."""


def spread(weight: Tensor) -> Tensor:
    """[..., 3, 3] → [..., 4, 4]: the kernel in its four places, added up."""
    rows = F.pad(weight, (0, 0, 0, 1)) + F.pad(weight, (0, 0, 1, 0))
    return F.pad(rows, (0, 1)) + F.pad(rows, (1, 0))


def doubling(weight: Tensor) -> Tensor:
    """The transposed convolution's kernel [C, C', 4, 4] of a convolution [C', C, 3, 3] of the doubled image."""
    return spread(weight.flip(2, 3).transpose(0, 1))


def halving(weight: Tensor) -> Tensor:
    """The kernel [C', C, 4, 4] of a convolution [C', C, 3, 3] whose outcome's 2×2 means are taken."""
    return spread(weight) / 4


def doubled(x: Tensor) -> Tensor:
    """Every pixel repeated 2×2 times."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def halved(x: Tensor) -> Tensor:
    """The means of 2×2 pixels."""
    return F.avg_pool2d(x, 2)


class UpConv(Conv):
    """Nearest-neighbour doubling, then a convolution of 3×3 or 1×1: [B, C, H, W] → [B, C', 2H, 2W]."""

    def forward(self, input: Tensor) -> Tensor:
        if self.kernel_size == (1, 1):
            return doubled(super().forward(input))
        if min(input.shape[2:]) < WORTH:
            return super().forward(doubled(input))
        return F.conv_transpose2d(input, self.kernel(doubling), self.bias, stride=2, padding=1)


class DownConv(Conv):
    """A convolution of 3×3 or 1×1, then 2×2 mean pooling: [B, C, H, W] → [B, C', H/2, W/2], of even sides."""

    def forward(self, input: Tensor) -> Tensor:
        if self.kernel_size == (1, 1):
            return super().forward(halved(input))
        if min(input.shape[2:]) < 2 * WORTH:
            return halved(super().forward(input))
        return F.conv2d(input, self.kernel(halving), self.bias, stride=2, padding=1)
