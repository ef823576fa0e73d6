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
        height, width = x.shape[2:]
        x = _reflected(x, 3, -height % _MULTIPLE, -width % _MULTIPLE)
        norms = iter(self.norms)
        x = F.relu(next(norms)(self.begin(x)))
        for down in self.downs:
            x = F.relu(next(norms)(down(x)))
        x = self.blocks(x)
        for up in self.ups:
            x = F.relu(next(norms)(up(x)))
        return self.end(_reflected(x, 3)).tanh()[:, :, :height, :width]


def _reflected(x: Tensor, reach: int, below: int = 0, right: int = 0) -> Tensor:
    return F.pad(x, (reach, reach + right, reach, reach + below), mode="reflect")
