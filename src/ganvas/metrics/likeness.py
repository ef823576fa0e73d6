"""How far images are from those that they should be, image by image: L1, PSNR and SSIM.

All take bytes, as files hold them, and compute in float64. Pixels and channels count alike.
"""

from __future__ import annotations

import numpy as np

from ganvas.metrics.msssim import WINDOW, similarities

__all__ = ["MOST_DB", "WINDOW", "l1", "psnr", "ssim"]

_PEAK = 255
_ROUNDING = 1 / 12
"""The mean square of what rounding to whole numbers does."""
MOST_DB = float(10 * np.log10(_PEAK**2 / _ROUNDING))
"""58.9 dB, to which PSNR is limited: images that are nearer than rounding brings them are the same."""


def l1(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """mean |x − y|, float64 [n], of images uint8 [n, H, W, C], in units in which they lie in [-1, 1]: 0 to 2.

    So it is what pix2pix and CycleGAN minimise, and log as they are trained.
    """
    return np.abs(x.astype(np.float64) - y).mean(axis=(1, 2, 3)) / (_PEAK / 2)


def psnr(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """10 log₁₀(255² / mean (x − y)²) in dB, float64 [n], of images uint8 [n, H, W, C]; at most 58.9, of equal ones."""
    square = np.square(x.astype(np.float64) - y).mean(axis=(1, 2, 3))
    return 10 * np.log10(_PEAK**2 / square.clip(min=_ROUNDING))


def ssim(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Structural similarity, float64 [n] in [-1, 1], of images uint8 [n, H, W, C] of 11 pixels a side and more.

    Wang, Bovik, Sheikh and Simoncelli 2004 (IEEE TIP 13, Eq. 13): an 11 × 11 Gaussian window of deviation 1.5 that lies
    wholly inside the image, K₁ = 0.01, K₂ = 0.03, L = 255. Of colours it is the mean over the channels.
    """
    luminance, contrast = similarities(x.astype(np.float64), y.astype(np.float64))
    return (luminance * contrast).mean(axis=(1, 2, 3))
