"""Enlarged convolutions are the plain ones, computed otherwise."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ganvas.networks import began
from ganvas.networks.resampled import enlarged, far_enlarged

WAYS = [(enlarged, 2), (enlarged, 3), (far_enlarged, 3), (far_enlarged, 4), (far_enlarged, 8)]


def plainly(x, weight, bias, s):
    return F.conv2d(F.interpolate(x, scale_factor=s, mode="nearest"), weight, bias, padding=1)


def drawn(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("way,s", WAYS, ids=lambda v: getattr(v, "__name__", v))
def test_it_is_a_convolution_of_the_enlarged_image(way, s):
    """To its borders, with sides that differ; its gradients too."""
    x, weight, bias = drawn(2, 5, 3, 4), drawn(6, 5, 3, 3), drawn(6)
    y, expected = way(x, weight, s=s) + bias.view(-1, 1, 1), plainly(x, weight, bias, s)
    assert y.shape == (2, 6, 3 * s, 4 * s)
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)
    pull = torch.randn_like(y)
    ours, theirs = (torch.autograd.grad(z, (x, weight, bias), pull) for z in (y, expected))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-11)


@pytest.mark.parametrize("size", [16, 32, 64])
def test_the_decoder_is_that_of_table_2(size):
    """Features and projection enlarged, concatenated, then convolved, as the table says."""
    net = began.Decoder((3, size, size), 4, 6).double()
    net.fade(0.3)
    h = drawn(2, 4)
    h0 = x = net.project(h).view(2, 8, 8, 6).permute(0, 3, 1, 2)
    for i, block in enumerate(net.blocks):
        if i:
            h0, x = (F.interpolate(v, scale_factor=2.0, mode="nearest") for v in (h0, x))
            x = torch.cat([x, h0], 1)
        for layer in block:
            x = layer(x, net.residual)
    torch.testing.assert_close(net(h), net.last(x), rtol=0, atol=1e-12)
