"""Strided convolutions that halve, and transposed ones that double, the sides of an image."""

from __future__ import annotations

from torch import nn


class Conv(nn.Conv2d):
    """Convolution of stride 2: [B, C, H, W] → [B, C', H/2, W/2] for any kernel size."""

    def __init__(self, c_in: int, c_out: int, kernel: int, bias: bool = True):
        super().__init__(c_in, c_out, kernel, stride=2, padding=(kernel - 1) // 2, bias=bias)


class TransposedConv(nn.ConvTranspose2d):
    """Transposed convolution of stride 2: [B, C, H, W] → [B, C', 2H, 2W] for any kernel size."""

    def __init__(self, c_in: int, c_out: int, kernel: int, bias: bool = True):
        super().__init__(c_in, c_out, kernel, stride=2, padding=(kernel - 1) // 2, output_padding=kernel % 2, bias=bias)
