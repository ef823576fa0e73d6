r"""Layers of the style family: equalised learning rate, pixel normalisation, minibatch standard deviation.

Weights are N(0, 1) and are multiplied by gain / √fan_in when they are used (Karras et al. 2018, arXiv:1710.10196,
§4.1), so that every layer learns at the same speed whatever its width: Adam's steps do not depend on a weight's scale.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.losses import precise
from ganvas.networks.layers import apart
from ganvas.networks.spectral import Reshaped, as_used

GAIN = math.sqrt(2)
"""He's gain, of a layer that a (leaky) ReLU follows."""


class Equalized(nn.Module):
    """What the two layers below share; `weight` [out, in, ...], of which each output sums `fan_in` products."""

    weight: Tensor
    bias: Tensor | None

    def prepare(self, gain: float, lr_multiplier: float, bias: float = 0.0) -> None:
        """Draws N(0, 1) / lr_multiplier; weights and biases are used `lr_multiplier` times as large.

        A multiplier m makes the layer learn as if its learning rate were m times that of others (Karras et al. 2019,
        appendix C). `bias` is what every bias starts from, as it is used.
        """
        self.scale = gain / math.sqrt(self.weight[0].numel()) * lr_multiplier
        self.lr_multiplier = lr_multiplier
        nn.init.normal_(self.weight, std=1 / lr_multiplier)
        if self.bias is not None:
            nn.init.constant_(self.bias, bias / lr_multiplier)

    def kernel(self, reshaped: Reshaped = None) -> Tensor:
        """The weight as it is used (`as_used`)."""
        return as_used(self, lambda: self.weight * self.scale, reshaped)

    def offset(self) -> Tensor | None:
        """The bias as it is used."""
        return self.bias if self.bias is None or self.lr_multiplier == 1 else self.bias * self.lr_multiplier


class Linear(Equalized, nn.Linear):  # type: ignore[misc]
    """[B, inputs] → [B, outputs]."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        gain: float = 1.0,
        *,
        lr_multiplier: float = 1.0,
        bias: float | None = 0.0,
    ):
        """`bias` is what biases start from; None has none."""
        super().__init__(inputs, outputs, bias=bias is not None)
        self.prepare(gain, lr_multiplier, bias or 0.0)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.kernel(), self.offset())


class Conv(Equalized, nn.Conv2d):
    """Convolution of stride 1 that keeps the sides: [B, C, H, W] → [B, C', H, W], `kernel` odd."""

    def __init__(self, c_in: int, c_out: int, kernel: int, gain: float = GAIN, *, bias: bool = True):
        super().__init__(c_in, c_out, kernel, padding=kernel // 2, bias=bias)
        self.prepare(gain, 1.0)

    def forward(self, input: Tensor) -> Tensor:
        return F.conv2d(input, self.kernel(), self.bias, padding=self.padding)


def pixel_norm(x: Tensor, eps: float = 1e-8) -> Tensor:
    """x / √(mean of x² over channels + ε), of images [B, C, H, W] or vectors [B, C] (Karras et al. 2018, §4.2)."""
    return (x * (precise(x).square().mean(1, keepdim=True) + eps).rsqrt()).to(x.dtype)


class MinibatchStddev(nn.Module):
    """Appends channels that tell how much samples differ (Karras et al. 2018, §3): [B, C, H, W] → [B, C + F, H, W].

    Samples that follow each other form groups of `group`. The standard deviation over a group, of every feature at
    every place, averaged over places and the features of each of F parts, is a constant channel of all its samples.

    So micro-batches and processes see the groups of the whole batch where their sizes are multiples of `group`; a batch
    that is none is cut into the largest equal groups below it. Real and fake in one pass never share one
    (`batches_apart`).
    """

    def __init__(self, group: int = 4, parts: int = 1):
        super().__init__()
        self.group, self.parts = group, parts

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        size = next(g for g in range(min(self.group, b // apart()), 0, -1) if b // apart() % g == 0)
        y = precise(x).reshape(b // size, size, self.parts, c // self.parts, h, w)
        y = ((y - y.mean(1, keepdim=True)).square().mean(1) + 1e-8).sqrt().mean((2, 3, 4))
        y = y.repeat_interleave(size, 0)[:, :, None, None].expand(b, self.parts, h, w)
        return torch.cat([x, y.to(x.dtype)], 1)
