"""The networks of pix2pix and CycleGAN: published counts and shapes, any size of image, and what normalises them."""

import pytest
import torch
import torch.nn.functional as F

from ganvas.networks.layers import BatchNorm, Dropout, InstanceNorm, as_in_training, each_image_normalised
from ganvas.networks.patchgan import LAYERS, PatchGAN, smallest_side
from ganvas.networks.translator import Translator
from ganvas.networks.unet import UNet, depth_for


def count(net):
    return sum(q.numel() for q in net.parameters())


def test_the_published_counts():
    """Those of the authors' PyTorch code at 256 × 256 (REFERENCE: G and D of pix2pix, each G and D of CycleGAN)."""
    with torch.device("meta"):
        assert count(UNet(3, 3, 64, depth_for(256, 256))) == 54_413_955
        assert count(PatchGAN(6)) == 2_768_705
        assert count(Translator(3, 3)) == 11_378_179
        assert count(PatchGAN(3, norm="instance")) == 2_764_737
        assert PatchGAN(6)(torch.zeros(1, 6, 256, 256)).shape == (1, 1, 30, 30)


@pytest.mark.parametrize("patch", [1, 16, 34, 70, 142])
def test_a_verdict_sees_a_patch_of_that_side(patch):
    """The gradient of one verdict reaches exactly a patch; weights are positive, so that nothing cancels."""
    net = PatchGAN(1, 2, patch, norm="none")
    for q in net.parameters():
        q.data.abs_()
    x = torch.ones(1, 1, 2 * patch + 30, 2 * patch + 30, requires_grad=True)
    scores = net(x)
    middle = scores.shape[2] // 2
    scores[0, 0, middle, middle].backward()
    touched = x.grad[0, 0].nonzero()
    assert (touched.amax(0) - touched.amin(0) + 1).tolist() == [patch, patch]


@pytest.mark.parametrize("patch", LAYERS)
def test_the_smallest_side_is_the_smallest(patch):
    side = smallest_side(patch)
    net = PatchGAN(1, 1, patch, norm="none")
    assert net(torch.zeros(1, 1, side, side)).numel() >= 1
    if side > 1:
        with pytest.raises(RuntimeError):
            net(torch.zeros(1, 1, side - 1, side - 1))


@pytest.mark.parametrize("size", [(64, 64), (72, 50), (33, 17), (8, 129)])
@pytest.mark.parametrize("net", [UNet(3, 1, 2, 6), Translator(3, 1, 2, 1)], ids=["unet", "resnet"])
def test_images_of_any_size_keep_it(net, size):
    x = torch.randn(2, 3, *size).clamp(-1, 1)
    y = net.eval()(x)
    assert y.shape == (2, 1, *size)
    assert float(y.detach().abs().max()) <= 1


def test_a_unet_ends_at_one_pixel():
    assert [depth_for(256, 256), depth_for(256, 512), depth_for(64, 64), depth_for(72, 80)] == [8, 8, 6, 7]
    seen = []
    net = UNet(3, 3, 2, depth_for(72, 80))
    net.downs[-1].register_forward_hook(lambda module, given, made: seen.append(made.shape[2:]))
    net.eval()(torch.zeros(1, 3, 72, 80))
    assert seen == [(1, 1)]


def test_sizes_that_halve_evenly_are_not_padded():
    """At 64 × 64 the network is the plain one of the paper: convolutions, skips, and no rows of its own."""
    net = UNet(1, 1, 2, 3, norm="none", dropped="none").eval()
    x = torch.randn(1, 1, 16, 16)
    d, u = net.downs, net.ups
    first = d[0].conv(x)
    second = d[1].conv(F.leaky_relu(first, 0.2))
    third = d[2].conv(F.leaky_relu(second, 0.2))
    up = u[0].conv(third.relu())
    up = u[1].conv(torch.cat([second, up], 1).relu())
    torch.testing.assert_close(net(x), u[2].conv(torch.cat([first, up], 1).relu()).tanh())


@pytest.mark.parametrize(("dropped", "levels"), [("code", [4, 5, 6]), ("paper", [5, 6, 7]), ("none", [])])
def test_which_blocks_drop_units(dropped, levels):
    with torch.device("meta"):
        net = UNet(3, 3, 64, 8, dropped=dropped)
    assert sorted(7 - i for i, up in enumerate(net.ups) if up.drop.p) == levels


# Normalisation and dropout.


def laid(x, how):
    """Images as they lie in memory: row by row, pixel by pixel, or pixel by pixel as PyTorch's views leave them."""
    if how == "transposed":
        return x.flatten(2).transpose(1, 2).contiguous().transpose(1, 2).view_as(x)
    return x.contiguous(memory_format=torch.channels_last if how == "pixels" else torch.contiguous_format)


LAYOUTS = ["rows", "pixels", "transposed"]


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("of_gradient", LAYOUTS)
def test_instance_normalisation_and_its_gradient(batch, layout, of_gradient):
    """Against the formula in float64. PyTorch's own layers fail this for a batch of one where the layouts differ."""
    g = torch.Generator().manual_seed(0)
    x, up = (torch.randn(batch, 4, 5, 6, generator=g, dtype=torch.float64) for _ in range(2))
    x, up = laid(x, layout).requires_grad_(), laid(up, of_gradient)

    def formula(x):
        mean, var = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, correction=0)
        return (x - mean) / (var + 1e-5).sqrt()

    (wanted,) = torch.autograd.grad(formula(x), x, up)
    (found,) = torch.autograd.grad(InstanceNorm(4)(x), x, up)
    torch.testing.assert_close(InstanceNorm(4)(x), formula(x))
    torch.testing.assert_close(found, wanted)


def test_why_instance_norm_of_pytorch_is_not_used():
    """If this fails, PyTorch's gradient is right at last, and the detour may go."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(1, 4, 8, 8, generator=g).requires_grad_()
    up = torch.randn(1, 4, 8, 8, generator=g)
    (right,) = torch.autograd.grad(F.instance_norm(x), x, up)
    (found,) = torch.autograd.grad(F.instance_norm(x), x, up.contiguous(memory_format=torch.channels_last))
    assert float((found - right).norm() / right.norm()) > 0.1


def test_why_batch_norm_of_pytorch_is_given_rows():
    """As the one above."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(1, 4, 8, 8, generator=g).requires_grad_()
    up = torch.randn(1, 4, 8, 8, generator=g)
    (right,) = torch.autograd.grad(F.batch_norm(x, None, None, training=True), x, up)
    (found,) = torch.autograd.grad(F.batch_norm(x, None, None, training=True), x, laid(up, "transposed"))
    assert float((found - right).norm() / right.norm()) > 0.1


def test_at_test_time_each_image_may_have_its_own_statistics():
    norm = BatchNorm(3).eval()
    norm.weight.data.uniform_(0.5, 2)
    norm.bias.data.normal_()
    x = torch.randn(4, 3, 6, 6) * 3 + 1
    plain = norm(x)
    with as_in_training(statistics=True, dropout=None):
        own = norm(x)
    torch.testing.assert_close(own[2:3], norm.train()(x[2:3]))
    assert not torch.allclose(own, plain)
    torch.testing.assert_close(each_image_normalised(x, norm.weight, norm.bias), own)


def test_dropout_at_test_time_is_one_mask_of_the_seed():
    drop = Dropout(0.5, place=1).eval()
    x = torch.ones(3, 8, 4, 4)
    assert torch.equal(drop(x), x)
    with as_in_training(statistics=False, dropout=7):
        one, two, other = drop(x), drop(x), Dropout(0.5, place=2).eval()(x)
    with as_in_training(statistics=False, dropout=8):
        another = drop(x)
    assert torch.equal(one, two)
    assert torch.equal(one[0], one[1])
    assert set(one.unique().tolist()) == {0.0, 2.0}
    assert not torch.equal(one, another)
    assert not torch.equal(one, other)
