"""The filters' numbers, by what makes them wavelets."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganvas.losses.ada.wavelets import SYM2, SYM6, bank, doubling, halving, octaves, reflected

CPU = torch.device("cpu")


@pytest.mark.parametrize("taps", [SYM2, SYM6])
def test_even_shifts_are_orthonormal_and_moments_vanish(taps: tuple[float, ...]) -> None:
    h, n = np.array(taps), len(taps)
    assert h.sum() == pytest.approx(2**0.5, abs=1e-10)
    for shift in range(0, n, 2):
        assert h[shift:] @ h[: n - shift] == pytest.approx(float(shift == 0), abs=1e-10)
    high = h * (-1.0) ** np.arange(n)
    for moment in range(n // 2):  # as many as a wavelet of so many taps can have
        assert high @ np.arange(n) ** moment == pytest.approx(0, abs=1e-6 * max(1, n**moment * 1e-2))


def test_the_bank_splits_and_adds_up() -> None:
    filters = bank()
    assert filters.shape == (4, 43)
    one = np.zeros(43)
    one[21] = 1
    assert np.allclose(filters.sum(0), one, atol=1e-10)
    assert np.allclose(filters, filters[:, ::-1], atol=1e-12)
    peaks = np.abs(np.fft.rfft(filters, 512)).argmax(1)
    assert list(peaks) == sorted(peaks) and peaks[0] == 0 and peaks[3] > 200


@pytest.mark.parametrize("n", [2, 7, 32])
def test_matrices(n: int) -> None:
    up, down = (make(n, torch.float64, CPU) for make in (doubling, halving))
    assert torch.allclose(down @ up, torch.eye(n, dtype=torch.float64), atol=1e-10)
    assert torch.allclose(up.sum(1), torch.ones(len(up), dtype=torch.float64), atol=0.05), "a plain image stays plain"
    assert torch.allclose(octaves(n, torch.float64, CPU).sum(0), torch.eye(n, dtype=torch.float64), atol=1e-10)


def test_mirrors() -> None:
    expected = np.pad(np.arange(4), 9, mode="reflect")
    assert np.array_equal(reflected(torch.arange(-9, 13), 4), expected)
    assert reflected(torch.tensor([-3, 0, 5]), 1).tolist() == [0, 0, 0]
