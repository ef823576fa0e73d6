"""Strided convolutions that halve, and transposed ones that double, the sides of an image.

Where it is quicker, a convolution is computed as a matrix product: its input's patches are laid out as rows (im2col)
and multiplied with the weights; a transposed convolution multiplies first and adds the patches up (col2im). On CPUs
with bfloat16 units oneDNN's backward passes of wide, small layers run far below the speed of such products; see
`benchmarks/convolutions.py`. Both ways are differentiable any number of times, because im2col and col2im are each
other's adjoint.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.networks.layers import once_a_loss

STRIDE = 2


def product_pays(x: Tensor, c_in: int, c_out: int, positions: int) -> bool:
    """Whether a matrix product beats oneDNN: in bf16 on the CPU, for many channels at few positions (measured)."""
    if x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return False
    return min(c_in, c_out) >= 256 and positions <= 16


def in_half(weight: Tensor) -> Tensor:
    """The weight in autocast's number format, cast once for all passes of one loss, as autocast does for its own.

    Its gradients are added in that format, and come back to the weight's in one cast and in its strides.
    """
    key = (id(weight), torch.is_grad_enabled())
    return once_a_loss(key, lambda: weight.to(torch.get_autocast_dtype("cpu")))


class Conv(nn.Conv2d):
    """Convolution of stride 2: [B, C, H, W] → [B, C', H/2, W/2] for any kernel size."""

    def __init__(self, c_in: int, c_out: int, kernel: int, bias: bool = True):
        super().__init__(c_in, c_out, kernel, stride=STRIDE, padding=(kernel - 1) // 2, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2] // STRIDE, x.shape[3] // STRIDE
        if not product_pays(x, self.in_channels, self.out_channels, height * width):
            return super().forward(x)
        weight = in_half(self.weight)
        rows = Im2Col.apply(x.to(weight.dtype), self.kernel_size[0], self.padding[0])
        y = F.linear(rows, weight.permute(0, 2, 3, 1).flatten(1), self.bias)
        return y.view(len(x), height, width, -1).permute(0, 3, 1, 2)


class TransposedConv(nn.ConvTranspose2d):
    """Transposed convolution of stride 2: [B, C, H, W] → [B, C', 2H, 2W] for any kernel size."""

    def __init__(self, c_in: int, c_out: int, kernel: int, bias: bool = True):
        padding = (kernel - 1) // 2
        super().__init__(c_in, c_out, kernel, stride=STRIDE, padding=padding, output_padding=kernel % 2, bias=bias)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        if not product_pays(x, self.in_channels, self.out_channels, x.shape[2] * x.shape[3]):
            return super().forward(x, output_size)
        weight = in_half(self.weight)
        points = x.to(weight.dtype).permute(0, 2, 3, 1).reshape(-1, self.in_channels)
        rows = points @ weight.permute(0, 2, 3, 1).flatten(1)
        shape = (len(x), self.out_channels, STRIDE * x.shape[2], STRIDE * x.shape[3])
        y = Col2Im.apply(rows, shape, self.kernel_size[0], self.padding[0])
        return y if self.bias is None else y + self.bias.to(y.dtype).view(1, -1, 1, 1)


def patches(x_BHWC: Tensor, kernel: int) -> Tensor:
    """A view [B, H', W', kernel, kernel, C] of the patches of a padded image, at every second position."""
    return x_BHWC.unfold(1, kernel, STRIDE).unfold(2, kernel, STRIDE).permute(0, 1, 2, 4, 5, 3)


def padded(height: int, width: int, kernel: int) -> tuple[int, int]:
    """The sides of an image with all that its patches touch."""
    return STRIDE * (height // STRIDE - 1) + kernel, STRIDE * (width // STRIDE - 1) + kernel


class Im2Col(torch.autograd.Function):
    """Images [B, C, H, W] → rows [B·H/2·W/2, kernel·kernel·C], channels last within a row."""

    @staticmethod
    def forward(x: Tensor, kernel: int, padding: int) -> Tensor:
        height, width = padded(x.shape[2], x.shape[3], kernel)
        room = (0, 0, padding, width - x.shape[3] - padding, padding, height - x.shape[2] - padding)
        return patches(F.pad(x.permute(0, 2, 3, 1), room), kernel).reshape(-1, kernel * kernel * x.shape[1])

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        x, ctx.kernel, ctx.padding = inputs
        ctx.shape = tuple(x.shape)

    @staticmethod
    def backward(ctx, grad: Tensor):  # type: ignore[override]
        return Col2Im.apply(grad, ctx.shape, ctx.kernel, ctx.padding), None, None


class Col2Im(torch.autograd.Function):
    """Rows [B·H/2·W/2, kernel·kernel·C] → images [B, C, H, W], every patch added where Im2Col takes it."""

    @staticmethod
    def forward(rows: Tensor, shape: tuple[int, int, int, int], kernel: int, padding: int) -> Tensor:
        b, c, h, w = shape
        canvas = rows.new_zeros(b, *padded(h, w, kernel), c)
        rows = rows.view(b, h // STRIDE, w // STRIDE, kernel, kernel, c)
        for i in range(kernel):
            for j in range(kernel):
                canvas[:, i : i + h : STRIDE, j : j + w : STRIDE] += rows[:, :, :, i, j]
        return canvas[:, padding : padding + h, padding : padding + w].permute(0, 3, 1, 2)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        _, _, ctx.kernel, ctx.padding = inputs

    @staticmethod
    def backward(ctx, grad: Tensor):  # type: ignore[override]
        return Im2Col.apply(grad, ctx.kernel, ctx.padding), None, None, None
