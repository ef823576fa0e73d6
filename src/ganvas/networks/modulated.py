r"""Modulated convolution (Karras et al. 2020, arXiv:1912.04958, §2.2), without a kernel for each sample.

A style s [B, I] scales the kernel's input channels, and demodulation brings every output channel back to norm 1:

    w′_noikl = s_ni · w_oikl,     w″_noikl = w′_noikl / √(Σ_ikl w′²_noikl + ε)                   (Eqs. 1 and 3)

A kernel for each sample is memory and a grouped convolution. But a scaled input channel of the kernel is a scaled
channel of the image, a scaled output channel is a scaled outcome, and the sum of squares is a matrix product:

    conv(x, w″_n)_o = d_no · conv(s_n · x, w)_o,     d = rsqrt(s² (Σ_kl w²)ᵀ + ε)

So one kernel serves all samples. ε = 1e-8. Where outputs are few, as the colours of an image are, a kernel for each
sample is the quicker way: a product of matrices, which reads the image once.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.networks.equalized import Equalized, Linear
from ganvas.networks.fir import filtered
from ganvas.networks.layers import once_a_loss
from ganvas.networks.spectral import full_precision

EPS = 1e-8


def transposed(weight: Tensor) -> Tensor:
    """[C', C, k, k] → [C, C', k, k], as transposed convolutions take it."""
    return weight.transpose(0, 1)


class Modulated(Equalized):
    """A kernel of a layer whose input channels styles w [B, w_dim] scale: s is affine in w, with biases from 1 on."""

    def __init__(self, c_in: int, c_out: int, w_dim: int, kernel: int):
        super().__init__()
        self.affine = Linear(w_dim, c_in, bias=1.0)
        self.weight = nn.Parameter(torch.empty(c_out, c_in, kernel, kernel))
        self.bias = None
        self.prepare(1.0, 1.0)

    def style(self, w: Tensor) -> Tensor:
        """s [B, C] of w [B, w_dim], in full precision."""
        with full_precision(w.device.type):
            return self.affine(w)


class ModulatedConv(Modulated):
    """Images [B, C, H, W] and styles w [B, w_dim] → [B, C', H, W], or [B, C', 2H, 2W] where `up`.

    Doubling puts zeros between pixels, convolves, and filters with [1, 3, 3, 1]: a transposed convolution, and a filter
    for each channel.
    """

    def __init__(self, c_in: int, c_out: int, w_dim: int, kernel: int = 3, *, up: bool = False):
        super().__init__(c_in, c_out, w_dim, kernel)
        self.up = up

    def demodulation(self, s: Tensor) -> Tensor:
        """d [B, C'] of s [B, C], in full precision."""

        def make() -> Tensor:
            # Summed in one order, however the weight lies in memory.
            return (self.weight * self.scale).square().contiguous().sum((2, 3)).T

        with full_precision(s.device.type):
            energy = once_a_loss((id(self), "energy", torch.is_grad_enabled()), make)
            return (s.square() @ energy + EPS).rsqrt()

    def forward(self, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """conv(s · x), and d, which is left to the caller, who has more to multiply with."""
        s = self.style(w)
        kernel = self.kernel(transposed if self.up else None)
        x = x.to(kernel.dtype) * s.to(kernel.dtype)[:, :, None, None]
        if not self.up:
            return F.conv2d(x, kernel, padding=kernel.shape[-1] // 2), self.demodulation(s)
        return filtered(F.conv_transpose2d(x, kernel, stride=2), pad=1, gain=4.0), self.demodulation(s)


class ModulatedColours(Modulated):
    """Images [B, C, H, W] and styles w [B, w_dim] → [B, C', H, W], C' few, pixel by pixel and not demodulated."""

    def __init__(self, c_in: int, c_out: int, w_dim: int):
        super().__init__(c_in, c_out, w_dim, 1)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        kernel = self.kernel()
        each = self.style(w).to(kernel.dtype)[:, :, None] * kernel.flatten(1).T  # [B, C, C']
        pixels = x.to(kernel.dtype).permute(0, 2, 3, 1).flatten(1, 2)
        return torch.matmul(pixels, each).unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)


class Ending(torch.autograd.Function):
    """lrelu(d · y + bias + field) of y [B, C, H, W], d [B, C], bias [C] and field [B or 1, 1, H, W] or None.

    In place where that can be, and with a derivative that takes no more passes over y than it needs; of the leaky ReLU
    the outcome's sign is enough. Differentiable any number of times.
    """

    @staticmethod
    def forward(y: Tensor, d: Tensor, bias: Tensor, field: Tensor | None, leak: float) -> Tensor:
        out = torch.addcmul(bias.view(1, -1, 1, 1), y, d[:, :, None, None])
        if field is not None:
            out += field
        return F.leaky_relu_(out, leak)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        y, d, _, field, ctx.leak = inputs
        ctx.save_for_backward(y, d, output)
        ctx.field = None if field is None else len(field)

    @staticmethod
    def backward(ctx, grad: Tensor):  # type: ignore[override]
        y, d, out = ctx.saved_tensors
        to_y, to_d, to_bias, to_field, _ = ctx.needs_input_grad
        m = torch.ops.aten.leaky_relu_backward(grad, out.detach(), ctx.leak, True)
        field = m.sum(1, keepdim=True) if to_field else None
        return (
            m * d[:, :, None, None] if to_y else None,
            (m * y).sum((2, 3)) if to_d else None,
            m.sum((0, 2, 3)) if to_bias else None,
            field.sum(0, keepdim=True) if field is not None and ctx.field == 1 else field,
            None,
        )
