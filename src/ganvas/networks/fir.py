r"""Filtering, and resampling with a filter, in plain PyTorch (upfirdn), differentiable any number of times.

Doubling an image puts zeros between its pixels and filters, halving it filters and takes every second pixel; the
filters keep what is finer than the new raster from folding into it (Zhang 2019, arXiv:1904.11486). StyleGAN has taps
[1, 2, 1], StyleGAN2 [1, 3, 3, 1], both along each side. What is outside of an image is 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def upfirdn(
    x: Tensor, taps: Sequence[float], up: int = 1, down: int = 1, pad: tuple[int, int] = (0, 0), gain: float = 1.0
) -> Tensor:
    """Images [B, C, H, W]: zeros inserted, padded, filtered along both sides, every `down`th pixel taken.

    Along a side of n pixels that is `scipy.signal.upfirdn(taps, x, up, down)` of as many zeros before and after as
    `pad` says (negative: pixels cut off), without the filter's run-in and run-out: (n·up + pads − taps) // down + 1
    pixels come out.

    Args:
        taps: of the filter along each side, used as they are; it is turned over, as a convolution does.
        gain: what everything is multiplied with, of both sides together.
    """
    precision = torch.promote_types(x.dtype, torch.float32)
    kernel = (torch.tensor(taps, dtype=precision, device=x.device).flip(0) * gain**0.5).to(x.dtype)
    c = x.shape[1]
    if up > 1:  # zeros between, and after the last
        b, _, h, w = x.shape
        x = F.pad(x.reshape(b, c, h, 1, w, 1), (0, up - 1, 0, 0, 0, up - 1)).reshape(b, c, h * up, w * up)
    x = F.pad(x, (*pad, *pad))
    x = F.conv2d(x, kernel.view(1, 1, -1, 1).expand(c, 1, -1, 1), stride=(down, 1), groups=c)
    return F.conv2d(x, kernel.view(1, 1, 1, -1).expand(c, 1, 1, -1), stride=(1, down), groups=c)


def normalised(taps: Sequence[float]) -> list[float]:
    """Taps whose sum is 1."""
    return [t / sum(taps) for t in taps]


def blurred(x: Tensor, taps: Sequence[float] = (1, 2, 1)) -> Tensor:
    """[B, C, H, W] of the same sides; a constant image stays itself, but at its border. `taps` are odd in number."""
    return upfirdn(x, normalised(taps), pad=((len(taps) - 1) // 2, len(taps) // 2))


def upsampled(x: Tensor, taps: Sequence[float] = (1, 3, 3, 1)) -> Tensor:
    """[B, C, 2H, 2W]: zeros between the pixels, filtered; a constant image stays itself, but at its border."""
    n = len(taps)
    return upfirdn(x, normalised(taps), up=2, pad=((n + 1) // 2, (n - 2) // 2), gain=4.0)


def downsampled(x: Tensor, taps: Sequence[float] = (1, 3, 3, 1)) -> Tensor:
    """[B, C, H/2, W/2] of even sides: filtered, every second pixel taken."""
    n = len(taps)
    return upfirdn(x, normalised(taps), down=2, pad=((n - 1) // 2, (n - 2) // 2))


def filtered(x: Tensor, taps: Sequence[float] = (1, 3, 3, 1), pad: int = 0, gain: float = 1.0) -> Tensor:
    """[B, C, H + 2 pad − n + 1, W + 2 pad − n + 1] of n taps along both sides, in one pass.

    That is quicker than two for few taps and many channels, which `upfirdn` filters one side after the other.
    """
    precision = torch.promote_types(x.dtype, torch.float32)
    kernel = torch.tensor(normalised(taps), dtype=precision, device=x.device).flip(0) * gain**0.5
    c = x.shape[1]
    return F.conv2d(x, kernel.outer(kernel).to(x.dtype).expand(c, 1, -1, -1), padding=pad, groups=c)
