"""L1, PSNR and SSIM: closed forms of shifted, equal and negated images, and torchmetrics as an oracle."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from ganvas.metrics.likeness import MOST_DB, WINDOW, l1, psnr, ssim


def textures(n: int, side: int = 24, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Smooth random images, uint8 [n, side, side + 3, channels] in 50..200."""
    x = np.random.default_rng(seed).normal(size=(n, side, side + 3, channels))
    x = gaussian_filter(x, (0, 2, 2, 0))
    low, high = x.min(axis=(1, 2, 3), keepdims=True), x.max(axis=(1, 2, 3), keepdims=True)
    return (50 + 150 * (x - low) / (high - low)).round().astype(np.uint8)


@pytest.mark.parametrize("d", [1, 10, 50])
def test_a_constant_shift(d: int) -> None:
    x = textures(3)
    for y in (x + np.uint8(d), x - np.uint8(d)):
        assert l1(x, y) == pytest.approx([2 * d / 255] * 3), "as of images in [-1, 1]"
        assert psnr(x, y) == pytest.approx([20 * np.log10(255 / d)] * 3)


def test_one_pixel_of_one_image() -> None:
    x = textures(2)
    y = x.copy()
    y[1, 3, 4, 0] += 100
    assert l1(x, y) == pytest.approx([0, 100 / 127.5 / x[0].size])
    square = 100**2 / x[0].size
    assert psnr(x, y) == pytest.approx([MOST_DB, 10 * np.log10(255**2 / square)])
    assert ssim(x, y)[0] == 1 > ssim(x, y)[1] > 0.9


def test_black_and_white_are_farthest() -> None:
    black, white = np.zeros((1, 12, 12, 1), np.uint8), np.full((1, 12, 12, 1), 255, np.uint8)
    assert (l1(black, white), psnr(black, white)) == (2, 0)


def test_psnr_ends_where_rounding_begins() -> None:
    assert pytest.approx(10 * np.log10(255**2 * 12)) == MOST_DB
    x = textures(2)
    assert psnr(x, x).tolist() == [MOST_DB] * 2
    y = x.copy()
    y[:, 0, 0, 0] += 1
    assert psnr(x, y).tolist() == [MOST_DB] * 2, "one step in one pixel is less than rounding does to all"


def test_an_image_is_wholly_like_itself() -> None:
    x = textures(3)
    np.testing.assert_allclose(ssim(x, x), 1, rtol=1e-12)


def test_flat_images_are_compared_by_luminance_alone() -> None:
    x, y = np.full((1, 12, 14, 3), 40, np.uint8), np.full((1, 12, 14, 3), 90, np.uint8)
    c1 = 2.55**2
    assert ssim(x, y)[0] == pytest.approx((2 * 40 * 90 + c1) / (40**2 + 90**2 + c1), rel=1e-9)


def test_a_negated_image_has_the_opposite_structure() -> None:
    """Of one window: the covariance is minus the variance."""
    x = textures(1, 11, 1)[:, :, :11]
    y = 255 - x
    grid = np.arange(11) - 5
    window = np.exp(-(grid[:, None] ** 2 + grid**2) / (2 * 1.5**2))
    window /= window.sum()
    mean = (window * x[0, :, :, 0]).sum()
    variance = (window * (x[0, :, :, 0] - mean) ** 2).sum()
    c1, c2 = 2.55**2, 7.65**2
    luminance = (2 * mean * (255 - mean) + c1) / (mean**2 + (255 - mean) ** 2 + c1)
    expected = luminance * (-2 * variance + c2) / (2 * variance + c2)
    assert ssim(x, y)[0] == pytest.approx(expected, rel=1e-9) and expected < -0.5
    assert x.shape[1] == WINDOW, "the least side"


@pytest.mark.parametrize("channels", [1, 3])
def test_torchmetrics_agrees(channels: int) -> None:
    image = pytest.importorskip("torchmetrics.functional.image")
    x = textures(3, channels=channels)
    y = (0.6 * x + 0.4 * textures(3, channels=channels, seed=1)).astype(np.uint8)
    a, b = (torch.from_numpy(z).double().permute(0, 3, 1, 2) for z in (x, y))
    _, full = image.structural_similarity_index_measure(
        a, b, sigma=1.5, data_range=255.0, reduction="none", return_full_image=True
    )
    expected = full[..., 5:-5, 5:-5].mean(dim=(1, 2, 3))
    assert 0.2 < expected.min() < expected.max() < 0.98
    np.testing.assert_allclose(ssim(x, y), expected.numpy(), rtol=1e-7)
    theirs = image.peak_signal_noise_ratio(a, b, data_range=255.0, reduction="none", dim=(1, 2, 3))
    np.testing.assert_allclose(psnr(x, y), theirs.numpy(), rtol=1e-6)


def test_symmetry_and_order() -> None:
    x = textures(1)
    worse = [
        np.clip(x + s * np.random.default_rng(0).normal(size=x.shape), 0, 255).astype(np.uint8) for s in (5, 20, 60)
    ]
    for distance, sign in ((l1, 1), (psnr, -1), (ssim, -1)):
        found = [sign * distance(x, y)[0] for y in worse]
        assert found == sorted(found) and len(set(found)) == 3
        assert distance(worse[0], worse[1]) == pytest.approx(distance(worse[1], worse[0]))
