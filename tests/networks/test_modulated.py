"""Modulated convolution against the way its paper writes it: a kernel for each sample, in a grouped convolution."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ganvas.networks.fir import filtered
from ganvas.networks.modulated import EPS, ModulatedConv

pytestmark = pytest.mark.usefixtures("float64")


def per_sample(conv, x, w):
    """Eqs. 1 and 3 of Karras et al. 2020: [B, O, I, k, k], and as many groups as samples."""
    b, c, h, v = x.shape
    weights = (conv.weight * conv.scale)[None] * conv.affine(w)[:, None, :, None, None]
    if conv.demodulate:
        weights = weights / (weights.square().sum((2, 3, 4), keepdim=True) + EPS).sqrt()
    k, x = conv.weight.shape[-1], x.reshape(1, b * c, h, v)
    if conv.up:
        y = F.conv_transpose2d(x, weights.transpose(1, 2).reshape(b * c, -1, k, k), stride=2, groups=b)
        return filtered(y.view(b, -1, *y.shape[2:]), pad=1, gain=4.0)
    return F.conv2d(x, weights.reshape(-1, c, k, k), padding=k // 2, groups=b).view(b, -1, h, v)


def one_kernel(conv, x, w):
    y, d = conv(x, w)
    return y if d is None else y * d[:, :, None, None]


KINDS = [
    {"kernel": 3},
    {"kernel": 1},
    {"kernel": 3, "up": True},
    {"kernel": 1, "demodulate": False},
    {"kernel": 3, "up": True, "demodulate": False},
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_one_kernel_for_all_gives_what_a_kernel_for_each_gives(kind):
    """Values, and gradients to everything, of rectangular images."""
    torch.manual_seed(0)
    conv = ModulatedConv(5, 4, 6, **kind)
    x, w = torch.randn(3, 5, 4, 6, requires_grad=True), torch.randn(3, 6, requires_grad=True)
    inputs = [x, w, *conv.parameters()]
    ours, plain = one_kernel(conv, x, w), per_sample(conv, x, w)
    assert ours.shape == (3, 4, 8, 12) if conv.up else (3, 4, 4, 6)
    torch.testing.assert_close(ours, plain)
    pull = torch.randn_like(plain)
    found, expected = (torch.autograd.grad(y, inputs, pull) for y in (ours, plain))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[2], KINDS[3]], ids=str)
def test_its_gradients_are_those_of_finite_differences(kind):
    """The first ones and, for path lengths, the second."""
    torch.manual_seed(0)
    conv = ModulatedConv(2, 2, 3, **kind)
    x, w = torch.randn(2, 2, 2, 3, requires_grad=True), torch.randn(2, 3, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *v: one_kernel(conv, *v), (x, w))
    assert torch.autograd.gradgradcheck(lambda *v: one_kernel(conv, *v), (x, w))


def test_demodulation_brings_every_output_back_to_norm_1():
    """Of whatever style: noise of variance 1 keeps it."""
    torch.manual_seed(0)
    conv = ModulatedConv(16, 8, 6)
    w = 5 * torch.randn(4, 6)
    s = conv.style(w)
    norms = ((conv.weight * conv.scale)[None] * s[:, None, :, None, None]).square().sum((2, 3, 4)).sqrt()
    torch.testing.assert_close(conv.demodulation(s), 1 / norms, rtol=1e-6, atol=0)
    y = one_kernel(conv, torch.randn(4, 16, 64, 64), w)
    torch.testing.assert_close(y.std((2, 3)), torch.ones(4, 8), rtol=0.1, atol=0)


def test_styles_start_from_1():
    conv = ModulatedConv(5, 4, 6)
    torch.testing.assert_close(conv.style(torch.zeros(2, 6)), torch.ones(2, 5))


def test_no_sample_depends_on_the_others():
    torch.manual_seed(0)
    conv = ModulatedConv(5, 4, 6)
    x, w = torch.randn(3, 5, 4, 4), torch.randn(3, 6)
    together = one_kernel(conv, x, w)
    for k in range(3):
        torch.testing.assert_close(one_kernel(conv, x[k : k + 1], w[k : k + 1])[0], together[k])
