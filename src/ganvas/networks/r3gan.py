r"""The networks of R3GAN (Huang et al. 2024, arXiv:2501.05441, §4 and Figure 2), which mirror each other.

A stage for each side 4, 8, ... has residual blocks, and a step to the next that filters with [1, 3, 3, 1] and changes
the number of channels by a 1×1 convolution. G begins with a learned 4×4 field for each channel, weighed by a linear map
of the latent; D ends with one for each channel, with which the channel's product is taken, and a linear map.

    block(x) = x + W₃ φ(W₂ φ(W₁ x + b₁) + b₂),     φ a leaky ReLU

W₁ is 1×1 and multiplies the channels, W₂ is 3×3 in groups of channels, W₃ is 1×1 and starts at 0, so that every block
starts as the identity. Nothing is normalised: W₁ and W₂ start with He's variance divided by √L, of L blocks in all, so
that the first steps change the output as much whatever the depth (Fixup, Zhang et al. 2019, arXiv:1901.09321, m = 3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.losses import precise
from ganvas.networks import fir
from ganvas.networks.bilinear import Conv, conv2d
from ganvas.networks.layers import log2_exact
from ganvas.networks.spectral import full_precision

L = TypeVar("L", nn.Conv2d, nn.Linear)
LEAK = 0.2
GAIN = math.sqrt(2 / (1 + LEAK**2))
"""He's gain, of a layer that a leaky ReLU of this slope follows."""
FIRST = 4
"""The side of the first stage of G, and of the last of D."""


def widths(size: int, width: int, base: int) -> list[int]:
    """Channels of the stages of sides 4, 8, ... `size`: `base` / side, and at most `width`."""
    return [max(min(base // (FIRST << i), width), 1) for i in range(stages(size))]


def stages(size: int) -> int:
    """How many stages an image of such a side has; 0 where there is none."""
    k = log2_exact(size)
    return k - 1 if k is not None and k > 2 else 0


def conv(c_in: int, c_out: int, gain: float = 1.0, bias: bool = False) -> nn.Conv2d:
    """A 1×1 convolution."""
    return started(Conv(c_in, c_out, 1, bias=bias), gain)


def started(layer: L, gain: float = 1.0) -> L:
    """The layer with weights from N(0, gain² / fan_in) and biases 0."""
    nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class Block(nn.Module):
    """An inverted bottleneck: [B, C, H, W] → the same; W₂ has groups of `group` channels, or of a divisor of it."""

    def __init__(self, channels: int, expansion: int, group: int, gain: float):
        super().__init__()
        inner = channels * expansion
        self.expand = conv(channels, inner, gain=gain, bias=True)
        groups = inner // math.gcd(inner, group)
        self.mix = started(Conv(inner, inner, 3, padding=1, groups=groups), gain)
        self.project = conv(inner, channels, gain=0.0)

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(self.expand(x), LEAK)
        y = F.leaky_relu(self.mix(y), LEAK)
        return x + self.project(y)


def towers(channels: Sequence[int], blocks: int, expansion: int, group: int) -> nn.ModuleList:
    """The residual blocks of each stage."""
    gain = GAIN * (len(channels) * blocks) ** -0.25
    return nn.ModuleList(nn.Sequential(*(Block(c, expansion, group, gain) for _ in range(blocks))) for c in channels)


def steps(channels: Sequence[int]) -> nn.ModuleList:
    """From each stage to the next: a 1×1 convolution where the number of channels changes."""
    return nn.ModuleList(conv(a, b) if a != b else nn.Identity() for a, b in pairwise(channels))


def kernel(x: Tensor) -> Tensor:
    """[1, 3, 3, 1] along both sides, for each channel of x: of sum 1."""
    taps = torch.tensor(fir.normalised([1, 3, 3, 1]), dtype=x.dtype, device=x.device)
    return taps.outer(taps).expand(x.shape[1], 1, -1, -1)


def doubled(x: Tensor) -> Tensor:
    """`fir.upsampled`, in one pass; in full precision, as half is slower for a channel at a time."""
    with full_precision(x.device.type):
        y = precise(x)
        return F.conv_transpose2d(y, 4 * kernel(y), stride=2, padding=1, groups=y.shape[1]).to(x.dtype)


def halved(x: Tensor) -> Tensor:
    """`fir.downsampled`, likewise."""
    with full_precision(x.device.type):
        y = precise(x)
        return conv2d(y, kernel(y), stride=2, padding=1, groups=y.shape[1]).to(x.dtype)


class Generator(nn.Module):
    """Latents z [B, z_dim], and conditions c [B, c_dim] where there are any, → images [B, C, H, W].

    An embedding of c of as many numbers as z is joined to it. `channels` are those of the stages, from 4×4 on.
    """

    def __init__(
        self, c_out: int, z_dim: int, c_dim: int, channels: Sequence[int], blocks: int, expansion: int, group: int
    ):
        super().__init__()
        self.embed = started(nn.Linear(c_dim, z_dim, bias=False)) if c_dim else None
        self.weigh = started(nn.Linear(z_dim * (2 if c_dim else 1), channels[0], bias=False))
        self.basis = nn.Parameter(torch.randn(channels[0], FIRST, FIRST))
        self.towers = towers(channels, blocks, expansion, group)
        self.steps = steps(channels)
        self.to_image = conv(channels[-1], c_out)

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        with full_precision(z.device.type):
            if self.embed is not None:
                assert c is not None
                z = torch.cat([z, self.embed(c.to(self.embed.weight.dtype))], 1)
            x = self.basis * self.weigh(z)[:, :, None, None]
        x = self.towers[0](x.contiguous(memory_format=torch.channels_last))
        for step, tower in zip(self.steps, self.towers[1:], strict=True):
            x = tower(doubled(step(x)))
        with full_precision(z.device.type):
            return self.to_image(precise(x))


class Discriminator(nn.Module):
    """Images [B, C, H, W], and conditions c [B, c_dim] where there are any, → logits [B].

    Of a condition, a logit is <features, embedded c> / √dimensions (projection, Miyato and Koyama 2018). `channels`
    are those of the stages, from the image's side down to 4×4.
    """

    def __init__(self, c_in: int, c_dim: int, channels: Sequence[int], blocks: int, expansion: int, group: int):
        super().__init__()
        last = channels[-1]
        self.from_image = conv(c_in, channels[0])
        self.towers = towers(channels, blocks, expansion, group)
        self.steps = steps(channels)
        self.basis = nn.Parameter(torch.randn(last, FIRST, FIRST) / FIRST)
        self.out = started(nn.Linear(last, last if c_dim else 1, bias=False))
        self.embed = started(nn.Linear(c_dim, last, bias=False), 1 / math.sqrt(last)) if c_dim else None

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        x = self.from_image(x)
        for tower, step in zip(self.towers, self.steps, strict=False):
            x = step(halved(tower(x)))
        x = self.towers[-1](x)
        with full_precision(x.device.type):
            features = self.out((precise(x) * self.basis).sum((2, 3)))
            if self.embed is None:
                return features.squeeze(1)
            assert c is not None
            return (features * self.embed(c.to(features.dtype))).sum(1)
