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

from ganvas.networks.spectral import full_precision

Two = tuple[int, int]
FEW = 4
"""Taps that are quicker along both sides in one pass than along one side after the other."""


class Filter(torch.autograd.Function):
    """Every channel of [B, C, H, W] filtered with one kernel [h, w], zeros around, at every `stride`th place.

    Its derivative is `Spread`, whose derivative it is in turn. PyTorch's own second derivative of a convolution in
    groups takes one group after the other, which was two thirds of the time of R1.
    """

    @staticmethod
    def forward(x: Tensor, kernel: Tensor, stride: Two, padding: Two) -> Tensor:
        c = x.shape[1]
        with full_precision(x.device.type):
            return F.conv2d(x, kernel.to(x.dtype).expand(c, 1, -1, -1), None, stride, padding, groups=c)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        x, kernel, ctx.stride, ctx.padding = inputs
        ctx.save_for_backward(kernel)
        ctx.sides = tuple(x.shape[2:])

    @staticmethod
    def backward(ctx, grad: Tensor):  # type: ignore[override]
        return Spread.apply(grad, *ctx.saved_tensors, ctx.stride, ctx.padding, ctx.sides), None, None, None


class Spread(torch.autograd.Function):
    """The adjoint of `Filter` on images of such `sides`: every pixel spread by the kernel.

    PyTorch's transposed convolution in groups is twice as quick as a filter of zeros between the pixels in full
    precision, and takes up to twenty times as long in bf16 (measured on a CPU).
    """

    @staticmethod
    def forward(x: Tensor, kernel: Tensor, stride: Two, padding: Two, sides: Two) -> Tensor:
        b, c = x.shape[:2]
        (h, w), (ph, pw) = kernel.shape, padding
        if stride != (1, 1) and x.dtype in (torch.float32, torch.float64):
            k = kernel.to(x.dtype).expand(c, 1, -1, -1)
            rest = [(sides[i] + 2 * padding[i] - kernel.shape[i]) % stride[i] for i in (0, 1)]  # what no place reaches
            with full_precision(x.device.type):
                return F.conv_transpose2d(x, k, None, stride, padding, rest, c)
        if stride != (1, 1):
            apart = x.new_zeros(b, sides[0] + 2 * ph - h + 1, sides[1] + 2 * pw - w + 1, c).permute(0, 3, 1, 2)
            apart[:, :, :: stride[0], :: stride[1]] = x
            x = apart
        turned = kernel.flip(0, 1).to(x.dtype).expand(c, 1, -1, -1)
        with full_precision(x.device.type):
            return F.conv2d(x, turned, None, 1, (h - 1 - ph, w - 1 - pw), groups=c)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        _, kernel, ctx.stride, ctx.padding, _ = inputs
        ctx.save_for_backward(kernel)

    @staticmethod
    def backward(ctx, grad: Tensor):  # type: ignore[override]
        return Filter.apply(grad, *ctx.saved_tensors, ctx.stride, ctx.padding), None, None, None, None


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
    kernel = torch.tensor(taps, dtype=precision, device=x.device).flip(0) * gain**0.5
    if up > 1:  # zeros between, and after the last
        b, c, h, w = x.shape
        x = F.pad(x.reshape(b, c, h, 1, w, 1), (0, up - 1, 0, 0, 0, up - 1)).reshape(b, c, h * up, w * up)
    inside = pad[0] if pad[0] == pad[1] and 0 <= pad[0] < len(taps) else 0
    if (inside, inside) != pad:
        x = F.pad(x, (*pad, *pad))
    if len(taps) <= FEW:
        return Filter.apply(x, kernel.outer(kernel), (down, down), (inside, inside))  # type: ignore[return-value]
    x = Filter.apply(x, kernel[:, None], (down, 1), (inside, 0))  # type: ignore[assignment]
    return Filter.apply(x, kernel[None], (1, down), (0, inside))  # type: ignore[return-value]


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
    """[B, C, H + 2 pad − n + 1, W + 2 pad − n + 1] of n taps along both sides."""
    return upfirdn(x, normalised(taps), pad=(pad, pad), gain=gain)
