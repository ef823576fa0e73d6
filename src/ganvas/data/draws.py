r"""Random numbers without a generator: each is a hash of where it is used.

A generator's numbers depend on how many were drawn before, and differ between a CPU and a GPU. Here the number for
(seed, purpose, epoch, item, column) is the mixing function of SplitMix64 (Steele, Lea and Flood 2014, Figure 17) over
these five, so an item is augmented alike in whatever batch, process or order, and on whatever device it is met.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ganvas.rng import seed_of

# Of SplitMix64, as signed numbers: PyTorch's int64 wraps around as unsigned arithmetic does.
_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
_FIRST = 0xBF58476D1CE4E5B9 - (1 << 64)
_SECOND = 0x94D049BB133111EB - (1 << 64)


def uniform(seed: int, purpose: str, epoch: Tensor | int, index: Tensor, n: int) -> Tensor:
    """`n` uniform numbers in [0, 1) for each item, on the device of `index`; the same ones on every device.

    Args:
        seed: of the run.
        purpose: what the numbers are for; two purposes have nothing to do with each other.
        epoch: how often the set was gone through, one number or int64 [B].
        index: int64 [B], each item's number in its set.
        n: numbers for each item.

    Returns:
        float32 [B, n], multiples of 2⁻²⁴.
    """
    item = _mixed(_mixed(seed_of("draws", seed, purpose) + _GOLDEN * torch.as_tensor(epoch)) + _GOLDEN * index)
    columns = _GOLDEN * torch.arange(1, n + 1, device=index.device)
    return _shifted(_mixed(item[:, None] + columns), 40).float().mul_(2.0**-24)


def normal(seed: int, purpose: str, epoch: Tensor | int, index: Tensor, n: int) -> Tensor:
    """`n` standard normal numbers for each item, float32 [B, n], as `uniform`; equal to rounding on every device.

    Pairs of uniform numbers are transformed as in Box and Muller (1958), so none is beyond 5.8.
    """
    half = (n + 1) // 2
    u, angle = uniform(seed, purpose, epoch, index, 2 * half).split(half, dim=1)
    radius = (1 - u).log_().mul_(-2).sqrt_()
    angle = angle * (2 * math.pi)
    return torch.cat([radius * angle.cos(), radius * angle.sin()], dim=1)[:, :n]


def _mixed(z: Tensor) -> Tensor:
    """A bijection of 64 bits in which every bit of the result depends on all of z; writes into z."""
    z = z.bitwise_xor_(_shifted(z, 30)).mul_(_FIRST)
    z = z.bitwise_xor_(_shifted(z, 27)).mul_(_SECOND)
    return z.bitwise_xor_(_shifted(z, 31))


def _shifted(z: Tensor, bits: int) -> Tensor:
    """z shifted right with zeros coming in, where `>>` repeats the sign."""
    return (z >> bits).bitwise_and_((1 << (64 - bits)) - 1)
