r"""Modulated convolution (Karras et al. 2020, arXiv:1912.04958, §2.2), without a kernel for each sample.

A style s [B, I] scales the kernel's input channels, and demodulation brings every output channel back to norm 1:

    w′_noikl = s_ni · w_oikl,     w″_noikl = w′_noikl / √(Σ_ikl w′²_noikl + ε)                   (Eqs. 1 and 3)

A kernel for each sample is memory and a grouped convolution. But a scaled input channel of the kernel is a scaled
channel of the image, a scaled output channel is a scaled outcome, and the sum of squares is a matrix product:

    conv(x, w″_n)_o = d_no · conv(s_n · x, w)_o,     d = rsqrt(s² (Σ_kl w²)ᵀ + ε)

So one kernel serves all samples. ε = 1e-8.
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


class ModulatedConv(Equalized):
    """Images [B, C, H, W] and styles w [B, w_dim] → [B, C', H, W], or [B, C', 2H, 2W] where `up`.

    The style s is affine in w, with biases that start from 1. Doubling puts zeros between pixels, convolves, and
    filters with [1, 3, 3, 1]: a transposed convolution, and a filter for each channel.
    """

    def __init__(
        self, c_in: int, c_out: int, w_dim: int, kernel: int = 3, *, up: bool = False, demodulate: bool = True
    ):
        super().__init__()
        self.affine = Linear(w_dim, c_in, bias=1.0)
        self.weight = nn.Parameter(torch.empty(c_out, c_in, kernel, kernel))
        self.bias = None
        self.up, self.demodulate = up, demodulate
        self.prepare(1.0, 1.0)

    def style(self, w: Tensor) -> Tensor:
        """s [B, C] of w [B, w_dim], in full precision."""
        with full_precision(w.device.type):
            return self.affine(w)

    def demodulation(self, s: Tensor) -> Tensor:
        """d [B, C'] of s [B, C], in full precision."""

        def make() -> Tensor:
            # Summed in one order, however the weight lies in memory.
            return (self.weight * self.scale).square().contiguous().sum((2, 3)).T

        with full_precision(s.device.type):
            energy = once_a_loss((id(self), "energy", torch.is_grad_enabled()), make)
            return (s.square() @ energy + EPS).rsqrt()

    def forward(self, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor | None]:
        """conv(s · x), and d, which is left to the caller, who has more to multiply with; None without demodulation."""
        s = self.style(w)
        d = self.demodulation(s) if self.demodulate else None
        kernel = self.kernel(transposed if self.up else None)
        x = x.to(kernel.dtype) * s.to(kernel.dtype)[:, :, None, None]
        if not self.up:
            return F.conv2d(x, kernel, padding=kernel.shape[-1] // 2), d
        return filtered(F.conv_transpose2d(x, kernel, stride=2), pad=1, gain=4.0), d
