"""R3GAN's networks, and convolutions whose second derivative is their own."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from ganvas.losses.penalties import scored
from ganvas.networks import fir
from ganvas.networks.bilinear import Conv, conv2d
from ganvas.networks.r3gan import GAIN, Block, Discriminator, Generator, doubled, halved, stages, widths

float64 = pytest.mark.usefixtures("float64")


def thousands(net):
    return round(sum(q.numel() for q in net.parameters()) / 1e3)


def test_parameters_of_configuration_e():
    """23.058 and 23.010 million for FFHQ of 256×256."""
    channels = widths(256, 768, 24576)
    assert channels == [768, 768, 768, 768, 384, 192, 96]
    with torch.device("meta"):
        g = Generator(3, 64, 0, channels, 2, 2, 16)
        d = Discriminator(3, 0, channels[::-1], 2, 2, 16)
    assert (thousands(g), thousands(d)) == (23058, 23010)
    assert {m.groups for m in d.modules() if isinstance(m, Conv)} == {1, 96, 48, 24, 12}, "groups of 16 channels"


def test_stages():
    assert [stages(s) for s in (4, 7, 8, 12, 16, 256)] == [0, 0, 2, 0, 3, 7]
    assert widths(16, 100, 160) == [40, 20, 10]


@float64
def test_every_block_starts_as_the_identity():
    torch.manual_seed(0)
    x = torch.randn(3, 6, 8, 8)
    block = Block(6, 2, 4, 1.0)
    assert block.mix.groups == 3
    assert torch.equal(block(x), x)
    g, z = Generator(3, 5, 0, [8, 8, 4], 2, 2, 4), torch.randn(2, 5)
    first = g.basis * g.weigh(z)[:, :, None, None]
    linear = g.to_image(doubled(g.steps[1](doubled(first))))
    torch.testing.assert_close(g(z), linear)


@float64
def test_initial_variance():
    """He's, divided by √L for L blocks, in the layers inside of blocks; the field keeps the variance of z."""
    torch.manual_seed(0)
    g = Generator(3, 256, 0, [256, 256], 2, 2, 16)
    for block in (b for tower in g.towers for b in tower):
        for layer in (block.expand, block.mix):
            fan_in = layer.weight[0].numel()
            assert float(layer.weight.detach().var()) == pytest.approx(GAIN**2 / 2 / fan_in, rel=0.05), "√4 = 2"
    field = g.basis * g.weigh(torch.randn(64, 256))[:, :, None, None]
    assert float(field.detach().var()) == pytest.approx(1, rel=0.1)
    d = Discriminator(3, 0, [64, 64], 1, 2, 16)
    assert float(d.basis.detach().var()) == pytest.approx(1 / 16, rel=0.2)


@float64
def test_resampling_in_one_pass():
    x = torch.randn(2, 3, 6, 8)
    torch.testing.assert_close(doubled(x), fir.upsampled(x))
    torch.testing.assert_close(halved(x), fir.downsampled(x))


@float64
def test_a_discriminator_projects_conditions():
    d = Discriminator(3, 4, [8, 8], 1, 2, 4)
    x, c = torch.randn(2, 3, 8, 8), torch.eye(4)[:2]
    zero = d(x, torch.zeros(2, 4))
    assert d(x, c).shape == (2,)
    assert float(zero.detach().abs().max()) == 0
    torch.testing.assert_close(d(x, c) + d(x, c.flip(0)), d(x, c + c.flip(0)))


@float64
@pytest.mark.parametrize(
    "groups,stride,kernel,padding", [(1, 1, 1, 0), (2, 1, 3, 1), (4, 2, 4, 1), (1, 2, 3, 1), (2, 2, 3, 0)]
)
def test_second_derivatives_are_pytorchs(groups, stride, kernel, padding):
    torch.manual_seed(0)
    x = torch.randn(3, 4, 8, 8)
    w1 = torch.randn(4, 4 // groups, kernel, kernel, requires_grad=True)
    b1 = torch.randn(4, requires_grad=True)
    w2 = torch.randn(1, 4, 3, 3, requires_grad=True)
    gradients = []
    for convolution in (conv2d, lambda x, w, b=None, *rest: F.conv2d(x, w, b, *rest[:2], 1, *rest[2:])):

        def critic(x, convolution=convolution):
            y = torch.tanh(convolution(x, w1, b1, stride, padding, groups))
            return convolution(y, w2).sin().sum((1, 2, 3))

        score, slope = scored(critic, x)
        (score.mean() + 0.7 * slope.sum()).backward()
        gradients.append([score, slope, *(q.grad.clone() for q in (w1, b1, w2))])
        for q in (w1, b1, w2):
            q.grad = None
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b)


@float64
def test_the_gradient_of_a_penalty_is_that_of_finite_differences():
    torch.manual_seed(0)
    d = Discriminator(1, 0, [4, 6, 6], 1, 2, 4)
    for q in d.parameters():
        torch.nn.init.normal_(q, std=0.4)  # projections are 0 at first
    x = torch.randn(2, 1, 16, 16)

    def loss():
        score, slope = scored(d, x)
        return F.softplus(score).mean() + 0.5 * slope.mean()

    loss().backward()
    for name, q in d.named_parameters():
        way = torch.randn_like(q)
        ends = []
        for step in (1e-6, -2e-6):
            with torch.no_grad():
                q.add_(step * way)
            ends.append(float(loss().detach()))
        with torch.no_grad():
            q.add_(1e-6 * way)
        measured = (ends[0] - ends[1]) / 2e-6
        assert float((q.grad * way).sum()) == pytest.approx(measured, rel=1e-4, abs=1e-7), name


def test_gains():
    assert pytest.approx(math.sqrt(2 / 1.04)) == GAIN
