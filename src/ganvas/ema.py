"""Exponential moving averages of weights. Knows nothing of games."""

from __future__ import annotations

import torch
from torch import nn


def decay(images: int, nimg: int, halflife_kimg: float, rampup: float) -> float:
    """The weight β of the old average after a round of `images`, so that an average forgets half in `halflife_kimg`.

    Early in a run the half-life is at most `rampup` times the images seen so far, so that the random start is soon
    forgotten (Karras et al. 2020, "Training GANs with limited data", appendix); rampup 0
    switches that off. β = 0.5 ** (images / half-life).
    """
    halflife = halflife_kimg * 1000
    if rampup > 0:
        halflife = min(halflife, nimg * rampup)
    return 0.5 ** (images / halflife) if halflife > 0 else 0.0


@torch.no_grad()
def update(average: nn.Module, net: nn.Module, beta: float) -> None:
    """average ← β·average + (1−β)·net for the parameters.

    Integers and vectors of power iterations are copied: an average of them means nothing. BatchNorm's running
    statistics are left alone: those of averaged weights are no average, so they are re-estimated (see `batch_norms`).
    """
    torch._foreach_lerp_([*average.parameters()], [*net.parameters()], 1.0 - beta)
    owners = {id(b) for m in batch_norms(average) for b in m.buffers(recurse=False)}
    for a, b in zip(average.buffers(), net.buffers(), strict=True):
        if id(a) not in owners:
            a.copy_(b)


def batch_norms(net: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """The layers that keep running statistics of their batches."""
    kind = nn.modules.batchnorm._BatchNorm
    return [m for m in net.modules() if isinstance(m, kind) and m.track_running_stats]
