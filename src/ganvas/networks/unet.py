"""pix2pix's U-Net (Isola et al. 2017, arXiv:1611.07004, §6.1.1): an encoder, a decoder, and a skip at every scale."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.networks.layers import Dropout, normalisation

DEEPEST = 9
FULL = 8  # widths: 64, 128, 256, 512, 512, ...: 8 times the first at most
_DROPPED = 3  # decoder blocks with dropout

Dropped = Literal["code", "paper", "none"]


def depth_for(height: int, width: int) -> int:
    """How often a U-Net halves such images until the shorter side is one pixel: 8 times for 256 × 512."""
    return min(max(1, math.ceil(math.log2(min(height, width)))), DEEPEST)


class Down(nn.Module):
    """LeakyReLU, 4 × 4 convolution of stride 2, normalisation: [B, C, H, W] → [B, C', ⌈H/2⌉, ⌈W/2⌉]."""

    def __init__(self, inputs: int, outputs: int, norm: str, *, first: bool, last: bool):
        super().__init__()
        plain = first or last
        self.act = nn.Identity() if first else nn.LeakyReLU(0.2)
        self.conv = nn.Conv2d(inputs, outputs, 4, 2, 1, bias=norm != "batch")
        self.norm = nn.Identity() if plain else normalisation(norm, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(_even(self.act(x))))


class Up(nn.Module):
    """ReLU, transposed 4 × 4 convolution of stride 2, normalisation, dropout: [B, C, H, W] → [B, C', 2H, 2W]."""

    def __init__(self, inputs: int, outputs: int, norm: str, dropout: float, place: int, *, last: bool):
        super().__init__()
        self.act = nn.ReLU()
        self.conv = nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=last or norm != "batch")
        self.norm = nn.Tanh() if last else normalisation(norm, outputs)
        self.drop = Dropout(dropout, place)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.norm(self.conv(self.act(x))))


class UNet(nn.Module):
    """Images [B, C, H, W] → images [B, C', H, W] in [-1, 1], of whatever size.

    Channels are `width` times 1, 2, 4, 8, 8, ... The outermost and the innermost convolution are not followed by
    normalisation. A side that is odd at some scale is continued by a row before it is halved, which is cut off again
    where it is doubled. With dropout "code" the decoder's full-width blocks but the innermost drop half of their units,
    three at most, as in the authors' PyTorch code; with "paper" the three innermost do.
    """

    def __init__(
        self, inputs: int, outputs: int, width: int, depth: int, norm: str = "batch", dropped: Dropped = "code"
    ):
        super().__init__()
        widths = [width * min(2**i, FULL) for i in range(depth)]
        last = depth - 1
        self.downs = nn.ModuleList(
            Down(a, b, norm, first=i == 0, last=i == last) for i, (a, b) in enumerate(pairwise([inputs, *widths]))
        )
        ups = []
        for i in range(last, -1, -1):
            taken = widths[i] * (1 if i == last else 2)
            made = widths[i - 1] if i else outputs
            ups.append(Up(taken, made, norm, 0.5 * _drops(dropped, i, widths), i, last=i == 0))
        self.ups = nn.ModuleList(ups)

    def forward(self, x: Tensor) -> Tensor:
        sizes, skips = [], []
        for down in self.downs:
            sizes.append(x.shape[2:])
            x = down(x)
            skips.append(x)
        x = skips.pop()
        for up, (height, width) in zip(self.ups, reversed(sizes), strict=True):
            x = up(x)[:, :, :height, :width]
            if skips:
                x = torch.cat([skips.pop(), x], 1)
        return x


def _drops(dropped: Dropped, level: int, widths: list[int]) -> bool:
    """Whether the decoder's block that doubles level `level` drops units."""
    last = len(widths) - 1
    if dropped == "code":
        full = level > 0 and widths[level] == widths[level - 1] == FULL * widths[0]
        return full and last - _DROPPED <= level < last
    return dropped == "paper" and last - _DROPPED < level and level > 0


def _even(x: Tensor) -> Tensor:
    """Continued by its last row or column where a side is odd."""
    height, width = x.shape[2:]
    if height % 2 == 0 and width % 2 == 0:
        return x
    return F.pad(x, (0, width % 2, 0, height % 2), mode="replicate")
