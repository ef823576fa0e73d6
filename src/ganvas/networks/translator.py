"""CycleGAN's residual generator (Zhu et al. 2017, arXiv:1703.10593, §7.2; Johnson et al. 2016)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.networks.layers import normalisation

_MULTIPLE = 4  # two halvings


class Residual(nn.Module):
    """x + two 3 × 3 convolutions of x, padded by reflection, each normalised and the first rectified."""

    def __init__(self, channels: int, norm: str):
        super().__init__()
        bias = norm != "batch"
        self.first, self.second = (nn.Conv2d(channels, channels, 3, bias=bias) for _ in range(2))
        self.norm_first, self.norm_second = (normalisation(norm, channels) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.norm_first(self.first(_reflected(x, 1))))
        return x + self.norm_second(self.second(_reflected(h, 1)))


class Translator(nn.Module):
    """Images [B, C, H, W] → images [B, C', H, W] in [-1, 1]: c7s1-k, d2k, d4k, residual blocks R4k, u2k, uk, c7s1-C'.

    k is `width`, 64 in the paper, with 9 blocks for images of 256 pixels and 6 for 128. Sides that are no multiple of 4
    are continued by reflection and cut off again.
    """

    def __init__(self, inputs: int, outputs: int, width: int = 64, blocks: int = 9, norm: str = "instance"):
        super().__init__()
        k, bias = width, norm != "batch"
        self.begin = nn.Conv2d(inputs, k, 7, bias=bias)
        self.downs = nn.ModuleList(nn.Conv2d(a, 2 * a, 3, 2, 1, bias=bias) for a in (k, 2 * k))
        self.blocks = nn.Sequential(*(Residual(4 * k, norm) for _ in range(blocks)))
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(a, a // 2, 3, 2, 1, output_padding=1, bias=bias) for a in (4 * k, 2 * k)
        )
        self.norms = nn.ModuleList(normalisation(norm, c) for c in (k, 2 * k, 4 * k, 2 * k, k))
        self.end = nn.Conv2d(k, outputs, 7)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x), *x.shape[2:])

    def encode(self, x: Tensor, kept: list[Tensor] | None = None) -> Tensor:
        """What the first half makes of images [B, C, H, W]: [B, 4k, ⌈H/4⌉, ⌈W/4⌉].

        `kept`, for those who look inside, is given the maps on the way whose channels `encoded` tells: the pixels, both
        convolutions of stride 2 before they are normalised, and the residual blocks `compared`.
        """
        keep = (lambda h: None) if kept is None else kept.append
        keep(x)
        x = _reflected(x, 3, -x.shape[2] % _MULTIPLE, -x.shape[3] % _MULTIPLE)
        h = F.relu(self.norms[0](self.begin(x)))
        for down, norm in zip(self.downs, self.norms[1:3], strict=True):
            h = down(h)
            keep(h)
            h = F.relu(norm(h))
        for i, block in enumerate([*self.blocks][: self.first_half], 1):
            h = block(h)
            if i in self.compared:
                keep(h)
        return h

    def decode(self, h: Tensor, height: int, width: int) -> Tensor:
        """The images, of that height and width."""
        for block in [*self.blocks][self.first_half :]:
            h = block(h)
        for up, norm in zip(self.ups, self.norms[3:], strict=True):
            h = F.relu(norm(up(h)))
        return self.end(_reflected(h, 3)).tanh()[:, :, :height, :width]

    @property
    def first_half(self) -> int:
        """Residual blocks of the first half: 5 of 9, 3 of 6."""
        return -(-len(self.blocks) // 2)

    @property
    def compared(self) -> tuple[int, ...]:
        """The residual blocks, counted from 1, that `encode` keeps: the first and the last of the first half."""
        return tuple(sorted({1, self.first_half}))

    @property
    def encoded(self) -> list[int]:
        """Channels of the maps that `encode` keeps."""
        k = self.begin.out_channels
        return [self.begin.in_channels, 2 * k, 4 * k, *[4 * k] * len(self.compared)]


def _reflected(x: Tensor, reach: int, below: int = 0, right: int = 0) -> Tensor:
    return F.pad(x, (reach, reach + right, reach, reach + below), mode="reflect")
