"""Layers that behave the same on one process and on many, on a batch and on its micro-batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganvas import processes, rng
from ganvas.losses import precise

_batches: ContextVar[int] = ContextVar("batches", default=1)
_at_test: ContextVar[AtTest | None] = ContextVar("at_test", default=None)


@dataclass(frozen=True)
class AtTest:
    """What a network keeps of its training when it is used: see `as_in_training`."""

    statistics: bool
    dropout: int | None


@contextmanager
def as_in_training(*, statistics: bool, dropout: int | None) -> Iterator[None]:
    """Inside, networks in evaluation mode normalise each image by its own `statistics`, and drop units.

    Both are what pix2pix does (Isola et al. 2017, §3.2 and §3.3), whose batches are single images: then BatchNorm is
    instance normalisation, and dropout its only noise. `dropout` is the seed of the mask, which all images share, so
    that what becomes of an image does not depend on the others; None drops nothing.
    """
    token = _at_test.set(AtTest(statistics, dropout))
    try:
        yield
    finally:
        _at_test.reset(token)


@contextmanager
def batches_apart(n: int) -> Iterator[None]:
    """Inside, a network's input is `n` batches one after the other, whose batch statistics do not mix.

    One pass over real and generated samples is quicker than two, and gives the very same result.
    """
    token = _batches.set(n)
    try:
        yield
    finally:
        _batches.reset(token)


def apart() -> int:
    """How many batches a network's input is, one after the other, whose statistics do not mix."""
    return _batches.get()


def once_a_loss(key: Hashable, make: Callable[[], Tensor]) -> Tensor:
    """What `make` gives, made once for all passes of the loss being taken, in which no weight changes.

    `key` says what it depends on. Outside of training, and in a compiled turn, which finds what it has twice by itself,
    it is made every time.
    """
    if torch.compiler.is_compiling() or (chance := rng.current()) is None:
        return make()
    if key not in chance.memo:
        chance.memo[key] = make()
    return chance.memo[key]


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation (Ioffe and Szegedy 2015) over the global batch: statistics are summed over the processes.

    Input [B, C, H, W] or [B, C].
    """

    def _check_input_dim(self, input: Tensor) -> None:
        assert input.dim() in (2, 4), input.shape

    def forward(self, input: Tensor) -> Tensor:
        if not self.training and (here := _at_test.get()) and here.statistics and input.dim() == 4:
            return each_image_normalised(input, self.weight, self.bias, self.eps)
        if self.training and apart() > 1:
            return torch.cat([self._one_batch(part) for part in input.chunk(apart())])
        return self._one_batch(input)

    def _one_batch(self, input: Tensor) -> Tensor:
        if not self.training or processes.world_size() == 1:
            return super().forward(input)
        dims = [d for d in range(input.dim()) if d != 1]
        shape = [-1 if d == 1 else 1 for d in range(input.dim())]
        x = precise(input)
        count = x.numel() / x.shape[1] * processes.world_size()
        mean = processes.differentiable_sum(x.sum(dims)) / count
        centred = x - mean.view(shape)
        var = processes.differentiable_sum(centred.square().sum(dims)) / count
        with torch.no_grad():
            assert (
                self.num_batches_tracked is not None and self.running_mean is not None and self.running_var is not None
            )
            self.num_batches_tracked.add_(1)
            rate = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean, rate)
            self.running_var.lerp_(var * count / (count - 1), rate)
        scale = (var + self.eps).rsqrt()
        if not self.affine:
            return (centred * scale.view(shape)).to(input.dtype)
        return (centred * (scale * self.weight).view(shape) + self.bias.view(shape)).to(input.dtype)


def each_image_normalised(
    x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Every channel [H, W] of every image of x [B, C, H, W] with mean 0 and variance 1, then times a gain, plus a bias.

    Gains and biases are [C], or [B, C], each image's own. By way of `batch_norm` of rows of pixels: for a batch of one
    PyTorch's `instance_norm`, and its `batch_norm` of images, too, return wrong gradients where these do not lie in
    memory as the images do (`tests/networks/test_translation.py` shows it); rows lie in one way only. A channel of one
    pixel, as a U-Net has inside when its image is smaller than those of its training, is its own mean, and so becomes
    the bias.
    """
    n, c, h, w = x.shape
    if h * w == 1:
        return torch.zeros_like(x) if bias is None else bias.to(x.dtype).view(-1, c, 1, 1).expand(n, c, 1, 1)
    gain, shift = (None if q is None else q.expand(n, c).reshape(-1) for q in (weight, bias))
    y = nn.functional.batch_norm(x.reshape(1, n * c, h * w), None, None, gain, shift, training=True, eps=eps)
    return y.view(n, c, h, w)


class InstanceNorm(nn.Module):
    """Instance normalisation (Ulyanov et al. 2016, arXiv:1607.08022), without gains and biases."""

    def __init__(self, channels: int):
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        return each_image_normalised(x)


def normalisation(kind: str, channels: int, affine: bool = True) -> nn.Module:
    """`batch`, `instance`, `layer` (over channels and positions, as in WGAN-GP's code), or `none`.

    `affine`: gains and biases, of which instance normalisation has none.
    """
    if kind == "batch":
        return BatchNorm(channels, affine=affine)
    if kind == "instance":
        return InstanceNorm(channels)
    return nn.GroupNorm(1, channels, affine=affine) if kind == "layer" else nn.Identity()


def activation(kind: str, leak: float = 0.2) -> nn.Module:
    """`relu`, `leaky-relu` with slope `leak`, `elu`, or `none`."""
    if kind == "relu":
        return nn.ReLU()
    if kind == "leaky-relu":
        return nn.LeakyReLU(leak)
    return nn.ELU() if kind == "elu" else nn.Identity()


class Maxout(nn.Module):
    """The largest of `pieces` affine maps (Goodfellow et al. 2013): [B, inputs] → [B, units]."""

    def __init__(self, inputs: int, units: int, pieces: int):
        super().__init__()
        self.linear, self.units, self.pieces = nn.Linear(inputs, units * pieces), units, pieces

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).view(len(x), self.units, self.pieces).amax(2)


class Dropout(nn.Module):
    """Dropout (Srivastava et al. 2014) whose mask is drawn from the turn's own random numbers.

    So a resumed run, two processes and micro-batches drop the same units. Outside of training it does nothing, unless
    it is told to (`as_in_training`).
    """

    def __init__(self, p: float, place: int = 0):
        """`place` tells it from other layers of its network, so that each has a mask of its own outside of training."""
        super().__init__()
        self.p, self.place = p, place

    def forward(self, x: Tensor) -> Tensor:
        chance, here = rng.current(), _at_test.get()
        if self.p == 0:
            return x
        if not self.training and here and here.dropout is not None:
            random = rng.generator("dropout at test", here.dropout, self.place, device=x.device)
            keep = torch.rand(1, *x.shape[1:], generator=random, device=x.device) >= self.p
        elif self.training and chance is not None:
            keep = chance.uniform_like(x, "dropout") >= self.p
        else:
            return x
        return x * keep / (1 - self.p)


class GaussianNoise(nn.Module):
    """Adds noise of standard deviation `std`, drawn from the turn's own random numbers; outside of training nothing."""

    def __init__(self, std: float):
        super().__init__()
        self.std = std

    def forward(self, x: Tensor) -> Tensor:
        chance = rng.current()
        if not self.training or self.std == 0 or chance is None:
            return x
        return x + self.std * chance.normal_like(x, "noise").to(x.dtype)


class WeightNormLinear(nn.Module):
    """x [B, inputs] → W x + b, where W = g v / ‖v‖ row by row (Salimans and Kingma 2016, arXiv:1602.07868, Eq. 2).

    v starts from N(0, 0.1²) and g at 1, where it stays unless `learn_scale`, but for `initialise`.
    """

    scale: Tensor

    def __init__(self, inputs: int, outputs: int, learn_scale: bool = False):
        super().__init__()
        self.direction = nn.Parameter(torch.randn(outputs, inputs) * 0.1)
        self.bias = nn.Parameter(torch.zeros(outputs))
        if learn_scale:
            self.scale = nn.Parameter(torch.ones(outputs))
        else:
            self.register_buffer("scale", torch.ones(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.direction * (self.scale / self.direction.norm(dim=1))[:, None], self.bias)

    @torch.no_grad()
    def initialise(self, x: Tensor, noise: float = 0.0) -> Tensor:
        """Sets g and b so that outputs have mean 0 and variance 1 over inputs x [n, inputs] (Eq. 5), and returns them.

        `noise` of that deviation on every input is reckoned with: through rows of norm 1 it adds its variance.
        """
        self.scale.fill_(1.0)
        self.bias.zero_()
        y = self(x)
        mean, deviation = y.mean(0), (y.var(0, unbiased=False) + noise**2).sqrt().clamp_min(1e-6)
        self.scale.copy_(1 / deviation)
        self.bias.copy_(-mean / deviation)
        return (y - mean) / deviation


def normal_init(net: nn.Module, std: float) -> None:
    """Weights of every linear and convolutional layer from N(0, std²), biases 0 (Radford et al. 2016, §4)."""
    for m in net.modules():
        if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(m.weight, std=std)
            if m.bias is not None:
                nn.init.zeros_(m.bias)


def uniform_init(net: nn.Module, limit: float) -> None:
    """Weights of every linear layer uniform in [−limit, limit], biases 0."""
    for m in net.modules():
        if isinstance(m, nn.Linear):
            nn.init.uniform_(m.weight, -limit, limit)
            nn.init.zeros_(m.bias)


def log2_exact(n: int) -> int | None:
    """k where n = 2ᵏ, or None."""
    return int(math.log2(n)) if n > 0 and n & (n - 1) == 0 else None
