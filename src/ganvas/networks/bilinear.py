r"""Convolutions whose second derivative is quick, as a penalty on gradients takes it.

PyTorch's own goes through the groups of a convolution one by one, and lets samples and channels change places. The
three maps below are linear in both of their arguments, and the derivatives of each are the other two, so that every
derivative of whatever order is one call of what a first derivative is (as NVIDIA's code for StyleGAN2 has it). Outside
of penalties (`ganvas.losses.penalties.scored`) convolutions are PyTorch's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.losses.penalties import Slope, current


class Way(NamedTuple):
    """How a kernel goes over an image, in the pass `slope`."""

    stride: int
    padding: int
    groups: int
    slope: Slope


class Conv(nn.Conv2d):
    """A convolution whose strides and zeros around are the same along both sides."""

    def forward(self, input: Tensor) -> Tensor:
        return conv2d(input, self.weight, self.bias, self.stride[0], int(self.padding[0]), self.groups)


def conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, groups: int = 1
) -> Tensor:
    """`torch.nn.functional.conv2d`."""
    slope = current()
    if slope is None:
        return F.conv2d(x, weight, bias, stride, padding, groups=groups)
    return _Output.apply(x, weight, bias, Way(stride, padding, groups, slope))


class _Output(torch.autograd.Function):
    """y of x and w."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor | None, way: Way) -> Tensor:
        ctx.save_for_backward(x, w)
        ctx.way = way
        return F.conv2d(x, w, b, way.stride, way.padding, groups=way.groups)

    @staticmethod
    def backward(ctx: Any, y: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, w = ctx.saved_tensors
        to_x, to_w, to_b = (
            needed and not (i and ctx.way.slope.wanted) for i, needed in enumerate(ctx.needs_input_grad[:3])
        )
        return (
            _Input.apply(y, w, x.shape, ctx.way) if to_x else None,
            _Weight.apply(y, x, w.shape, ctx.way) if to_w else None,
            y.sum((0, 2, 3)) if to_b else None,
            None,
        )


class _Input(torch.autograd.Function):
    """∂/∂x of <y, conv(x, w)>."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, w: Tensor, shape: torch.Size, way: Way) -> Tensor:
        ctx.save_for_backward(y, w)
        ctx.way = way
        return _derivative(y, y.new_empty(1).expand(shape), w, way, 0)

    @staticmethod
    def backward(ctx: Any, x: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        y, w = ctx.saved_tensors
        to_y, to_w, *_ = ctx.needs_input_grad
        return (
            _Output.apply(x, w, None, ctx.way) if to_y else None,
            _Weight.apply(y, x, w.shape, ctx.way) if to_w else None,
            None,
            None,
        )


class _Weight(torch.autograd.Function):
    """∂/∂w of <y, conv(x, w)>."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, x: Tensor, shape: torch.Size, way: Way) -> Tensor:
        ctx.save_for_backward(y, x)
        ctx.way = way
        return _derivative(y, x, x.new_empty(1).expand(shape), way, 1)

    @staticmethod
    def backward(ctx: Any, w: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        y, x = ctx.saved_tensors
        to_y, to_x, *_ = ctx.needs_input_grad
        return (
            _Output.apply(x, w, None, ctx.way) if to_y else None,
            _Input.apply(y, w, x.shape, ctx.way) if to_x else None,
            None,
            None,
        )


def _derivative(y: Tensor, x: Tensor, w: Tensor, way: Way, which: int) -> Tensor:
    """Of <y, conv(x, w)> at x (`which` = 0) or w (1), which themselves it does not depend on, but for the shape."""
    s, p, g, _ = way
    masks = [which == 0, which == 1, False]
    return torch.ops.aten.convolution_backward(y, x, w, None, [s, s], [p, p], [1, 1], False, [0, 0], g, masks)[which]
