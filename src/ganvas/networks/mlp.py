"""Fully connected networks: Goodfellow's of 2014 for images, and small ones for the points of 2-D worlds."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from ganvas.networks.layers import Dropout, Maxout, activation, normalisation


class Generator(nn.Module):
    """z [B, z_dim] → samples [B, *shape]: ReLU layers; tanh for images in [−1, 1], no squashing for points."""

    def __init__(self, shape: tuple[int, ...], z_dim: int, width: int, depth: int, act: str, leak: float):
        super().__init__()
        self.shape = shape
        sides = [z_dim, *[width] * depth]
        hidden = [m for a, b in pairwise(sides) for m in (nn.Linear(a, b), activation(act, leak))]
        self.body = nn.Sequential(*hidden, nn.Linear(sides[-1], math.prod(shape)))
        self.squash = nn.Tanh() if len(shape) == 3 else nn.Identity()

    def forward(self, z: Tensor) -> Tensor:
        return self.squash(self.body(z)).view(len(z), *self.shape)


class Discriminator(nn.Module):
    """Samples [B, *shape] → scores [B]: maxout layers where `pieces` > 1, else `act`; dropout before each layer."""

    def __init__(
        self,
        shape: tuple[int, ...],
        width: int,
        depth: int,
        act: str,
        leak: float,
        pieces: int = 1,
        dropout_input: float = 0.0,
        dropout: float = 0.0,
    ):
        super().__init__()
        sides = [math.prod(shape), *[width] * depth]
        layers: list[nn.Module] = []
        for i, (a, b) in enumerate(pairwise(sides)):
            layers += [Dropout(dropout if i else dropout_input)]
            layers += [Maxout(a, b, pieces)] if pieces > 1 else [nn.Linear(a, b), activation(act, leak)]
        self.body = nn.Sequential(*layers, Dropout(dropout))
        self.project = nn.Linear(sides[-1], 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.project(self.body(x.flatten(1))).squeeze(1)


class JointGenerator(nn.Module):
    """z [B, z_dim] and c [B, c_dim] → samples [B, *shape]: ReLU units for each, then `width` for both.

    200, 1000 and 1200 units on MNIST (Mirza and Osindero 2014, §4.1). `norm` follows both hidden layers.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        z_dim: int,
        c_dim: int,
        width_z: int,
        width_c: int,
        width: int,
        dropout: float,
        norm: str = "none",
    ):
        super().__init__()
        self.shape = shape
        self.of_z, self.of_c = nn.Linear(z_dim, width_z), nn.Linear(c_dim, width_c)
        self.joint, self.project = nn.Linear(width_z + width_c, width), nn.Linear(width, math.prod(shape))
        self.norms = nn.ModuleList(normalisation(norm, n) for n in (width_z + width_c, width))
        self.drop = Dropout(dropout)

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        h = self.norms[0](torch.cat([self.of_z(z), self.of_c(c.to(z.dtype))], 1)).relu()
        h = self.drop(self.norms[1](self.joint(self.drop(h))).relu())
        return self.project(h).tanh().view(len(z), *self.shape)


class JointDiscriminator(nn.Module):
    """Samples [B, *shape] and c [B, c_dim] → scores [B]: maxout layers for each, then one for both.

    240 units of 5 pieces, 50 of 5, 240 of 4, with dropout of 0.5 (Mirza and Osindero 2014, §4.1).
    """

    def __init__(self, shape: tuple[int, ...], c_dim: int, units: int, units_c: int, dropout: float):
        super().__init__()
        self.of_x, self.of_c = Maxout(math.prod(shape), units, 5), Maxout(c_dim, units_c, 5)
        self.joint, self.project = Maxout(units + units_c, units, 4), nn.Linear(units, 1)
        self.drop = Dropout(dropout)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        h = self.drop(torch.cat([self.of_x(x.flatten(1)), self.of_c(c.to(x.dtype))], 1))
        return self.project(self.drop(self.joint(h))).squeeze(1)


class Autoencoder(nn.Module):
    """Samples [B, *shape] → codes [B, width] → samples: `depth` hidden layers to the code, as many from it."""

    def __init__(self, shape: tuple[int, ...], width: int, depth: int, act: str, leak: float):
        super().__init__()
        self.shape = shape
        sides = [math.prod(shape), *[width] * depth]
        self.encoder = nn.Sequential(
            nn.Flatten(), *(m for a, b in pairwise(sides) for m in (nn.Linear(a, b), activation(act, leak)))
        )
        hidden = [m for _ in range(depth - 1) for m in (nn.Linear(width, width), activation(act, leak))]
        self.decoder = nn.Sequential(*hidden, nn.Linear(width, sides[0]))
        self.squash = nn.Tanh() if len(shape) == 3 else nn.Identity()

    def decode(self, code: Tensor) -> Tensor:
        return self.squash(self.decoder(code)).view(len(code), *self.shape)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encoder(x))
