"""The residual networks: what is computed otherwise is the same, counts are the papers', conditions and z reach all."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ganvas.networks import biggan, resnet, sngan
from ganvas.networks.attention import SelfAttention
from ganvas.networks.resnet import ConditionalNorm, Discriminator, Generator
from ganvas.networks.updown import WORTH, DownConv, UpConv

float64 = pytest.mark.usefixtures("float64")
PLANS = [pytest.param(m.PLANS[size], size, id=f"{m.__name__.rsplit('.')[-1]}-{size}")
         for m in (sngan, biggan) for size in m.PLANS]  # fmt: skip


def count(net: nn.Module) -> int:
    return sum(q.numel() for q in net.parameters())


# Convolutions that change the size


def plainly(layer, x):
    w = layer.weight if layer.u is None else layer.weight / layer.sigma()
    if isinstance(layer, UpConv):
        return F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), w, layer.bias, padding=layer.padding)
    return F.avg_pool2d(F.conv2d(x, w, layer.bias, padding=layer.padding), 2)


@float64
@pytest.mark.parametrize("kind", [UpConv, DownConv])
@pytest.mark.parametrize("kernel", [3, 1])
@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("side", [WORTH - 2, WORTH, 2 * WORTH - 2, 2 * WORTH])
def test_doubling_and_halving_convolutions_are_the_plain_ones(kind, kernel, spectral, side):
    """To the borders, with sides that differ; gradients too."""
    torch.manual_seed(0)
    layer = kind(3, 5, kernel, spectral=spectral)
    x = torch.randn(2, 3, side, side + 2, requires_grad=True)
    y, expected = layer(x), plainly(layer, x)
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)
    pull = torch.randn_like(y)
    ours, theirs = (torch.autograd.grad(v, [x, layer.weight, layer.bias], pull) for v in (y, expected))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-11)


def test_the_quick_way_is_taken_from_its_side_on():
    calls = []

    class Watched(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, f, types, args=(), kwargs=None):
            if f is torch.ops.aten.convolution.default:
                calls.append(tuple(args[1].shape[2:]))
            return f(*args, **(kwargs or {}))

    with Watched():
        for side in (WORTH // 2, WORTH):
            UpConv(2, 2, 3)(torch.randn(1, 2, side, side))
            DownConv(2, 2, 3)(torch.randn(1, 2, 2 * side, 2 * side))
    assert calls == [(3, 3), (3, 3), (4, 4), (4, 4)]


# Attention


def attention_by_hand(a: SelfAttention, x):
    b, _, h, w = x.shape
    weight = lambda layer: layer.weight / layer.sigma() if layer.u is not None else layer.weight  # noqa: E731
    theta = F.conv2d(x, weight(a.theta)).flatten(2)
    phi, g = (F.max_pool2d(F.conv2d(x, weight(m)), 2).flatten(2) for m in (a.phi, a.g))
    beta = torch.softmax(theta.transpose(1, 2) @ phi, -1)
    o = F.conv2d((g @ beta.transpose(1, 2)).view(b, -1, h, w), weight(a.o))
    return a.gamma * o + x


@float64
@pytest.mark.parametrize("channels", [4, 32])
@pytest.mark.parametrize("spectral", [False, True])
def test_attention_is_the_papers(channels, spectral):
    torch.manual_seed(0)
    a, x = SelfAttention(channels, spectral), torch.randn(2, channels, 6, 4, requires_grad=True)
    assert torch.equal(a(x), x), "γ starts at 0"
    with torch.no_grad():
        a.gamma.fill_(0.7)
        a.theta.weight.mul_(5)
    inputs = [x, *a.parameters()]
    pull = torch.randn(2, channels, 6, 4)
    y, expected = a(x), attention_by_hand(a, x)
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)
    ours, theirs = (torch.autograd.grad(v, inputs, pull) for v in (y, expected))
    for p, q in zip(ours, theirs, strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=1e-11)


def test_attention_never_holds_all_scores():
    """At 64×64 they are 4096 × 1024 for each image; the fused kernel is taken, in training too."""
    biggest = 0

    class Watched(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, f, types, args=(), kwargs=None):
            nonlocal biggest
            out = f(*args, **(kwargs or {}))
            for t in out if isinstance(out, tuple) else (out,):
                biggest = max(biggest, t.numel() if isinstance(t, torch.Tensor) else 0)
            return out

    a, x = SelfAttention(32, True), torch.randn(1, 32, 64, 64)
    with Watched():
        a(x).sum().backward()
    assert biggest <= x.numel()
    assert biggest < 4096 * 1024 // 8


@pytest.mark.parametrize("plan,size", PLANS)
def test_attention_stands_where_it_is_asked_for(plan, size):
    """In both networks on maps of that side, after one block each; on half the image's side where it is smaller."""
    for asked in (0, size // 4, size // 2, 4096):
        g, d = Generator(3, plan, 1, 16, attention=asked), Discriminator(3, plan, 1, attention=asked)
        places = [
            [s for s, a in zip(sides, net.attention, strict=True) if isinstance(a, SelfAttention)]
            for net, sides in ((g, plan.sides_up()), (d, plan.sides_down()))
        ]
        expected = min(asked, size // 2)
        assert places[0] == ([expected] if expected in plan.sides_up() else [])
        assert places[1] == ([expected] if expected in plan.sides_down() else [])
        assert asked != size // 2 or places == [[expected], [expected]]


# Conditions


@float64
def test_conditional_norm_is_one_plus_gain():
    torch.manual_seed(0)
    norm, x, c = ConditionalNorm(4, "batch", 3, False), torch.randn(5, 4, 3, 3), torch.randn(5, 3)
    plain = (x - x.mean((0, 2, 3), keepdim=True)) / (x.var((0, 2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()
    gain, bias = (c @ m.weight.T for m in (norm.gain, norm.bias))
    torch.testing.assert_close(norm(x, c), plain * (1 + gain)[..., None, None] + bias[..., None, None])
    assert not any(True for _ in norm.norm.parameters()), "it has no gain of its own"
    assert count(ConditionalNorm(4, "batch", 0, False)) == 8


def test_before_training_the_classes_look_alike_in_sngan_and_not_in_biggan():
    plan, c = sngan.PLANS[16], torch.eye(3)
    z = torch.randn(1, 8).repeat(3, 1)
    for kind, alike in (("xavier", True), ("normal", False), ("orthogonal", False)):
        torch.manual_seed(0)
        g = Generator(1, plan, 4, 8, 3).eval()
        resnet.initialise(g, kind)
        x = g(z, c)
        assert torch.allclose(x[0], x[1], atol=1e-6) == alike


def test_a_mix_of_classes_lies_between_them():
    """The embedding is linear, so gains and biases of ½(a + b) are the means of those of a and b."""
    g = Generator(1, biggan.PLANS[16], 4, 6, 3, embedding=5)
    seen = []
    g.blocks[0].norm1.gain.register_forward_hook(lambda m, i, o: seen.append(o))
    g(torch.randn(3, 6), torch.tensor([[1.0, 0, 0], [0, 1, 0], [0.5, 0.5, 0]]))
    torch.testing.assert_close(seen[0][2], (seen[0][0] + seen[0][1]) / 2)


def test_each_part_of_z_enters_at_its_block():
    """Figure 15: the first part the first volume, part i block i and no block before it."""
    plan = biggan.PLANS[32]
    torch.manual_seed(0)
    g = Generator(1, plan, 4, 8, 3, spectral=True, embedding=5, hierarchical=True).eval()
    volumes = []
    for block in g.blocks:
        block.register_forward_hook(lambda m, i, o: volumes.append(o))
    z, c = torch.randn(1, 8), torch.eye(3)[:1]
    g(z, c)
    first = list(volumes)
    for part in range(4):
        moved = z.clone()
        moved[:, 2 * part] += 1
        volumes.clear()
        g(moved, c)
        same = [torch.equal(a, b) for a, b in zip(first, volumes, strict=True)]
        assert same == [i < part - 1 for i in range(3)]
    with pytest.raises(AssertionError):
        Generator(1, plan, 4, 9, 3, hierarchical=True)


@float64
def test_the_projection():
    """ψ·h + <V c, h> with h the sum over positions; without a condition ψ·h alone."""
    torch.manual_seed(0)
    d = Discriminator(1, sngan.PLANS[16], 4, 3, spectral=False)
    x, c = torch.randn(5, 1, 16, 16), torch.randn(5, 3)
    h = d.features(x)
    blocks = x
    for block in d.blocks:
        blocks = block(blocks)
    torch.testing.assert_close(h, F.relu(blocks).sum((2, 3)))
    expected = h @ d.project.weight[0] + d.project.bias + ((c @ d.embed.weight.T) * h).sum(1)
    torch.testing.assert_close(d(x, c), expected)
    assert Discriminator(1, sngan.PLANS[16], 4)(x).shape == (5,)


# Whole networks


@pytest.mark.parametrize("plan,size", PLANS)
def test_networks_make_and_take_their_size(plan, size):
    assert plan.size == size
    parts = len(plan.up)
    g = Generator(3, plan, 1, 2 * parts, 5, spectral=True, embedding=4, hierarchical=True, attention=size // 4)
    d = Discriminator(3, plan, 1, 5, wide=True, attention=size // 4)
    sides: list[int] = []
    for block in [*g.blocks, *d.blocks]:
        block.register_forward_hook(lambda m, i, o: sides.append(o.shape[-1]))
    with torch.no_grad():
        x = g(torch.randn(2, 2 * parts), torch.randn(2, 5))
        assert x.shape == (2, 3, size, size)
        assert d(x, torch.randn(2, 5)).shape == (2,)
    assert sides == plan.sides_up() + plan.sides_down()


def test_images_are_bounded_and_every_parameter_learns():
    torch.manual_seed(0)
    plan = biggan.PLANS[16]
    g = Generator(1, plan, 4, 9, 3, spectral=True, embedding=5, hierarchical=True, attention=8)
    d = Discriminator(1, plan, 4, 3, wide=True, attention=8)
    with torch.no_grad():
        for net in (g, d):
            next(m for m in net.modules() if isinstance(m, SelfAttention)).gamma.fill_(0.5)
    x = g(torch.randn(4, 9), torch.eye(3)[[0, 1, 2, 0]])
    assert float(x.detach().abs().max()) <= 1
    d(x, torch.eye(3)[[0, 1, 2, 0]]).sum().backward()
    for net in (g, d):
        assert all(q.grad is not None and float(q.grad.abs().sum()) > 0 for q in net.parameters())


def left_out(g: Generator) -> int:
    """Biases of the published generators that batch normalisation subtracts again; ours has none of them."""
    return sum(3 * block.conv1.out_channels for block in g.blocks)


def big(width: int, z_dim: int, **options) -> tuple[int, int]:
    plan = biggan.PLANS[128]
    with torch.device("meta"):
        g = Generator(3, plan, width, z_dim, 1000, spectral=True, attention=64, **options)
        d = Discriminator(3, plan, width, 1000, wide=True, attention=64)
    return count(g) + left_out(g), count(d)


def test_biggans_counts():
    """What the author's PyTorch code prints at 128, and the millions of Table 1 of the paper, rows 4, 5 and 6."""
    assert big(96, 120, embedding=128, hierarchical=True) == (70_433_988, 87_982_370)
    assert [round(sum(big(*row)) / 1e6, 1) for row in ((64, 128), (96, 128))] == [81.5, 173.5]
    assert round(sum(big(96, 120, embedding=128)) / 1e6, 1) == 160.6


def test_sngans_counts():
    """By hand: at 32 G has 4,276,739 in all, D 1,053,825."""
    g, d = Generator(3, sngan.PLANS[32], 64, 128), Discriminator(3, sngan.PLANS[32], 64)
    conv = lambda a, b, k: a * b * k * k + b  # noqa: E731
    block = 2 * conv(256, 256, 3) + conv(256, 256, 1) + 4 * 256
    assert count(g) + left_out(g) == 129 * 4096 + 3 * block + 512 + conv(256, 3, 3) == 4_276_739
    first = conv(3, 128, 3) + conv(128, 128, 3) + conv(3, 128, 1)
    assert count(d) == first + 6 * conv(128, 128, 3) + conv(128, 128, 1) + 129 == 1_053_825


def test_a_discriminators_first_block_has_no_relu_before_it_and_sngans_blocks_are_narrow_inside():
    with torch.device("meta"):
        skinny, wide = (Discriminator(3, sngan.PLANS[48], 8, wide=w) for w in (False, True))
    assert [b.first for b in skinny.blocks] == [True, False, False, False, False]
    assert [b.conv1.out_channels for b in skinny.blocks] == [8, 8, 16, 32, 64]
    assert [b.conv1.out_channels for b in wide.blocks] == [8, 16, 32, 64, 128]
    assert [type(b.conv2) is DownConv for b in skinny.blocks] == [True] * 4 + [False]


@pytest.mark.parametrize("kind", ["xavier", "orthogonal", "normal"])
def test_initial_weights(kind):
    torch.manual_seed(0)
    g = Generator(3, sngan.PLANS[32], 16, 16, 10, spectral=True, embedding=8, hierarchical=True)
    resnet.initialise(g, kind)
    w = g.blocks[1].conv2.weight
    if kind == "orthogonal":
        torch.testing.assert_close(w.flatten(1) @ w.flatten(1).T, torch.eye(64), atol=1e-5, rtol=0)
    std = {"normal": 0.02, "xavier": math.sqrt(2) * math.sqrt(2 / (9 * 128)), "orthogonal": 576**-0.5}[kind]
    assert float(w.std()) == pytest.approx(std, rel=0.03)
    narrow = g.blocks[1].shortcut.weight
    assert kind != "xavier" or float(narrow.std()) == pytest.approx(math.sqrt(2 / 128), rel=0.05)
    assert float(g.last.bias.abs().sum()) == 0
    assert float(g.blocks[0].norm1.gain.weight.abs().sum()) > 0, "a normalised map must not be 0"
