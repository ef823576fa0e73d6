"""The networks of the semi-supervised GAN (Salimans et al. 2016): fully connected for MNIST, or DCGAN's for others.

The fully connected ones are those of the paper's published code (openai/improved-gan): a generator of softplus units
with BatchNorm, and a classifier with weight normalisation and with Gaussian noise before every layer.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.networks import dcgan
from ganvas.networks.layers import BatchNorm, GaussianNoise, WeightNormLinear, normalisation


class Softplus(nn.Module):
    """log(1 + exp x), the same to the bit however many numbers there are.

    PyTorch's own softplus (and its sigmoid) computes the last few of a tensor in another way than the rest on a CPU, so
    that a sample would depend on how many are drawn with it.
    """

    def forward(self, x: Tensor) -> Tensor:
        return -F.logsigmoid(-x)


class Generator(nn.Module):
    """z [B, z_dim] → images [B, C, H, W] in [−1, 1]: softplus layers, then a weight-normalised one and a sigmoid."""

    def __init__(self, shape: tuple[int, ...], z_dim: int, widths: tuple[int, ...], norm: str):
        super().__init__()
        self.shape = shape
        sides = [z_dim, *widths]
        layers: list[nn.Module] = []
        for a, b in pairwise(sides):
            linear = nn.Linear(a, b, bias=norm != "batch")
            nn.init.xavier_uniform_(linear.weight)
            layers += [linear, _shifted(b) if norm == "batch" else normalisation(norm, b), Softplus()]
        self.body = nn.Sequential(*layers, WeightNormLinear(sides[-1], math.prod(shape), learn_scale=True))

    def forward(self, z: Tensor) -> Tensor:
        return (self.body(z) / 2).tanh().view(len(z), *self.shape)  # 2 σ(t) − 1 = tanh(t / 2)


def _shifted(units: int) -> BatchNorm:
    """BatchNorm with a bias and without a gain."""
    norm = BatchNorm(units)
    del norm.weight
    norm.register_buffer("weight", torch.ones(units))
    return norm


class Classifier(nn.Module):
    """Images [B, C, H, W] in [−1, 1] → logits [B, classes]; `features` [B, d] are what the last layer sees."""

    def features(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def logits(self, features: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(self.features(x))

    def initialise(self, x: Tensor) -> None:
        """Sets scales and biases by some real images, where the network is initialised so."""


class NoisyMLP(Classifier):
    """Weight-normalised ReLU layers of these `widths`, with Gaussian noise added to what each of them sees.

    `noise_input` is the deviation of the noise on images in [0, 1], `noise` that on hidden units.
    """

    def __init__(self, shape: tuple[int, ...], widths: tuple[int, ...], classes: int, noise_input: float, noise: float):
        super().__init__()
        sides = [math.prod(shape), *widths]
        self.noises = nn.ModuleList(GaussianNoise(noise if i else noise_input) for i in range(len(sides)))
        self.layers = nn.ModuleList(WeightNormLinear(a, b) for a, b in pairwise(sides))
        self.last = WeightNormLinear(sides[-1], classes, learn_scale=True)

    def features(self, x: Tensor) -> Tensor:
        h = (x.flatten(1) + 1) / 2
        for noise, layer in zip(self.noises, self.layers, strict=False):
            h = F.relu(layer(noise(h)))
        return h

    def logits(self, features: Tensor) -> Tensor:
        return self.last(self.noises[-1](features))

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Every unit, noise included, has mean 0 and variance 1 over x before its ReLU (Salimans and Kingma 2016)."""
        h = (x.flatten(1) + 1) / 2
        for noise, layer in zip(self.noises, (*self.layers, self.last), strict=True):
            assert isinstance(noise, GaussianNoise) and isinstance(layer, WeightNormLinear)
            h = F.relu(layer.initialise(h, noise.std))


class Convolutional(Classifier):
    """DCGAN's discriminator with a logit for each class, and Gaussian noise on images and features as in `NoisyMLP`."""

    def __init__(self, net: dcgan.Discriminator, noise_input: float, noise: float):
        super().__init__()
        self.net = net
        self.noise_input, self.noise = GaussianNoise(2 * noise_input), GaussianNoise(noise)  # images span 2, not 1

    def features(self, x: Tensor) -> Tensor:
        return self.net.features(self.noise_input(x))

    def logits(self, features: Tensor) -> Tensor:
        return self.net.project(self.noise(features))
