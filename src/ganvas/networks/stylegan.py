r"""The generator of StyleGAN (Karras, Laine and Aila 2019, arXiv:1812.04948), Figure 1b, and what it was made from.

A mapping network makes styles w of latents; every layer normalises each of its feature maps and gives it a mean and a
deviation that are linear in w (AdaIN), after noise has been added. The first volume is a learned constant. Without
styles the layers normalise every pixel, and the first volume is linear in w, as in ProGAN. It grows as ProGAN's does.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from ganvas.losses import precise
from ganvas.networks import fir
from ganvas.networks.equalized import GAIN, Conv, Linear, pixel_norm
from ganvas.networks.layers import each_image_normalised
from ganvas.networks.progressive import Growing, ToRGB, UpConv, channels, leaky
from ganvas.networks.spectral import full_precision
from ganvas.networks.updown import doubled

EPS = 1e-8


def adaptive_instance_norm(x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    """gain · (x − μ(x)) / σ(x) + bias, by image and channel of x [B, C, H, W] (Eq. 1); gain and bias are [B, C].

    `batch_norm`, to which every channel of every image is a channel of one image, takes moments and their gradients
    five times as quickly as `var_mean` (measured on a CPU).
    """
    y = each_image_normalised(x.contiguous(), precise(gain), precise(bias), EPS)  # one order of sums, of one image too
    return y.contiguous(memory_format=torch.channels_last)


class Mapping(nn.Module):
    """Latents z [B, z_dim] and conditions c [B, c_dim] → styles w [B, w_dim], in full precision.

    z, and an embedding of c as large beside it, are normalised; then come `depth` dense layers whose learning rate is
    a hundredth of others'. With none, w is what they would be given.
    """

    w_mean: Tensor
    """[w_dim], a running mean of w, towards which samples are truncated; a game writes it."""

    def __init__(self, z_dim: int, c_dim: int, w_dim: int, depth: int):
        super().__init__()
        self.embed = nn.Parameter(torch.randn(c_dim, z_dim)) if c_dim else None
        inputs = z_dim * (2 if c_dim else 1)
        self.w_dim = w_dim if depth else inputs
        self.layers = nn.ModuleList(
            Linear(w_dim if i else inputs, w_dim, GAIN, lr_multiplier=0.01) for i in range(depth)
        )
        self.register_buffer("w_mean", torch.zeros(self.w_dim))

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        with full_precision(z.device.type):
            if self.embed is not None:
                assert c is not None
                z = torch.cat([z, c.to(z.dtype) @ self.embed], 1)
            w = pixel_norm(z)
            for layer in self.layers:
                w = leaky(layer(w))
        return w


class Ending(nn.Module):
    """What ends a layer: noise, a bias, a leaky ReLU, normalisation, and the style."""

    def __init__(self, c: int, w_dim: int, styles: bool, noise: bool, bias: bool = True):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(c)) if bias else None
        self.strength = nn.Parameter(torch.zeros(c)) if noise else None
        self.style = Linear(w_dim, 2 * c) if styles else None

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """x is [B, C, H, W]; noise [B or 1, 1, H, W], the same for all channels but for its strength, or None."""
        if noise is not None:
            assert self.strength is not None
            x = x + (noise * self.strength.view(1, -1, 1, 1)).to(x.dtype)
        if self.bias is not None:
            x = x + self.bias.view(1, -1, 1, 1).to(x.dtype)
        x = leaky(x)
        if self.style is None:
            return pixel_norm(x)
        gain, bias = precise(self.style(w)).chunk(2, 1)
        return adaptive_instance_norm(x, gain + 1, bias)


class Foot(nn.Module):
    """The first volume, constant or linear in w, and a convolution: [B, C, 4, 4]."""

    def __init__(self, c: int, w_dim: int, styles: bool, noise: bool, constant: bool):
        super().__init__()
        self.constant = nn.Parameter(torch.ones(1, c, 4, 4)) if constant else None
        self.dense = None if constant else Linear(w_dim, 16 * c, GAIN / 4, bias=None)
        self.conv = Conv(c, c, 3, bias=False)
        # a constant has its bias in it
        self.ends = nn.ModuleList([Ending(c, w_dim, styles, noise, not constant), Ending(c, w_dim, styles, noise)])

    def forward(self, x: None, w: Sequence[Tensor], noise: Sequence[Tensor | None]) -> Tensor:
        if self.constant is not None:
            first = self.constant.expand(len(w[0]), -1, -1, -1)
        else:
            assert self.dense is not None
            first = self.dense(w[0]).view(len(w[0]), -1, 4, 4)
        # in one memory format whatever the weights lie in, so that a loaded network rounds as the trained one did
        y = self.ends[0](first.contiguous(memory_format=torch.channels_last), w[0], noise[0])
        return self.ends[1](self.conv(y), w[1], noise[1])


class Block(nn.Module):
    """Doubling, with a blur or without, and two convolutions: [B, C, s, s] → [B, C', 2s, 2s]."""

    def __init__(self, c_in: int, c_out: int, w_dim: int, styles: bool, noise: bool, blur: bool):
        super().__init__()
        self.conv1, self.conv2 = UpConv(c_in, c_out, 3, bias=False), Conv(c_out, c_out, 3, bias=False)
        self.ends = nn.ModuleList(Ending(c_out, w_dim, styles, noise) for _ in range(2))
        self.blur = blur

    def forward(self, x: Tensor, w: Sequence[Tensor], noise: Sequence[Tensor | None]) -> Tensor:
        y = self.conv1(x)
        y = self.ends[0](fir.blurred(y) if self.blur else y, w[0], noise[0])
        return self.ends[1](self.conv2(y), w[1], noise[1])


class Generator(Growing):
    """Latents z [B, z_dim], and conditions c [B, c_dim] if there are any → images [B, channels, s, s] of the stage."""

    def __init__(
        self,
        colours: int,
        levels: int,
        z_dim: int,
        c_dim: int,
        w_dim: int,
        depth: int,
        width: int,
        base: int,
        *,
        styles: bool = True,
        constant: bool = True,
        noise: bool = True,
        blur: bool = True,
        start: int = 0,
    ):
        super().__init__(levels, start)
        self.mapping = Mapping(z_dim, c_dim, w_dim, depth)
        self.styles, self.noise, w_dim = styles, noise, self.mapping.w_dim
        c = channels(width, base, levels)
        foot = Foot(c[0], w_dim, styles, noise, constant)
        self.blocks = nn.ModuleList([foot, *(Block(a, b, w_dim, styles, noise, blur) for a, b in pairwise(c))])
        self.to_rgb = nn.ModuleList(ToRGB(k, colours) for k in c)
        for i in range(2 * levels if noise else 0):
            self.register_buffer(f"noise_{i}", torch.randn(1, 1, 4 << i // 2, 4 << i // 2))

    @property
    def layers(self) -> int:
        """How many styles an image has: one for each convolution, and the first volume's; one alone without AdaIN."""
        return 2 * self.levels if self.styles else 1

    @property
    def noise_shapes(self) -> list[tuple[int, int]]:
        """Of the noise of the stage's layers, none where there is none."""
        return [(4 << i // 2,) * 2 for i in range(2 * (int(self.level) + 1))] if self.noise else []

    def constant_noise(self) -> list[Tensor]:
        """Noise that is always the same, so that an image is a function of its styles."""
        return [getattr(self, f"noise_{i}") for i in range(len(self.noise_shapes))]

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        return self.synthesis(self.mapping(z, c), self.constant_noise())

    def synthesis(self, w: Tensor, noise: Sequence[Tensor | None] = ()) -> Tensor:
        """Images of the stage, of styles w [B, w_dim] or [B, layers, w_dim], and noise for its layers, or none."""
        level, fading = self.stage()
        count = 2 * (level + 1)
        styles = [w] * count if w.dim() == 2 else w.unbind(1) if self.styles else [w[:, 0]] * count
        fields = noise or [None] * count
        x = old = None
        for i, block in enumerate(self.blocks[: level + 1]):
            x, old = block(x, styles[2 * i : 2 * i + 2], fields[2 * i : 2 * i + 2]), x
        image = self.to_rgb[level](x)
        if not fading:
            return image
        return self.faded(doubled(precise(self.to_rgb[level - 1](old))), precise(image))
