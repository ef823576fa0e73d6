"""Shapes, counts and equalities of what players are made of."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ganvas import rng
from ganvas.networks import conv, dcgan, mlp
from ganvas.networks.layers import Dropout, Maxout, activation, normal_init, normalisation


@pytest.mark.parametrize("size", dcgan.SIZES)
@pytest.mark.parametrize("kernel", [3, 4, 5])
def test_dcgan_networks_make_and_take_their_size(size, kernel):
    g = dcgan.Generator((3, size, size), 6, 4, 16, kernel, "batch", "relu", 0.2)
    d = dcgan.Discriminator((3, size, size), 4, 16, kernel, "layer", "leaky-relu", 0.2)
    x = g(torch.rand(2, 6))
    assert x.shape == (2, 3, size, size)
    assert float(x.abs().max()) <= 1
    assert d(x).shape == (2,)


def test_table_1_of_the_blog():
    """Activation volumes at 64×64, layer by layer."""
    assert dcgan.widths(64, 128, 1024) == [128, 256, 512, 1024]
    assert dcgan.widths(256, 128, 1024) == [128, 256, 512, 1024, 1024, 1024]
    with torch.device("meta"):
        d = dcgan.Discriminator((3, 64, 64), 128, 1024, 5, "batch", "leaky-relu", 0.2)
    shapes = []
    for m in d.body:
        m.register_forward_hook(lambda m, i, o: shapes.append(tuple(o.shape[1:])) if isinstance(m, nn.Conv2d) else None)
    d(torch.empty(1, 3, 64, 64, device="meta"))
    assert shapes == [(128, 32, 32), (256, 16, 16), (512, 8, 8), (1024, 4, 4)]


def test_no_norm_on_the_discriminators_input_nor_the_generators_output():
    g = dcgan.Generator((1, 32, 32), 4, 4, 16, 5, "batch", "relu", 0.2)
    d = dcgan.Discriminator((1, 32, 32), 4, 16, 5, "batch", "leaky-relu", 0.2)
    assert [type(m) for m in list(d.body)[:2]] == [conv.Conv, nn.LeakyReLU]
    assert [type(m) for m in list(g.body)[-2:]] == [conv.TransposedConv, nn.Tanh]


@pytest.mark.parametrize("kernel", [2, 3, 4, 5, 7])
def test_convolutions_as_products_equal_pytorchs(kernel, monkeypatch):
    """im2col and one product = conv2d; one product and col2im = conv_transpose2d; gradients too."""
    torch.manual_seed(0)
    for layer, side in ((conv.Conv(3, 5, kernel), 8), (conv.TransposedConv(3, 5, kernel), 4)):
        x = torch.randn(2, 3, side, side, requires_grad=True)
        results = []
        for product in (False, True):
            monkeypatch.setattr(conv, "product_pays", lambda *a, product=product: product)
            monkeypatch.setattr(torch, "get_autocast_dtype", lambda kind: torch.float32)
            y = layer(x)
            results.append([y, *torch.autograd.grad(y.square().sum(), [x, *layer.parameters()])])
        for a, b in zip(*results, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_im2col_is_twice_differentiable():
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: conv.Im2Col.apply(t, 5, 2), (x,))
    assert torch.autograd.gradgradcheck(lambda t: conv.Im2Col.apply(t, 5, 2).square(), (x,))
    rows = torch.randn(4, 50, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda t: conv.Col2Im.apply(t, (1, 2, 4, 4), 5, 2).square(), (rows,))


def test_products_are_chosen_in_bf16_on_the_cpu_alone():
    x = torch.empty(1, 512, 8, 8)
    assert not conv.product_pays(x, 512, 1024, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert conv.product_pays(x, 512, 1024, 16)
        assert not conv.product_pays(x, 3, 128, 1024)


def test_bf16_products_are_near_pytorchs_bf16():
    torch.manual_seed(0)
    layer, x = conv.Conv(256, 256, 5), torch.randn(2, 256, 8, 8)
    with torch.no_grad():
        exact = F.conv2d(x, layer.weight, layer.bias, 2, 2)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            ours, theirs = layer(x), F.conv2d(x, layer.weight, layer.bias, 2, 2)
    assert float((ours.float() - exact).norm()) < 1.5 * float((theirs.float() - exact).norm())


def test_maxout_is_the_largest_piece():
    m = Maxout(3, 2, 4)
    x = torch.randn(5, 3)
    pieces = torch.stack([x @ m.linear.weight[i] + m.linear.bias[i] for i in range(8)], 1).view(5, 2, 4)
    torch.testing.assert_close(m(x), pieces.max(2).values)


def test_dropout_draws_from_the_turn_and_keeps_the_mean():
    layer, x = Dropout(0.5), torch.ones(4000, 10)
    assert torch.equal(layer(x), x), "outside of a turn it does nothing"
    with rng.Chance("key", start=0, stop=4000, total=4000):
        y = layer(x)
    assert set(y.unique().tolist()) == {0.0, 2.0}
    assert float(y.mean()) == pytest.approx(1.0, abs=0.02)
    with rng.Chance("key", start=1000, stop=3000, total=4000):
        assert torch.equal(layer(x[:2000]), y[1000:3000]), "a slice of the batch has its slice of the mask"


def test_init_std():
    g = dcgan.Generator((3, 64, 64), 64, 32, 512, 5, "batch", "relu", 0.2)
    normal_init(g, 0.02)
    for m in g.modules():
        if isinstance(m, nn.Linear | nn.ConvTranspose2d):
            assert float(m.weight.std()) == pytest.approx(0.02, rel=0.1)


def test_layer_norm_is_over_channels_and_positions():
    y = normalisation("layer", 6)(torch.randn(3, 6, 4, 4) * 5 + 2)
    torch.testing.assert_close(y.flatten(1).mean(1), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.flatten(1).std(1), torch.ones(3), atol=1e-2, rtol=0)


def test_activations():
    x = torch.tensor([-1.0, 2.0])
    assert activation("relu")(x).tolist() == [0.0, 2.0]
    assert activation("leaky-relu", 0.2)(x).tolist() == pytest.approx([-0.2, 2.0])
    assert activation("elu")(x)[0] == pytest.approx(-0.63212, abs=1e-5)


def test_mlp_shapes():
    assert mlp.Generator((2,), 3, 8, 2, "relu", 0.2)(torch.rand(5, 3)).shape == (5, 2)
    assert mlp.Generator((1, 28, 28), 3, 8, 2, "relu", 0.2)(torch.rand(5, 3)).shape == (5, 1, 28, 28)
    assert mlp.Discriminator((1, 28, 28), 8, 2, "relu", 0.2, pieces=3)(torch.rand(5, 1, 28, 28)).shape == (5,)
