"""The encoder and decoder of BEGAN, in the widths of Table 2 of the seed blog.

At 64×64 the encoder's volumes are 64²×128, 32²×256, 16²×384, 8²×512; the decoder is `width` wide throughout. Other
sizes (16 … 256) drop or add halvings, and the encoder's channels grow by `width` at each (Berthelot et al. 2017, §3.5).
Two devices of §3.5.1 help gradients through. The decoder's projection of the descriptor is concatenated to the features
after every upscaling; with that, and a generator that is a second decoder, Table 2 has 17,187,398 parameters at
64×64×3, the blog's 17.2 M. And residuals vanish: a layer that keeps its input's size starts as the identity,

    out = carry · in + (1 − carry) · ELU(conv(in)),

with a carry that falls from 1 to 0.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.networks.layers import log2_exact
from ganvas.networks.resampled import enlarged, far_enlarged

SIZES = (16, 32, 64, 128, 256)
BASE = 8
"""Side of the smallest volume."""


def halvings(size: int) -> int:
    """How often an image of side `size` is halved down to 8×8."""
    return (log2_exact(size) or 0) - 3


class SuperLayer(nn.Conv2d):
    """Conv3, ELU: [B, C, H, W] → [B, C', H, W], or half of both sides with stride 2."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1):
        super().__init__(c_in, c_out, 3, stride=stride, padding=1)
        self.keeps_size = c_in == c_out and stride == 1

    def forward(self, input: Tensor, carry: Tensor | None = None) -> Tensor:
        # In place: the convolution's own output is needed by no gradient, and memory is what an ELU waits for.
        out = F.elu(super().forward(input), inplace=True)
        return out if carry is None or not self.keeps_size else torch.lerp(out, input, carry)

    def upscaled(self, x: Tensor, h0: Tensor) -> Tensor:
        """ELU(conv3([x, h0])) of features and projection, both enlarged to twice the side of x; never made so large."""
        if x.shape == h0.shape:
            return F.elu(enlarged(torch.cat([x, h0], 1), self.weight, self.bias), inplace=True)
        of_x, of_h0 = self.weight.split([x.shape[1], h0.shape[1]], 1)
        out = enlarged(x, of_x, self.bias) + far_enlarged(h0, of_h0, 2 * x.shape[2] // h0.shape[2])
        return F.elu(out, inplace=True)


class Vanishing(nn.Module):
    """A network whose residuals vanish: `carry` is a buffer, so it is saved and averaged copies have it."""

    carry: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("carry", torch.tensor(0.0))
        self.vanished = False

    def fade(self, carry: float) -> None:
        """Sets the carry, in [0, 1]; at 0 the layers no longer look at it, which is the same and quicker."""
        self.carry.fill_(carry)
        self.vanished = carry == 0

    @property
    def residual(self) -> Tensor | None:
        return None if self.vanished else self.carry


class Encoder(Vanishing):
    """Images [B, C, size, size] → descriptors [B, z_dim]."""

    def __init__(self, shape: tuple[int, ...], z_dim: int, width: int):
        super().__init__()
        channels, size, _ = shape
        levels = [width * (i + 1) for i in range(halvings(size) + 1)]
        layers = [SuperLayer(channels, width), SuperLayer(width, width), SuperLayer(width, width)]
        for before, c in pairwise(levels):
            layers += [SuperLayer(before, before, stride=2), SuperLayer(before, c), SuperLayer(c, c)]
        self.layers = nn.ModuleList(layers)
        self.project = nn.Linear(BASE * BASE * levels[-1], z_dim)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x, self.residual)
        return self.project(x.flatten(1))


class Decoder(Vanishing):
    """Descriptors [B, z_dim] → images [B, C, size, size].

    The last layer is an ELU as Table 2 has it (range above −1), or linear as in the paper (`last_elu` false).
    """

    def __init__(self, shape: tuple[int, ...], z_dim: int, width: int, last_elu: bool = True):
        super().__init__()
        channels, size, _ = shape
        self.project = nn.Linear(z_dim, BASE * BASE * width)
        self.blocks = nn.ModuleList(
            nn.ModuleList([SuperLayer(2 * width if i else width, width), *(SuperLayer(width, width) for _ in range(2))])
            for i in range(halvings(size) + 1)
        )
        self.last = SuperLayer(width, channels) if last_elu else nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, h: Tensor) -> Tensor:
        # channels last, as the convolutions like it
        h0 = x = self.project(h).view(len(h), BASE, BASE, -1).permute(0, 3, 1, 2)
        for i, block in enumerate(self.blocks):
            x = block[0].upscaled(x, h0) if i else block[0](x, self.residual)  # type: ignore[index]
            for layer in block[1:]:  # type: ignore[index]
                x = layer(x, self.residual)
        return self.last(x)


class Autoencoder(nn.Module):
    """The discriminator: images → descriptors → images."""

    def __init__(self, shape: tuple[int, ...], z_dim: int, width: int, last_elu: bool = True):
        super().__init__()
        self.encoder = Encoder(shape, z_dim, width)
        self.decoder = Decoder(shape, z_dim, width, last_elu)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))
