"""StyleGAN2: counts, settings by size, lazy turns, path lengths, mixing, truncation, noise, rectangles."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from worlds_apart import COLOURED, IMAGES, Patterns, played, session, tiny

from ganvas import config, games
from ganvas.engine import play
from ganvas.errors import UserError
from ganvas.game import DataSpec, Styles
from ganvas.networks import fir
from ganvas.networks.equalized import GAIN
from ganvas.networks.stylegan2 import Block, Generator, StyledConv, levels

STYLE2 = games.find("stylegan2")
float64 = pytest.mark.usefixtures("float64")


def of_size(side, preset=""):
    """The configuration for images of such a side, and the game on `meta`."""
    spec = DataSpec((3, side, side))
    c = STYLE2.defaults(spec)
    c = config.preset(c, STYLE2, preset) if preset else c
    with torch.device("meta"):
        return c, STYLE2(c, spec)


def count(net):
    return sum(q.numel() for q in net.parameters())


def at_table(game, turn, spec=IMAGES):
    """A batch for a turn, fresh each time and the same each time."""
    table = session(game)
    table.seat(game)
    batch = table.draw(Patterns(spec))
    return lambda: table.split(batch, next(t for t in game.turns if t.name == turn), 0)[0]


# Its networks and settings


@pytest.mark.parametrize(
    "side,preset,g,d", [(1024, "paper", 30_370_060, 29_012_513), (256, "", 23_191_522, 24_001_089)]
)
def test_parameter_counts(side, preset, g, d):
    """As the authors' code prints them for FFHQ (configuration F at 1024, `auto` at 256)."""
    _, game = of_size(side, preset)
    assert (count(game.G), count(game.D)) == (g, d)


def test_settings_by_size():
    """`auto` of the second paper's code on one device, and configuration F of the first paper's."""
    for side, batch, gamma, base, lr in (
        (64, 32, 0.0256, 16384, 2.5e-3),
        (256, 16, 0.8192, 16384, 2.5e-3),
        (1024, 4, 52.4288, 32768, 2e-3),
    ):
        c, game = of_size(side)
        assert (c.batch, c.channel_base, c.opt_g.lr, c.mapping_layers) == (batch, base, lr, 2)
        assert c.r1_gamma == pytest.approx(gamma)
        assert game.layers == 2 * int(math.log2(side)) - 2
    c, _ = of_size(1024, "paper")
    assert (c.batch, c.r1_gamma, c.mapping_layers, c.opt_d.lr) == (32, 10.0, 8, 2e-3)


def test_what_cifar_leaves_out():
    game = tiny("stylegan2", **{k: v for k, v in STYLE2.presets["cifar"].items() if "." not in k} | {"batch": 16})
    assert [t.name for t in game.turns] == ["generator", "discriminator", "r1"]
    assert game.config.opt_g.beta2 == game.players["G"].opt.defaults["betas"][1], "G has no lazy turn to correct for"
    assert all(block.skip is None for block in game.D.blocks)


@pytest.mark.parametrize("shape", [(3, 24, 32), (1, 28, 28), (3, 16, 40)])
def test_images_may_be_rectangular(shape):
    spec = DataSpec(shape)
    game = tiny("stylegan2", spec)
    assert game.sample(3).shape == (3, *shape)
    assert game.judge(game.sample(4)).shape == (4,)
    small = [s >> levels(*shape[1:]) for s in shape[1:]]
    assert list(game.G.constant.shape[2:]) == small and min(small) >= 4 and max(small) <= 16


def test_sides_that_cannot_be_doubled_are_told():
    for shape, words in (((3, 34, 34), "--size 64"), ((3, 16, 128), "--size 128"), ((3, 4, 4), "--size 8")):
        with pytest.raises(UserError, match=words):
            STYLE2.check(STYLE2.Config(), DataSpec(shape))


@float64
def test_a_styled_layer_is_what_the_paper_writes():
    """√2 lrelu(d · conv(s · x) + strength · noise + bias): gains are folded in."""
    torch.manual_seed(0)
    layer = StyledConv(5, 4, 6, up=True)
    torch.nn.init.normal_(layer.bias)
    torch.nn.init.constant_(layer.strength, 0.3)
    x, w, noise = torch.randn(2, 5, 4, 4), torch.randn(2, 6), torch.randn(2, 1, 8, 8)
    y, d = layer.conv(x, w)
    plain = y * d[:, :, None, None] + 0.3 * noise + layer.bias.view(1, -1, 1, 1)
    torch.testing.assert_close(layer(x, w, noise), F.leaky_relu(plain, 0.2) * 2**0.5)
    assert not torch.equal(layer(x, w, noise), layer(x, w, None))


@float64
@pytest.mark.parametrize("residual", [True, False])
def test_a_block_of_d_halves_after_a_filter(residual):
    torch.manual_seed(0)
    block = Block(4, 6, residual)
    for conv in (block.conv0, block.conv1):
        torch.nn.init.normal_(conv.bias)
    x = torch.randn(2, 4, 8, 8)
    he = lambda conv: conv.weight / math.sqrt(conv.weight[0].numel())  # noqa: E731
    y = F.leaky_relu(F.conv2d(x, he(block.conv0), block.conv0.bias, padding=1), 0.2) * GAIN
    torch.testing.assert_close(block.conv0.kernel(), he(block.conv0) * GAIN)
    y = F.conv2d(fir.filtered(y, pad=2), he(block.conv1))[:, :, ::2, ::2]
    y = F.leaky_relu(y + block.conv1.bias.view(1, -1, 1, 1), 0.2) * GAIN
    if residual:
        y = (y + F.conv2d(fir.downsampled(x), he(block.skip))) / GAIN
    torch.testing.assert_close(block(x), y)


@float64
def test_the_image_is_the_sum_of_what_levels_show():
    torch.manual_seed(0)
    g = Generator((3, 16, 16), 4, 0, 6, 2, 64, 8)
    w = torch.randn(2, 6)
    shown = []
    for layer in g.to_image:
        layer.register_forward_hook(lambda m, a, out: shown.append(out))
    image = g.synthesis(w, g.constant_noise())
    total = shown[0]
    for x in shown[1:]:
        total = fir.upsampled(total) + x
    torch.testing.assert_close(image, total)


# Its turns


@float64
def test_the_losses():
    game = tiny("stylegan2", r1_gamma=4.0)
    d = at_table(game, "discriminator")
    loss, _ = game.discriminator(d())
    b = d()
    real, fake = game.D(b["x"]), game.D(game.made(b))
    torch.testing.assert_close(loss, F.softplus(-real).mean() + F.softplus(fake).mean())
    g = at_table(game, "generator")
    torch.testing.assert_close(game.generator(g())[0], F.softplus(-game.D(game.made(g()))).mean())
    x = d()["x"].clone().requires_grad_()
    (slope,) = torch.autograd.grad(game.D(x).sum(), x)
    torch.testing.assert_close(game.r1(at_table(game, "r1")())[0], 2 * slope.square().sum((1, 2, 3)).mean())


@float64
def test_path_lengths_are_of_every_second_sample_and_of_one_w_for_all_layers():
    game = tiny("stylegan2", mixing=0.0)
    game.path_mean.fill_(0.25)
    fresh = at_table(game, "path_length")
    loss, aux = game.path_length(fresh())
    b = fresh()
    w = game.G.mapping(b.noise(game.prior))[::2]
    noise = game.random_noise(b, slice(None, None, 2))
    y = b.chance.normal(1, 16, 16, purpose="path")[::2] / 16
    jacobian = torch.autograd.functional.jacobian(
        lambda v: (game.G.synthesis(v[:, None].expand(-1, 6, -1), noise) * y).sum(), w
    )
    # the share of one layer is a sixth of w's, and six shares make √(mean of squares) of the layers
    each = [
        torch.autograd.functional.jacobian(
            lambda v, k=k: (game.G.synthesis(torch.stack([v if i == k else w for i in range(6)], 1), noise) * y).sum(),
            w,
        )
        for k in range(6)
    ]
    torch.testing.assert_close(sum(each), jacobian)
    lengths = torch.stack(each, 1).square().sum(2).mean(1).sqrt()
    torch.testing.assert_close(aux["path length"], lengths.mean())
    torch.testing.assert_close(loss, 2 * (lengths - 0.25).square().mean())


def gradients_of(turn, rounds, **changes):
    """What a turn adds to its player's gradient in each of some rounds in which nobody moves."""
    game, found = tiny("stylegan2", batch=64, channel_max=4, **changes), []
    table = session(game, rounds)
    table.seat(game)
    weights = [q.detach().clone() for q in game.parameters()]
    name = {"r1": "D", "path_length": "G"}[turn]
    own = next(t for t in game.turns if t.name == turn)
    after = game.after

    def keep(t, aux):
        if t is own:
            found.append(
                torch.cat([q.grad.flatten() for q in game.players[name].net.parameters() if q.grad is not None])
            )
        return after(t, aux)

    game.after = keep
    for p in game.players.values():
        p.opt.step = lambda: None
    for _ in play(game, Patterns(IMAGES), table):
        pass
    assert all(torch.equal(a, b) for a, b in zip(weights, game.parameters(), strict=True))
    return found


@float64
def test_a_lazy_penalty_weighs_as_much_as_one_of_every_round():
    """Of the same reals in every round: the sum over rounds is the same, not only its expectation."""
    eager, lazy = (gradients_of("r1", 2, r1_every=k, r1_gamma=1.0) for k in (1, 2))
    assert (len(eager), len(lazy)) == (2, 1)
    torch.testing.assert_close(sum(eager), lazy[0])
    first, every_second = (gradients_of("path_length", 1, path_every=k)[0] for k in (1, 2))
    torch.testing.assert_close(2 * first, every_second)


def test_optimizers_are_corrected_for_lazy_turns():
    """lr · c and β ** c, c = k / (k + 1): k + 1 steps go as far as k would (§3.1)."""
    game = tiny("stylegan2", path_every=4, r1_every=16)
    for name, k in (("G", 4), ("D", 16)):
        found, c = game.players[name].opt.defaults, k / (k + 1)
        assert found["lr"] == pytest.approx(2.5e-3 * c)
        assert found["betas"] == (0.0, pytest.approx(0.99**c))
    plain = tiny("stylegan2", path_weight=0.0, r1_gamma=0.0)
    assert [p.opt.defaults["lr"] for p in plain.players.values()] == [2.5e-3, 2.5e-3]
    assert [t.name for t in plain.turns] == ["generator", "discriminator"]


def test_the_running_mean_of_lengths_follows_them():
    game = tiny("stylegan2", path_every=1, path_decay=0.25)
    table, seen = session(game, 3), []
    table.seat(game)
    after = game.after

    def keep(turn, aux):
        seen.extend([float(aux["path length"])] if "path length" in aux else [])
        return after(turn, aux)

    game.after = keep
    for _ in play(game, Patterns(IMAGES), table):
        pass
    mean = 0.0
    for length in seen:
        mean += 0.25 * (length - mean)
    assert len(seen) == 3 and float(game.path_mean) == pytest.approx(mean, rel=1e-5)


# Styles


def test_it_has_styles_and_every_layer_has_one():
    game = played("stylegan2", 2)
    assert isinstance(game, Styles)
    z = game.prior.seeded(3, 0)
    w = game.w(z)
    assert game.layers == 6 and w.shape == (3, 8)
    plain = game.synthesize(w)
    assert torch.equal(game.generate(z), plain)
    assert torch.equal(game.synthesize(w[:, None].expand(-1, 6, -1)), plain)
    for k in range(6):
        plus = w[:, None].repeat(1, 6, 1)
        plus[:, k] += 1
        assert not torch.equal(game.synthesize(plus), plain), f"layer {k} has a style of its own"


def test_mixing_happens_as_often_and_where_it_should():
    game = tiny("stylegan2", batch=4096)
    calls = itertools.count()
    game.G.mapping.forward = lambda z, c=None: torch.full((len(z), 8), float(next(calls)))
    styles, mean = game.styles(at_table(game, "generator")())
    own = (styles[:, :, 0] == 0).sum(1)
    assert torch.equal(styles[:, :, 0].sort(1)[0], styles[:, :, 0]), "coarse layers keep the first w"
    assert float(mean.abs().max()) == 0, "the mean is of the first w"
    share = own.bincount(minlength=7) / 4096
    assert share[0] == 0 and float(share[6]) == pytest.approx(0.1, abs=0.02)
    assert share[1:6].tolist() == pytest.approx([0.18] * 5, abs=0.03)


def test_truncation_draws_towards_the_running_mean():
    game = played("stylegan2", 4)
    mean = game.G.mapping.w_mean
    assert float(mean.abs().max()) > 0
    z = game.prior.seeded(4, 0)
    torch.testing.assert_close(game.w(z, truncation=0.7), mean + 0.7 * (game.w(z) - mean))
    a, b = game.sample(2, truncation=0.0)
    torch.testing.assert_close(a, b)
    with pytest.raises(UserError, match="truncation"):
        game.sample(2, truncation=1.5)


def test_noise_is_fixed_random_or_none():
    game = tiny("stylegan2")
    with torch.no_grad():
        for layer in game.G.convs:
            layer.strength.fill_(1.0)
    w = game.w(game.prior.seeded(20, 0))
    const, none, one, two = (game.synthesize(w, *a) for a in (("const",), ("none",), ("random", 1), ("random", 2)))
    assert len({x.sum().item() for x in (const, none, one, two)}) == 4
    assert torch.equal(game.synthesize(w[:5], "random", 1), one[:5])
    same = game.synthesize(w[:1].expand(3, -1), "random", 1)
    assert not torch.equal(same[0], same[1])
    same = game.synthesize(w[:1].expand(3, -1))
    assert torch.equal(same[0], same[1])


def test_classes_are_asked_for():
    game = played("stylegan2", 2, COLOURED, {"condition": "labels"})
    z = game.prior.seeded(2, 0)
    assert not torch.equal(game.generate(z, 0), game.generate(z, 1))
    x = game.sample(4, labels=2)
    assert not torch.equal(game.judge(x, 0), game.judge(x, 1))
