r"""Spectral normalisation (Miyato et al. 2018): weights divided by their largest singular value.

A layer's weight W [out, ...] is used as W / σ(W), σ that of W as a matrix [out, everything else]. The vectors u [out]
and v [everything else] of the power iteration

    v ← Wᵀu / ‖Wᵀu‖,     u ← W v / ‖W v‖,     σ ≈ uᵀ W v                                    (Algorithm 1)

are buffers: they are saved, and averaged copies take them over. A loss only reads them, so that micro-batches and
processes see one and the same σ; a game moves them with `iterate`, once after each turn of the network's player. σ is
differentiable in W with u and v fixed (Eq. 12), and computed once a loss, whatever the number of passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganvas.networks.layers import once_a_loss

SETTLING = 30
"""Power iterations before training; on random weights they find σ to about a hundredth."""


def full_precision(device: str) -> AbstractContextManager:
    """Inside, autocast is off; on `meta`, where networks are only counted, there is none."""
    return nullcontext() if device == "meta" else torch.autocast(device, enabled=False)


Reshaped = Callable[[Tensor], Tensor] | None


def as_used(layer: nn.Module, weight: Callable[[], Tensor], reshaped: Reshaped) -> Tensor:
    """What a `layer` multiplies with, made of its parameters by `weight`, `reshaped`, in autocast's number format.

    Made in full precision, and cast, once for all passes of a loss; its gradients are added in that format.
    """
    device = next(layer.parameters(recurse=False)).device.type
    half = device != "meta" and torch.is_autocast_enabled(device)

    def make() -> Tensor:
        with full_precision(device):
            w = weight()
            w = w if reshaped is None else reshaped(w)
        return w.to(torch.get_autocast_dtype(device)) if half else w

    return once_a_loss((id(layer), reshaped, half, torch.is_grad_enabled()), make)


class Weighted(nn.Module):
    """A layer whose weight may be normalised; the two layers below are it and PyTorch's."""

    weight: Tensor
    u: Tensor | None
    v: Tensor | None

    def prepare(self, spectral: bool) -> None:
        """Gives the layer its vectors: u random, v of one iteration."""
        rows, columns = self.weight.flatten(1).shape if spectral else (0, 0)
        self.register_buffer("u", F.normalize(torch.randn(rows), dim=0) if spectral else None)
        self.register_buffer("v", torch.zeros(columns) if spectral else None)
        if spectral:
            self.iterate(1, 0.0)

    @torch.no_grad()
    def iterate(self, times: int, eps: float) -> None:
        """So many power iterations; a norm below `eps` counts as it."""
        assert self.u is not None and self.v is not None
        matrix = self.weight.flatten(1)
        for _ in range(times):
            self.v.copy_(F.normalize(matrix.T @ self.u, dim=0, eps=eps))
            self.u.copy_(F.normalize(matrix @ self.v, dim=0, eps=eps))

    def sigma(self) -> Tensor:
        """uᵀ W v, the largest singular value as far as it is known."""
        assert self.u is not None and self.v is not None
        return self.u @ (self.weight.flatten(1) @ self.v)

    def kernel(self, reshaped: Reshaped = None) -> Tensor:
        """What the layer multiplies with: W or W / σ (`as_used`)."""
        return as_used(self, lambda: self.weight if self.u is None else self.weight / self.sigma(), reshaped)


class Linear(Weighted, nn.Linear):
    """[B, inputs] → [B, outputs], its weight normalised where `spectral`."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True, spectral: bool = False):
        nn.Linear.__init__(self, inputs, outputs, bias=bias)
        self.prepare(spectral)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.kernel(), self.bias)


class Conv(Weighted, nn.Conv2d):
    """[B, C, H, W] → [B, C', H, W] with zeros around, for odd kernels; its weight normalised where `spectral`."""

    def __init__(self, c_in: int, c_out: int, kernel: int, bias: bool = True, spectral: bool = False):
        nn.Conv2d.__init__(self, c_in, c_out, kernel, padding=kernel // 2, bias=bias)
        self.prepare(spectral)

    def forward(self, input: Tensor) -> Tensor:
        return F.conv2d(input, self.kernel(), self.bias, padding=self.padding)


def normalised(net: nn.Module) -> Iterator[Weighted]:
    """The layers of a network whose weights are divided by σ."""
    return (m for m in net.modules() if isinstance(m, Weighted) and m.u is not None)


def iterate(net: nn.Module, times: int = 1, eps: float = 1e-12) -> None:
    """So many power iterations of every normalised layer; called where state may be written, outside of autocast."""
    for layer in normalised(net):
        layer.iterate(times, eps)
