"""PatchGAN: a discriminator that judges overlapping patches (Isola et al. 2017, arXiv:1611.07004, §6.1.2)."""

from __future__ import annotations

from torch import Tensor, nn

from ganvas.networks.layers import normalisation

LAYERS = {1: 0, 16: 1, 34: 2, 70: 3, 142: 4, 286: 5}
"""Sides of patches in pixels, and how many convolutions of stride 2 look at one; 1 is the PixelGAN."""


def patch_for(side: int) -> int:
    """The patch for images of so many pixels: the paper's 70 from 64 on, smaller below, for several verdicts."""
    return 70 if side >= 64 else 34 if side >= 32 else 16


def smallest_side(patch: int) -> int:
    """Pixels a side must have for one verdict at least."""
    return 3 * 2 ** LAYERS[patch] if LAYERS[patch] else 1


class PatchGAN(nn.Module):
    """Images [B, C, H, W] → scores [B, 1, h, w] of patches; by default 30 × 30 scores of 256 × 256.

    4 × 4 convolutions: `width` channels without normalisation, then doubled up to eight times, all of stride 2 but the
    last; then one of stride 1 to the scores. The PixelGAN (`patch` = 1) has three of 1 × 1.
    """

    def __init__(self, inputs: int, width: int = 64, patch: int = 70, norm: str = "batch"):
        super().__init__()
        bias = norm != "batch"
        if patch == 1:
            self.net = nn.Sequential(
                nn.Conv2d(inputs, width, 1),
                nn.LeakyReLU(0.2),
                nn.Conv2d(width, 2 * width, 1, bias=bias),
                normalisation(norm, 2 * width),
                nn.LeakyReLU(0.2),
                nn.Conv2d(2 * width, 1, 1, bias=bias),
            )
            return
        n = LAYERS[patch]
        layers: list[nn.Module] = [nn.Conv2d(inputs, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for i in range(1, n + 1):
            a, b = width * min(2 ** (i - 1), 8), width * min(2**i, 8)
            stride = 1 if i == n else 2
            layers += [nn.Conv2d(a, b, 4, stride, 1, bias=bias), normalisation(norm, b), nn.LeakyReLU(0.2)]
        self.net = nn.Sequential(*layers, nn.Conv2d(width * min(2**n, 8), 1, 4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)
