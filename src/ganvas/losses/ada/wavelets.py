"""Filters of the pipeline as matrices: of images mirrored at their outer pixels, along a side of n pixels.

Dense products with them are quicker than convolutions of few channels (on a CPU 30 times, 128 images of 32×32), are
their own derivatives, and hold the mirrored border. The numbers are those of Daubechies' symlets of 4 and of 12 taps
(Ten Lectures on Wavelets, 1992): their even shifts are orthonormal, so that halving undoes doubling.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

SYM2 = (-0.12940952255092145, 0.22414386804185735, 0.836516303737469, 0.48296291314469025)
SYM6 = (
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633, 0.4910559419267466,
    0.787641141030194, 0.3379294217276218, -0.07263752278646252, -0.021060292512300564, 0.04472490177066578,
    0.0017677118642428036, -0.007800708325034148,
)  # fmt: skip
CENTRE = 5
"""Of SYM6: the tap that lies on a pixel of the coarse raster."""
DELAY = sum(k * tap for k, tap in enumerate(SYM6)) / sum(SYM6) - CENTRE
"""By which smooth images come out of it later, of the fine raster's pixels: symlets are not quite symmetric."""
BEFORE = CENTRE
AFTER = len(SYM6) - 1 - CENTRE
BANDS = 4


def reflected(places: Tensor, n: int) -> Tensor:
    """Places mirrored at 0 and n − 1, as often as it takes to lie between them; whole or broken numbers."""
    if n == 1:
        return torch.zeros_like(places)
    places = places.abs() % (2 * (n - 1))
    return torch.minimum(places, 2 * (n - 1) - places)


def _summing(places: Tensor, weights: Tensor, n: int) -> Tensor:
    """[R, n]: the matrix whose row r sums the pixels at places [R, K] of the mirrored image, with weights [R, K]."""
    return weights.new_zeros(len(places), n).scatter_add(1, reflected(places, n), weights)


@lru_cache(maxsize=64)
def doubling(n: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """[2n − 1 + BEFORE + AFTER, n]: to a raster of half the spacing, from BEFORE of its pixels before the first.

    Pixel i of the image lies on pixel 2i + BEFORE of the raster.
    """
    fine = torch.arange(-BEFORE, 2 * n - 1 + AFTER)[:, None]
    source = fine + CENTRE - torch.arange(len(SYM6))  # on the fine raster, where every second pixel is 0
    taps = torch.tensor(SYM6, dtype=torch.float64) * 2**0.5
    return _summing(source // 2, taps * (source % 2 == 0), n).to(device, dtype)


@lru_cache(maxsize=64)
def halving(n: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """[n, 2n − 1 + BEFORE + AFTER]: back from what `doubling` makes; their product is the identity."""
    back = torch.zeros(n, 2 * n - 1 + BEFORE + AFTER, dtype=torch.float64)
    for k, tap in enumerate(SYM6):
        back[torch.arange(n), 2 * torch.arange(n) + k] = tap * 0.5**0.5
    return back.to(device, dtype)


def bank() -> np.ndarray:
    """[4, 43]: symmetric filters for four octaves, from low to high, whose sum changes nothing (appendix B, SYM2)."""
    low = np.array(SYM2)
    high = low * (-1.0) ** np.arange(len(low))
    pass_low, pass_high = (np.convolve(h, h[::-1]) / 2 for h in (low, high))
    filters = np.eye(BANDS, 1)
    for i in range(1, BANDS):
        spread = np.zeros((BANDS, 2 * filters.shape[1] - 1))
        spread[:, ::2] = filters
        filters = np.stack([np.convolve(f, pass_low) for f in spread])
        start = (filters.shape[1] - len(pass_high)) // 2
        filters[i, start : start + len(pass_high)] += pass_high
    return filters


@lru_cache(maxsize=64)
def octaves(n: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """[4, n, n]: each of the bank's filters."""
    filters = torch.from_numpy(bank())
    half = filters.shape[1] // 2
    places = torch.arange(n)[:, None] + torch.arange(-half, half + 1)
    return torch.stack([_summing(places, f.expand(n, -1), n) for f in filters]).to(device, dtype)
