r"""The residual networks of SNGAN, SAGAN and BigGAN, which differ in their plans and in what is normalised.

A generator's block, with an image doubled on the way and the condition entering through its normalisations:

    h = conv3(relu(norm(conv3(up(relu(norm(x, c)))), c))) + conv1(up(x))

A discriminator's:  h = down(conv3(relu(conv3(relu(x))))) + down(conv1(x)),  the first without its first ReLU. D ends in
a sum over positions and a projection (Miyato and Koyama 2018, Eq. 3):  D(x, c) = ψ·h + <V c, h>,  h = Σ relu(features).

A convolution in G whose outcome is seen through batch normalisation alone has no bias, as in dcgan.py: that goes for
all but the last, as a constant that a block adds is carried to the next block's normalisation and to the last one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.losses import precise
from ganvas.networks.attention import SelfAttention
from ganvas.networks.layers import normalisation
from ganvas.networks.spectral import Conv, Linear, full_precision
from ganvas.networks.updown import DownConv, UpConv


@dataclass(frozen=True)
class Plan:
    """Channels of both networks for one size of image, in units of their width.

    `up` are those of G's first volume, of side `base`, and after each block; `down` those after each of D's blocks, of
    which the first `halvings` halve.
    """

    base: int
    up: tuple[int, ...]
    down: tuple[int, ...]
    halvings: int

    @property
    def size(self) -> int:
        return self.base * 2 ** (len(self.up) - 1)

    def sides_up(self) -> list[int]:
        """The side after each of G's blocks."""
        return [self.base * 2 ** (i + 1) for i in range(len(self.up) - 1)]

    def sides_down(self) -> list[int]:
        """The side after each of D's blocks."""
        return [self.size // 2 ** min(i + 1, self.halvings) for i in range(len(self.down))]

    def attended(self, attention: int) -> int:
        """The side at which attention stands: `attention`, or half the image's where that is less; 0 = nowhere."""
        return min(attention, self.size // 2)


class ConditionalNorm(nn.Module):
    """(1 + A c)·norm(x) + B c: gains and biases that are linear in the condition (Dumoulin et al. 2017).

    Without a condition (`c_dim` 0) the normalisation has its own.
    """

    def __init__(self, channels: int, kind: str, c_dim: int, spectral: bool):
        super().__init__()
        self.norm = normalisation(kind, channels, affine=c_dim == 0)
        self.gain = Linear(c_dim, channels, bias=False, spectral=spectral) if c_dim else None
        self.bias = Linear(c_dim, channels, bias=False, spectral=spectral) if c_dim else None

    def forward(self, x: Tensor, c: Tensor | None) -> Tensor:
        x = self.norm(x)
        if self.gain is None or self.bias is None:
            return x
        gain, bias = 1 + precise(self.gain(c)), self.bias(c)
        return torch.addcmul(bias.to(x.dtype)[:, :, None, None], x, gain.to(x.dtype)[:, :, None, None])


class GBlock(nn.Module):
    """[B, C, H, W] and a condition [B, c_dim] → [B, C', 2H, 2W]."""

    def __init__(self, c_in: int, c_out: int, norm: str, c_dim: int, spectral: bool, spectral_norms: bool):
        super().__init__()
        bias = norm != "batch"
        self.norm1 = ConditionalNorm(c_in, norm, c_dim, spectral_norms)
        self.conv1 = UpConv(c_in, c_out, 3, bias=bias, spectral=spectral)
        self.norm2 = ConditionalNorm(c_out, norm, c_dim, spectral_norms)
        self.conv2 = Conv(c_out, c_out, 3, bias=bias, spectral=spectral)
        self.shortcut = UpConv(c_in, c_out, 1, bias=bias, spectral=spectral)

    def forward(self, x: Tensor, c: Tensor | None) -> Tensor:
        h = self.norm1(x, c)
        h = self.conv1(F.relu(h, inplace=h is not x))
        return self.conv2(F.relu(self.norm2(h, c), inplace=True)) + self.shortcut(x)


class DBlock(nn.Module):
    """[B, C, H, W] → [B, C', H/2, W/2], or [B, C', H, W] where it does not `halve`."""

    def __init__(self, c_in: int, c_hidden: int, c_out: int, spectral: bool, first: bool, halve: bool):
        super().__init__()
        self.first = first
        last = DownConv if halve else Conv
        self.conv1 = Conv(c_in, c_hidden, 3, spectral=spectral)
        self.conv2 = last(c_hidden, c_out, 3, spectral=spectral)
        self.shortcut = last(c_in, c_out, 1, spectral=spectral) if halve or c_in != c_out else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(x if self.first else F.relu(x))
        return self.conv2(F.relu(h, inplace=True)) + self.shortcut(x)


class Generator(nn.Module):
    """z [B, z_dim], c [B, c_dim] → images [B, C, size, size] in [−1, 1].

    Args:
        embedding: dimensions of a linear embedding of c that all blocks share; 0 = every block sees c itself.
        hierarchical: z is cut into equal parts, the first for the first volume and one for each block, where it joins
            the condition (Brock et al. 2019, Figure 15); z_dim must be so many times a whole number.
        attention: the side of the feature map after which attention stands; 0 = none.
    """

    def __init__(
        self,
        channels: int,
        plan: Plan,
        width: int,
        z_dim: int,
        c_dim: int = 0,
        *,
        norm: str = "batch",
        spectral: bool = False,
        embedding: int = 0,
        hierarchical: bool = False,
        attention: int = 0,
    ):
        super().__init__()
        volumes = [width * m for m in plan.up]
        self.base, self.parts = plan.base, len(volumes) if hierarchical else 1
        assert z_dim % self.parts == 0, (z_dim, self.parts)
        part = z_dim // self.parts
        self.embed = nn.Linear(c_dim, embedding, bias=False) if c_dim and embedding else nn.Identity()
        seen = (embedding or c_dim if c_dim else 0) + (part if hierarchical else 0)
        of_norms = spectral and (hierarchical or bool(embedding))  # a map of the bare classes is not normalised
        self.project = Linear(part, plan.base**2 * volumes[0], spectral=spectral)
        self.blocks = nn.ModuleList(GBlock(a, b, norm, seen, spectral, of_norms) for a, b in pairwise(volumes))
        self.attention = nn.ModuleList(
            SelfAttention(c, spectral) if side == plan.attended(attention) else nn.Identity()
            for c, side in zip(volumes[1:], plan.sides_up(), strict=True)
        )
        self.last_norm = normalisation(norm, volumes[-1])
        self.last = Conv(volumes[-1], channels, 3, spectral=spectral)

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        z, *parts = z.chunk(self.parts, 1)
        c = None if c is None else self.embed(c.to(z.dtype))
        x = self.project(z).view(len(z), self.base, self.base, -1).permute(0, 3, 1, 2)  # channels last
        for i, (block, attention) in enumerate(zip(self.blocks, self.attention, strict=True)):
            given = [v for v in (c, parts[i] if parts else None) if v is not None]
            x = attention(block(x, torch.cat(given, 1) if given else None))
        return torch.tanh(self.last(F.relu(self.last_norm(x), inplace=True)))


class Discriminator(nn.Module):
    """Images [B, C, size, size], c [B, c_dim] → scores [B], float32.

    `wide`: the first convolution of a block has its outcome's channels, as in BigGAN, not its input's, as in SNGAN.
    """

    def __init__(
        self,
        channels: int,
        plan: Plan,
        width: int,
        c_dim: int = 0,
        *,
        spectral: bool = True,
        wide: bool = False,
        attention: int = 0,
    ):
        super().__init__()
        volumes = [channels, *(width * m for m in plan.down)]
        sides = plan.sides_down()
        self.blocks = nn.ModuleList(
            DBlock(a, b if wide or i == 0 else a, b, spectral, i == 0, i < plan.halvings)
            for i, (a, b) in enumerate(pairwise(volumes))
        )
        where = sides.index(plan.attended(attention)) if plan.attended(attention) in sides else -1
        self.attention = nn.ModuleList(
            SelfAttention(c, spectral) if i == where else nn.Identity() for i, c in enumerate(volumes[1:])
        )
        self.project = Linear(volumes[-1], 1, spectral=spectral)
        self.embed = Linear(c_dim, volumes[-1], bias=False, spectral=spectral) if c_dim else None

    def features(self, x: Tensor) -> Tensor:
        """[B, C'] in float32: the last feature map, rectified and summed over its positions."""
        for block, attention in zip(self.blocks, self.attention, strict=True):
            x = attention(block(x))
        return precise(F.relu(x)).sum((2, 3))

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        h = self.features(x)
        with full_precision(h.device.type):  # a few products, whose sum decides
            score = self.project(h).squeeze(1)
            if self.embed is None or c is None:
                return score
            return score + (self.embed(c.to(h.dtype)) * h).sum(1)


def initialise(net: nn.Module, kind: str) -> None:
    """Initial weights of every layer; biases start at 0.

    `xavier`: uniform (Glorot and Bengio 2010), times √2 in front of a ReLU inside a block, and gains and biases that do
    not yet depend on the condition (where they are not spectrally normalised), as in SNGAN's code; `orthogonal` (Saxe
    et al. 2014), as in BigGAN; `normal`: N(0, 0.02²), as in BigGAN's code for CIFAR-10.
    """
    doubled = {id(c) for m in net.modules() if isinstance(m, GBlock | DBlock) for c in (m.conv1, m.conv2)}
    for m in net.modules():
        if isinstance(m, nn.Linear | nn.Conv2d):
            if kind == "orthogonal":
                nn.init.orthogonal_(m.weight)
            elif kind == "normal":
                nn.init.normal_(m.weight, std=0.02)
            else:
                nn.init.xavier_uniform_(m.weight, gain=2**0.5 if id(m) in doubled else 1.0)
            if m.bias is not None:
                nn.init.zeros_(m.bias)
    for m in net.modules():
        if kind == "xavier" and isinstance(m, ConditionalNorm):
            for linear in (m.gain, m.bias):
                if linear is not None and linear.u is None:
                    nn.init.zeros_(linear.weight)
