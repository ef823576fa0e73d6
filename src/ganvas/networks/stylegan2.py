r"""The networks of StyleGAN2 (Karras et al. 2020, arXiv:1912.04958), Figures 2 and 7, as its later code has them.

G: a mapping network z → w, a learned constant, and at each level two convolutions that w modulates (one at the first),
each followed by noise, a bias and a leaky ReLU; the image is the sum of what every level shows, enlarged. D: residual
blocks, or plain ones, minibatch standard deviation, and two dense layers.

Images are a small constant shape (4×4, or 4×6, 7×7, ...) doubled so many times. Channels are
min(channel_base / side, channel_max) at a level of such a side, counted from 4.
Activations have gain √2, which is folded into what they follow: a leaky ReLU commutes with positive factors.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.losses import precise
from ganvas.networks import fir
from ganvas.networks.equalized import GAIN, Conv, Linear, MinibatchStddev, pixel_norm
from ganvas.networks.modulated import Ending, ModulatedColours, ModulatedConv
from ganvas.networks.spectral import full_precision

LEAK = 0.2
SMALLEST, LARGEST = 4, 16
"""The sides that the constant may have: its shorter one at least, and its longer one at most."""


def levels(height: int, width: int) -> int | None:
    """How often a constant is doubled to become an image of such sides; None where there is no such constant."""
    k = 0
    while height % 2 == width % 2 == 0 and min(height, width) >= 2 * SMALLEST:
        height, width, k = height // 2, width // 2, k + 1
    return k if k and min(height, width) >= SMALLEST and max(height, width) <= LARGEST else None


def channels(level: int, base: int, most: int) -> int:
    """Channels at a level, of which 0 is the constant's."""
    return max(min(base // (SMALLEST << level), most), 1)


class Mapping(nn.Module):
    """Latents z [B, z_dim] and conditions c [B, c_dim] → styles w [B, w_dim].

    z and an embedding of c are normalised and joined; then come `depth` dense layers that learn at a hundredth of the
    pace of others. Without latents (`z_dim` = 0) it maps conditions alone, as D's does. In full precision.
    """

    w_mean: Tensor
    """[w_dim], a running mean of w, towards which samples are truncated; a game writes it."""

    def __init__(self, z_dim: int, c_dim: int, w_dim: int, depth: int):
        super().__init__()
        self.embed = Linear(c_dim, w_dim) if c_dim else None
        inputs = z_dim + (w_dim if c_dim else 0)
        self.layers = nn.ModuleList(
            Linear(inputs if i == 0 else w_dim, w_dim, lr_multiplier=0.01) for i in range(depth)
        )
        if z_dim:
            self.register_buffer("w_mean", torch.zeros(w_dim))

    def forward(self, z: Tensor | None, c: Tensor | None = None) -> Tensor:
        parts = [] if z is None else [pixel_norm(z)]
        with full_precision(self.layers[0].weight.device.type):  # type: ignore[arg-type]
            if self.embed is not None:
                assert c is not None
                parts.append(pixel_norm(self.embed(c.to(self.embed.weight.dtype))))
            x = torch.cat(parts, 1)
            for layer in self.layers:
                x = F.leaky_relu(layer(x), LEAK) * GAIN
        return x


class StyledConv(nn.Module):
    """A modulated convolution, noise of one learned strength for all channels, a bias, a leaky ReLU."""

    def __init__(self, c_in: int, c_out: int, w_dim: int, *, up: bool):
        super().__init__()
        self.conv = ModulatedConv(c_in, c_out, w_dim, up=up)
        self.strength = nn.Parameter(torch.zeros([]))
        self.bias = nn.Parameter(torch.zeros(c_out))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """Noise is [B or 1, 1, H', W'], or None."""
        y, d = self.conv(x, w)
        field = None if noise is None else (GAIN * self.strength * noise).to(y.dtype)
        return Ending.apply(y, (GAIN * d).to(y.dtype), (GAIN * self.bias).to(y.dtype), field, LEAK)  # type: ignore[return-value]


class ToImage(nn.Module):
    """What a level shows: a modulated kernel for each pixel, and a bias, in full precision."""

    def __init__(self, c_in: int, c_out: int, w_dim: int):
        super().__init__()
        self.conv = ModulatedColours(c_in, c_out, w_dim)
        self.bias = nn.Parameter(torch.zeros(c_out))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        return precise(self.conv(x, w)) + self.bias.view(1, -1, 1, 1)


class Generator(nn.Module):
    """Latents z [B, z_dim], and conditions c [B, c_dim] where there are any, → images [B, C, H, W]."""

    def __init__(self, shape: tuple[int, ...], z_dim: int, c_dim: int, w_dim: int, depth: int, base: int, most: int):
        super().__init__()
        k = levels(*shape[1:])
        assert k is not None
        sides = [(shape[1] >> i, shape[2] >> i) for i in range(k, -1, -1)]
        width = [channels(i, base, most) for i in range(k + 1)]
        self.mapping = Mapping(z_dim, c_dim, w_dim, depth)
        self.constant = nn.Parameter(torch.randn(1, width[0], *sides[0]))
        self.convs = nn.ModuleList([StyledConv(width[0], width[0], w_dim, up=False)])
        for a, b in itertools.pairwise(width):
            self.convs += [StyledConv(a, b, w_dim, up=True), StyledConv(b, b, w_dim, up=False)]
        self.to_image = nn.ModuleList(ToImage(c, shape[0], w_dim) for c in width)
        self.noise_shapes = [sides[0], *(side for side in sides[1:] for _ in range(2))]
        for i, side in enumerate(self.noise_shapes):
            self.register_buffer(f"noise_{i}", torch.randn(1, 1, *side))

    @property
    def layers(self) -> int:
        """How many styles there are to choose: one for each convolution, and that of the last level's image."""
        return len(self.convs) + 1

    def constant_noise(self) -> list[Tensor]:
        """Noise that is always the same, so that an image is a function of its styles."""
        return [getattr(self, f"noise_{i}") for i in range(len(self.convs))]

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        return self.synthesis(self.mapping(z, c), self.constant_noise())

    def synthesis(self, w: Tensor, noise: Sequence[Tensor | None]) -> Tensor:
        """Images of styles w [B, w_dim] or [B, layers, w_dim], and noise for each of the convolutions.

        What a level shows has the style of the convolution that follows it.
        """
        w = w if w.dim() == 3 else w[:, None].expand(-1, self.layers, -1)
        styles = w.unbind(1)
        # in one memory format, whatever the weights lie in, so that a loaded network rounds as the trained one did
        x = self.constant.expand(len(w), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        x = self.convs[0](x, styles[0], noise[0])
        image = self.to_image[0](x, styles[1])
        for i, show in enumerate(self.to_image):
            if i:
                for j in (2 * i - 1, 2 * i):
                    x = self.convs[j](x, styles[j], noise[j])
                image = fir.upsampled(image) + show(x, styles[2 * i + 1])
        return image


class Block(nn.Module):
    """Two convolutions, the second of which halves; beside them, of a residual block, a halving 1×1 convolution.

    Halving filters with [1, 3, 3, 1] and takes every second pixel. (main + skip) / √2 keeps the variance.
    """

    def __init__(self, c_in: int, c_out: int, residual: bool):
        super().__init__()
        self.conv0 = Conv(c_in, c_in, 3)
        self.conv1 = Conv(c_in, c_out, 3, gain=1.0 if residual else GAIN)
        self.skip = Conv(c_in, c_out, 1, gain=math.sqrt(0.5), bias=False) if residual else None

    def forward(self, x: Tensor) -> Tensor:
        y = activated(self.conv0, x)
        y = fir.filtered(y, pad=2)
        kernel, gain = self.conv1.kernel(), 1.0 if self.skip is not None else GAIN
        assert self.conv1.bias is not None
        y = F.leaky_relu_(F.conv2d(y, kernel, (gain * self.conv1.bias).to(kernel.dtype), stride=2), LEAK)
        return y if self.skip is None else self.skip(fir.downsampled(x.to(y.dtype))).add_(y)


def activated(layer: Conv | Linear, x: Tensor) -> Tensor:
    """√2 lrelu(W x + b) of a layer whose gain is √2 already."""
    assert layer.bias is not None
    kernel = layer.kernel()
    bias = (GAIN * layer.bias).to(kernel.dtype)
    x = x.to(kernel.dtype)
    if isinstance(layer, Linear):
        return F.leaky_relu_(F.linear(x, kernel, bias), LEAK)
    return F.leaky_relu_(F.conv2d(x, kernel, bias, padding=layer.padding), LEAK)


class Discriminator(nn.Module):
    """Images [B, C, H, W], and conditions c [B, c_dim] where there are any, → logits [B].

    Of a condition, a logit is <features, mapped c> / √dimensions (projection, Miyato and Koyama 2018), the mapped c
    normalised before its eight dense layers, as in StyleGAN2-ADA's code.
    """

    def __init__(self, shape: tuple[int, ...], c_dim: int, base: int, most: int, residual: bool = True, group: int = 4):
        super().__init__()
        k = levels(*shape[1:])
        assert k is not None
        width = [channels(i, base, most) for i in range(k, -1, -1)]
        self.from_image = Conv(shape[0], width[0], 1)
        self.blocks = nn.Sequential(*(Block(a, b, residual) for a, b in itertools.pairwise(width)))
        self.stddev = MinibatchStddev(group)
        last = width[-1]
        self.conv = Conv(last + 1, last, 3)
        self.dense = Linear(last * (shape[1] >> k) * (shape[2] >> k), last, gain=GAIN)
        self.out = Linear(last, last if c_dim else 1)
        self.mapping = Mapping(0, c_dim, last, 8) if c_dim else None

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        h = self.blocks(activated(self.from_image, x))
        h = activated(self.conv, self.stddev(h))
        h = activated(self.dense, h.permute(0, 2, 3, 1).flatten(1))
        with full_precision(x.device.type):
            h = self.out(precise(h))
            if self.mapping is None:
                return h.squeeze(1)
            assert c is not None
            return (h * self.mapping(None, c)).sum(1) / math.sqrt(h.shape[1])
