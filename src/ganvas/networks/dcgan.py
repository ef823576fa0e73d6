"""The all-convolutional networks of DCGAN (Radford et al. 2016), in the widths of Table 1 of the seed blog.

At 64×64 the discriminator's volumes are 32²×128, 16²×256, 8²×512, 4²×1024, and the generator mirrors them. Other
sizes (16 … 256) add or drop halvings; channels double from `width` at each and stop at `max_width`. A convolution
before BatchNorm has no bias: BatchNorm subtracts it again, and Adam would blow up the rounding noise of its
gradient.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from ganvas.networks.conv import Conv, TransposedConv
from ganvas.networks.layers import activation, log2_exact, normalisation

SIZES = (16, 32, 64, 128, 256)


def widths(size: int, width: int, max_width: int) -> list[int]:
    """Channels after each halving of the discriminator, from `size`/2 down to 4×4."""
    halvings = (log2_exact(size) or 0) - 2
    assert halvings > 0, size
    return [min(width * 2**i, max_width) for i in range(halvings)]


class Generator(nn.Module):
    """z [B, z_dim] → images [B, C, size, size] in [−1, 1]: a linear projection, then transposed convolutions.

    With a condition c [B, c_dim] it is built for a latent of z_dim + c_dim, the two concatenated.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        z_dim: int,
        width: int,
        max_width: int,
        kernel: int,
        norm: str,
        act: str,
        leak: float,
    ):
        super().__init__()
        channels, size, _ = shape
        volumes = widths(size, width, max_width)[::-1]
        self.project = nn.Linear(z_dim, 16 * volumes[0])
        self.first = nn.Sequential(normalisation(norm, volumes[0]), activation(act, leak))
        layers: list[nn.Module] = []
        for c_in, c_out in pairwise(volumes):
            layers += [
                TransposedConv(c_in, c_out, kernel, bias=norm != "batch"),
                normalisation(norm, c_out),
                activation(act, leak),
            ]
        self.body = nn.Sequential(*layers, TransposedConv(volumes[-1], channels, kernel), nn.Tanh())

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        z = z if c is None else torch.cat([z, c.to(z.dtype)], 1)
        volume = (
            self.project(z).view(len(z), 4, 4, -1).permute(0, 3, 1, 2)
        )  # channels last, as the convolutions like it
        return self.body(self.first(volume))


class Discriminator(nn.Module):
    """Images [B, C, size, size] → scores [B]: strided convolutions (no norm on the first), then a linear projection.

    With `outputs` > 1 it gives as many numbers for an image, [B, outputs]. With a condition c [B, c_dim] it is built
    for images of C + c_dim channels: each number of c fills a plane of its own.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        width: int,
        max_width: int,
        kernel: int,
        norm: str,
        act: str,
        leak: float,
        outputs: int = 1,
    ):
        super().__init__()
        channels, size, _ = shape
        volumes = widths(size, width, max_width)
        layers: list[nn.Module] = [Conv(channels, volumes[0], kernel), activation(act, leak)]
        for c_in, c_out in pairwise(volumes):
            layers += [
                Conv(c_in, c_out, kernel, bias=norm != "batch"),
                normalisation(norm, c_out),
                activation(act, leak),
            ]
        self.body = nn.Sequential(*layers)
        self.project = nn.Linear(16 * volumes[-1], outputs)

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        if c is not None:
            x = torch.cat([x, c.to(x.dtype)[:, :, None, None].expand(-1, -1, *x.shape[2:])], 1)
        return self.project(self.features(x)).squeeze(1)

    def features(self, x: Tensor) -> Tensor:
        """What the last layer sees, [B, 16 C']."""
        return self.body(x).flatten(1)


class Autoencoder(nn.Module):
    """Images [B, C, size, size] → features [B, C', h, h] → images: strided convolutions, mirrored by transposed ones.

    EBGAN's discriminator: at most `HALVINGS` of both, no linear layer between them, no norm on the first layer nor the
    last (Zhao et al. 2017, Appendix).
    """

    HALVINGS = 3

    def __init__(
        self, shape: tuple[int, ...], width: int, max_width: int, kernel: int, norm: str, act: str, leak: float
    ):
        super().__init__()
        channels, size, _ = shape
        volumes = widths(size, width, max_width)[: self.HALVINGS]
        down: list[nn.Module] = [Conv(channels, volumes[0], kernel), activation(act, leak)]
        for c_in, c_out in pairwise(volumes):
            down += [
                Conv(c_in, c_out, kernel, bias=norm != "batch"),
                normalisation(norm, c_out),
                activation(act, leak),
            ]
        up: list[nn.Module] = []
        for c_in, c_out in pairwise(volumes[::-1]):
            up += [
                TransposedConv(c_in, c_out, kernel, bias=norm != "batch"),
                normalisation(norm, c_out),
                activation(act, leak),
            ]
        self.encoder = nn.Sequential(*down)
        self.decoder = nn.Sequential(*up, TransposedConv(volumes[0], channels, kernel), nn.Tanh())

    def decode(self, code: Tensor) -> Tensor:
        return self.decoder(code)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encoder(x))
