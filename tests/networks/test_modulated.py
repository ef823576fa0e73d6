"""Modulated convolution against the way its paper writes it: a kernel for each sample, in a grouped convolution."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ganvas.networks.fir import filtered
from ganvas.networks.modulated import EPS, Ending, ModulatedColours, ModulatedConv

pytestmark = pytest.mark.usefixtures("float64")


def per_sample(conv, x, w):
    """Eqs. 1 and 3 of Karras et al. 2020: [B, O, I, k, k], and as many groups as samples."""
    b, c, h, v = x.shape
    weights = (conv.weight * conv.scale)[None] * conv.affine(w)[:, None, :, None, None]
    if isinstance(conv, ModulatedConv):
        weights = weights / (weights.square().sum((2, 3, 4), keepdim=True) + EPS).sqrt()
    k, x = conv.weight.shape[-1], x.reshape(1, b * c, h, v)
    if isinstance(conv, ModulatedConv) and conv.up:
        y = F.conv_transpose2d(x, weights.transpose(1, 2).reshape(b * c, -1, k, k), stride=2, groups=b)
        return filtered(y.view(b, -1, *y.shape[2:]), pad=1, gain=4.0)
    return F.conv2d(x, weights.reshape(-1, c, k, k), padding=k // 2, groups=b).view(b, -1, h, v)


def as_is(conv, x, w):
    if isinstance(conv, ModulatedColours):
        return conv(x, w)
    y, d = conv(x, w)
    return y * d[:, :, None, None]


def of(kind, c_in, c_out, w_dim):
    return ModulatedColours(c_in, c_out, w_dim) if kind == "colours" else ModulatedConv(c_in, c_out, w_dim, **kind)


KINDS = [{"kernel": 3}, {"kernel": 1}, {"kernel": 3, "up": True}, "colours"]


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["NCHW", "NHWC"])
def test_one_kernel_for_all_gives_what_a_kernel_for_each_gives(kind, layout):
    """Values, and gradients to everything, of rectangular images."""
    torch.manual_seed(0)
    conv = of(kind, 5, 4, 6)
    x = torch.randn(3, 5, 4, 6).contiguous(memory_format=layout).requires_grad_()
    w = torch.randn(3, 6, requires_grad=True)
    inputs = [x, w, *conv.parameters()]
    ours, plain = as_is(conv, x, w), per_sample(conv, x, w)
    assert ours.shape == ((3, 4, 8, 12) if kind == KINDS[2] else (3, 4, 4, 6))
    torch.testing.assert_close(ours, plain)
    pull = torch.randn_like(plain)
    found, expected = (torch.autograd.grad(y, inputs, pull) for y in (ours, plain))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[2], KINDS[3]], ids=str)
def test_its_gradients_are_those_of_finite_differences(kind):
    """The first ones and, for path lengths, the second."""
    torch.manual_seed(0)
    conv = of(kind, 2, 2, 3)
    x, w = torch.randn(2, 2, 2, 3, requires_grad=True), torch.randn(2, 3, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *v: as_is(conv, *v), (x, w))
    assert torch.autograd.gradgradcheck(lambda *v: as_is(conv, *v), (x, w))


def test_demodulation_brings_every_output_back_to_norm_1():
    """Of whatever style: noise of variance 1 keeps it."""
    torch.manual_seed(0)
    conv = ModulatedConv(16, 8, 6)
    w = 5 * torch.randn(4, 6)
    s = conv.style(w)
    norms = ((conv.weight * conv.scale)[None] * s[:, None, :, None, None]).square().sum((2, 3, 4)).sqrt()
    torch.testing.assert_close(conv.demodulation(s), 1 / norms, rtol=1e-6, atol=0)
    y = as_is(conv, torch.randn(4, 16, 64, 64), w)
    torch.testing.assert_close(y.std((2, 3)), torch.ones(4, 8), rtol=0.1, atol=0)


def test_styles_start_from_1():
    conv = ModulatedConv(5, 4, 6)
    torch.testing.assert_close(conv.style(torch.zeros(2, 6)), torch.ones(2, 5))


def test_no_sample_depends_on_the_others():
    torch.manual_seed(0)
    conv = ModulatedConv(5, 4, 6)
    x, w = torch.randn(3, 5, 4, 4), torch.randn(3, 6)
    together = as_is(conv, x, w)
    for k in range(3):
        torch.testing.assert_close(as_is(conv, x[k : k + 1], w[k : k + 1])[0], together[k])


@pytest.mark.parametrize("fields", [None, 1, 2])
def test_how_a_styled_layer_ends(fields):
    """Against the plain way of writing it: values, and two derivatives; also where not all ask for one."""
    torch.manual_seed(0)
    y, d, bias = (torch.randn(*s, requires_grad=True) for s in ((2, 3, 2, 2), (2, 3), (3,)))
    field = None if fields is None else torch.randn(fields, 1, 2, 2, requires_grad=True)
    before = y.detach().clone()

    def plain(y, d, bias, field):
        z = y * d[:, :, None, None] + bias.view(1, -1, 1, 1)
        return F.leaky_relu(z if field is None else z + field, 0.2)

    inputs = [v for v in (y, d, bias, field) if v is not None]
    ours, theirs = Ending.apply(y, d, bias, field, 0.2), plain(y, d, bias, field)
    torch.testing.assert_close(ours, theirs)
    assert torch.equal(y, before)
    pull = torch.randn_like(theirs)
    for a, b in zip(*(torch.autograd.grad(v, inputs, pull) for v in (ours, theirs)), strict=True):
        torch.testing.assert_close(a, b)
    assert torch.autograd.gradgradcheck(lambda *v: Ending.apply(*v[:3], v[3] if fields else None, 0.2).pow(2), inputs)
    (only_d,) = torch.autograd.grad(Ending.apply(y.detach(), d, bias.detach(), None, 0.2).sum(), d)
    torch.testing.assert_close(only_d, torch.autograd.grad(plain(y, d, bias, None).sum(), d)[0])
