r"""Networks that grow: built whole, and played up to a level (Karras et al. 2018, arXiv:1710.10196, Figure 2).

Level k makes and judges images of side 4 · 2^k. What level a network is at, and how far its layers are faded in, are
buffers, so that they are saved, and averaged copies take them over. While they are faded in, α going from 0 to 1,

    G:  (1 − α) · up(toRGB_{k−1}(h_{k−1})) + α · toRGB_k(h_k)
    D:  (1 − α) · fromRGB_{k−1}(down(x)) + α · block_k(fromRGB_k(x)),

up by repeating pixels, down by their means. Channels of level k are min(base / 2^(k+1), width): Table 2 of the paper,
for 8,192 and 512.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.losses import precise
from ganvas.networks import fir, updown
from ganvas.networks.equalized import GAIN, Conv, Linear, MinibatchStddev, pixel_norm
from ganvas.networks.updown import doubled, halved

LEAK = 0.2


class UpConv(updown.Doubling, Conv):
    """Nearest-neighbour doubling, then a convolution: [B, C, H, W] → [B, C', 2H, 2W]."""


class DownConv(updown.Halving, Conv):
    """A convolution, then 2×2 mean pooling: [B, C, H, W] → [B, C', H/2, W/2]."""


class ToRGB(Conv):
    """Features to colours, pixel by pixel: [B, C, H, W] → [B, colours, H, W].

    A product of matrices: a convolution's sums would depend, in their last bits, on how many samples are made at once.
    """

    def __init__(self, c: int, colours: int):
        super().__init__(c, colours, 1, gain=1.0)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input.permute(0, 2, 3, 1), self.kernel().flatten(1), self.bias).permute(0, 3, 1, 2)


def leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, LEAK)


def channels(width: int, base: int, levels: int) -> list[int]:
    """Of every level."""
    return [max(min(base >> (k + 1), width), 1) for k in range(levels)]


class Growing(nn.Module):
    """What the networks share: where they stand."""

    level: Tensor
    alpha: Tensor

    def __init__(self, levels: int, start: int = 0):
        super().__init__()
        self.levels = levels
        self.register_buffer("level", torch.tensor(start))
        self.register_buffer("alpha", torch.tensor(1.0))

    @torch.no_grad()
    def grow(self, level: int, alpha: float) -> None:
        """Plays from now on at this level, its layers faded in as far as α says."""
        self.level.fill_(level)
        self.alpha.fill_(alpha)

    def stage(self) -> tuple[int, bool]:
        """The level, and whether its layers are being faded in."""
        return int(self.level), bool(self.alpha < 1)

    def faded(self, old: Tensor, new: Tensor) -> Tensor:
        """(1 − α) · old + α · new."""
        return torch.lerp(old, new, self.alpha.to(new.dtype))

    def at_stage(self, x: Tensor) -> Tensor:
        """Full-size images as they look now: means of pixels, cross-faded as the generator's images are."""
        level, fading = self.stage()
        if level + 1 < self.levels:
            x = F.avg_pool2d(x, 2 ** (self.levels - 1 - level))
        return self.faded(doubled(halved(x)), x) if fading else x

    def full_size(self, x: Tensor) -> Tensor:
        """Images of the stage, pixels repeated up to the full side."""
        factor = 2 ** (self.levels - 1 - int(self.level))
        return F.interpolate(x, scale_factor=float(factor), mode="nearest") if factor > 1 else x


class Block(nn.Module):
    """Doubling and two convolutions, each normalised pixel by pixel: [B, C, s, s] → [B, C', 2s, 2s]."""

    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.conv1, self.conv2 = UpConv(c_in, c_out, 3), Conv(c_out, c_out, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = pixel_norm(leaky(self.conv1(x)))
        return pixel_norm(leaky(self.conv2(x)))


class Foot(nn.Module):
    """The first volume of a latent, and a convolution: [B, z_dim] → [B, C, 4, 4]."""

    def __init__(self, z_dim: int, c: int):
        super().__init__()
        # the authors' gain, a fourth of He's
        self.dense, self.bias = Linear(z_dim, 16 * c, GAIN / 4, bias=None), nn.Parameter(torch.zeros(c))
        self.conv = Conv(c, c, 3)

    def forward(self, z: Tensor) -> Tensor:
        x = self.dense(pixel_norm(z)).view(len(z), -1, 4, 4)
        x = pixel_norm(leaky(x + self.bias.to(x.dtype).view(1, -1, 1, 1)))
        return pixel_norm(leaky(self.conv(x)))


class Generator(Growing):
    """Latents [B, z_dim] → images [B, channels, s, s] of the stage's side s, not bounded."""

    def __init__(self, colours: int, levels: int, z_dim: int, width: int, base: int, start: int = 0):
        super().__init__(levels, start)
        c = channels(width, base, levels)
        self.blocks = nn.ModuleList([Foot(z_dim, c[0]), *(Block(a, b) for a, b in pairwise(c))])
        self.to_rgb = nn.ModuleList(ToRGB(k, colours) for k in c)

    def forward(self, z: Tensor) -> Tensor:
        level, fading = self.stage()
        x = old = z
        for block in self.blocks[: level + 1]:
            x, old = block(x), x
        image = self.to_rgb[level](x)
        if not fading:
            return image
        return self.faded(doubled(precise(self.to_rgb[level - 1](old))), precise(image))


class DownBlock(nn.Module):
    """Two convolutions, and halving, after a blur where it has one: [B, C, 2s, 2s] → [B, C', s, s]."""

    def __init__(self, c_in: int, c_out: int, blur: bool = False):
        super().__init__()
        self.conv1, self.conv2, self.blur = Conv(c_in, c_in, 3), DownConv(c_in, c_out, 3), blur

    def forward(self, x: Tensor) -> Tensor:
        x = leaky(self.conv1(x))
        return leaky(self.conv2(fir.blurred(x) if self.blur else x))


class Head(nn.Module):
    """Statistics of the minibatch, a convolution, two dense layers: [B, C, 4, 4] → [B, outputs]."""

    def __init__(self, c: int, hidden: int, outputs: int, group: int):
        super().__init__()
        self.stddev, self.conv = MinibatchStddev(group), Conv(c + 1, c, 3)
        self.dense1, self.dense2 = Linear(16 * c, hidden, GAIN), Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = leaky(self.conv(self.stddev(x)))
        return self.dense2(leaky(self.dense1(x.flatten(1))))


class Discriminator(Growing):
    """Images [B, channels, s, s] of the stage's side s → scores [B].

    Told conditions c [B, c_dim], it has a score for each of their numbers, and theirs are summed: of a class, its own.
    """

    def __init__(
        self,
        colours: int,
        levels: int,
        width: int,
        base: int,
        c_dim: int = 0,
        *,
        group: int = 4,
        blur: bool = False,
        start: int = 0,
    ):
        super().__init__(levels, start)
        c = channels(width, base, levels)
        self.from_rgb = nn.ModuleList(Conv(colours, k, 1) for k in c)
        head = Head(c[0], min(base, width), max(c_dim, 1), group)
        self.blocks = nn.ModuleList([head, *(DownBlock(b, a, blur) for a, b in pairwise(c))])

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        level, fading = self.stage()
        h = leaky(self.from_rgb[level](x))
        for k in range(level, 0, -1):
            h = self.blocks[k](h)
            if k == level and fading:
                h = self.faded(leaky(self.from_rgb[level - 1](halved(x))), h)
        scores = self.blocks[0](h)
        return scores.squeeze(1) if c is None else (precise(scores) * c).sum(1)
