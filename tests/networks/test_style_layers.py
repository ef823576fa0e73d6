"""The layers of the style family against known answers, scipy and a plain way of writing them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.signal import upfirdn as oracle
from torch import nn

from ganvas.networks import equalized, fir
from ganvas.networks.equalized import Conv, Linear, MinibatchStddev, pixel_norm
from ganvas.networks.layers import batches_apart


def test_pixel_norm_of_the_reference():
    x = torch.tensor([[1.0, 2.0, 3.0]])
    torch.testing.assert_close(pixel_norm(x), torch.tensor([[0.46291, 0.92582, 1.38873]]), atol=1e-5, rtol=0)
    y = pixel_norm(torch.randn(2, 5, 3, 4))
    torch.testing.assert_close(y.square().mean(1), torch.ones(2, 3, 4))


def test_equalised_layers_keep_variance_and_learn_alike():
    torch.manual_seed(0)
    x = torch.randn(4096, 300)
    for m in (1.0, 0.01):
        layer = Linear(300, 50, gain=1.0, lr_multiplier=m, bias=0.5)
        y = layer(x).detach()
        assert abs(float(y.std()) - 1) < 0.02
        assert abs(float(y.mean()) - 0.5) < 0.02
        before = layer(x).detach()
        opt = torch.optim.Adam(layer.parameters(), lr=1e-3)
        (layer(x).sum() / len(x)).backward()
        opt.step()
        moved = float((layer(x).detach() - before).abs().mean())
        # every weight moved by lr, which counts m / sqrt(fan_in) times; the bias by lr times m
        expected = float((m / math.sqrt(300) * -1e-3 * (x.mean(0).sign() * x).sum(1) - 1e-3 * m).abs().mean())
        assert moved == pytest.approx(expected, rel=1e-2)
    conv = Conv(7, 11, 3)
    plain = nn.functional.conv2d(y := torch.randn(2, 7, 5, 6), conv.weight * math.sqrt(2 / 63), conv.bias, padding=1)
    torch.testing.assert_close(conv(y), plain)


def plain_stddev(x, group, parts):
    out = []
    for rows in x.split(group):
        std = (rows.var(0, unbiased=False) + 1e-8).sqrt()
        channels = [std[k].mean() for k in torch.arange(len(std)).chunk(parts)]
        out.append(torch.stack(channels).view(1, -1, 1, 1).expand(len(rows), -1, *x.shape[2:]))
    return torch.cat([x, torch.cat(out)], 1)


@pytest.mark.parametrize("b,group,parts,size", [(8, 4, 1, 4), (8, 4, 2, 4), (6, 4, 1, 3), (4, 8, 1, 4), (1, 4, 1, 1)])
def test_minibatch_stddev(b, group, parts, size):
    x = torch.randn(b, 6, 3, 2)
    torch.testing.assert_close(MinibatchStddev(group, parts)(x), plain_stddev(x, size, parts))


def test_minibatch_stddev_keeps_real_and_fake_apart():
    real, fake = torch.randn(6, 4, 2, 2), 3 * torch.randn(6, 4, 2, 2)
    layer = MinibatchStddev(4)
    with batches_apart(2):
        together = layer(torch.cat([real, fake]))
    torch.testing.assert_close(together, torch.cat([layer(real), layer(fake)]))


@pytest.mark.parametrize("taps", [(1, 2, 1), (1, 3, 3, 1), (0.1, 0.5, -0.2, 0.4, 0.7)])
@pytest.mark.parametrize("up,down", [(1, 1), (2, 1), (1, 2), (2, 3)])
@pytest.mark.parametrize("pad", [(0, 0), (2, 1), (3, -1)])
def test_upfirdn_is_scipys(taps, up, down, pad):
    x = torch.randn(2, 3, 7, 9, dtype=torch.float64)
    got = fir.upfirdn(x, taps, up, down, pad, gain=4.0)

    def along(v):
        spread = np.zeros(len(v) * up)
        spread[::up] = v
        spread = np.concatenate([np.zeros(pad[0]), spread, np.zeros(max(pad[1], 0))])
        spread = spread[: len(spread) + min(pad[1], 0)]
        inside = oracle(taps, spread)[len(taps) - 1 : len(spread)]
        return inside[::down]

    expected = np.apply_along_axis(along, 3, np.apply_along_axis(along, 2, x.numpy())) * 4
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("taps", [(1, 2, 1), (1, 3, 3, 1)])
def test_resampling_keeps_constants_and_sides(taps):
    x = torch.ones(1, 2, 8, 12)
    for y, sides in ((fir.upsampled(x, taps), (16, 24)), (fir.downsampled(x, taps), (4, 6))):
        assert y.shape[2:] == sides
        torch.testing.assert_close(y[:, :, 2:-2, 2:-2], torch.ones_like(y[:, :, 2:-2, 2:-2]))
    assert fir.blurred(x, (1, 2, 1)).shape == x.shape


def test_doubling_with_1331_is_bilinear_inside():
    x = torch.randn(1, 2, 6, 6)
    bilinear = nn.functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
    torch.testing.assert_close(fir.upsampled(x)[:, :, 1:-1, 1:-1], bilinear[:, :, 1:-1, 1:-1])


@pytest.mark.parametrize("function", [fir.upsampled, fir.downsampled, fir.blurred, lambda v: fir.filtered(v, pad=2)])
def test_filters_are_twice_differentiable(function):
    x = torch.randn(2, 2, 4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(function, x)
    assert torch.autograd.gradgradcheck(lambda v: function(v).square(), x)


@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (3, 2)])
@pytest.mark.parametrize("padding", [(0, 0), (1, 2)])
@pytest.mark.parametrize("sides", [(7, 8), (8, 5)])
def test_spreading_is_the_adjoint_of_filtering(stride, padding, sides):
    """As PyTorch derives it of a convolution in groups; and three times differentiable."""
    x = torch.randn(2, 3, *sides, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(3, 4, dtype=torch.float64)
    plain = torch.nn.functional.conv2d(x, kernel.expand(3, 1, -1, -1), None, stride, padding, groups=3)
    y = fir.Filter.apply(x, kernel, stride, padding)
    torch.testing.assert_close(y, plain)
    pull = torch.randn_like(plain)
    for a, b in zip(*(torch.autograd.grad(v, x, pull) for v in (y, plain)), strict=True):
        torch.testing.assert_close(a, b)
    assert torch.autograd.gradgradcheck(lambda v: fir.Filter.apply(v, kernel, stride, padding).pow(3), x[:1, :1])


def test_filters_stay_in_the_number_format_of_what_they_are_given():
    x = torch.randn(1, 2, 4, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert fir.upsampled(x).dtype == torch.float32 and fir.upsampled(x.bfloat16()).dtype == torch.bfloat16


def test_stddev_and_norms_are_twice_differentiable():
    x = torch.randn(4, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(equalized.MinibatchStddev(2), x)
    assert torch.autograd.gradgradcheck(pixel_norm, x)
