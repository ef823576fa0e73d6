"""StyleGAN: counts, AdaIN, growing, the five steps as switches, mixing, truncation, noise, losses."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from worlds_apart import COLOURED, IMAGES, Patterns, played, session, tiny

from ganvas import config, games
from ganvas.engine import play
from ganvas.errors import UserError
from ganvas.game import DataSpec, Styles
from ganvas.games.stylegan import StyleGAN
from ganvas.losses import adversarial
from ganvas.losses.penalties import zero_centred
from ganvas.networks import fir
from ganvas.networks.stylegan import Ending, Generator, Mapping, adaptive_instance_norm
from ganvas.networks.updown import doubled

STYLE = games.find("stylegan")
float64 = pytest.mark.usefixtures("float64")
STEPS = "abcdef"


def millions(net):
    return round(sum(q.numel() for q in net.parameters()) / 1e6, 1)


def of_preset(name, spec=IMAGES, **changes):
    """The tiny networks with a preset of Table 1."""
    return tiny("stylegan", spec, **{**STYLE.presets[name], "batch": 16, **changes})


def test_parameter_counts():
    """26.2M of G with styles, 23.1M of the traditional one (§2); 23.1M of D."""
    with torch.device("meta"):
        game = STYLE(STYLE.Config(), DataSpec((3, 1024, 1024)))
        before = STYLE(config.preset(STYLE.Config(), STYLE, "a"), DataSpec((3, 1024, 1024)))
    assert (millions(game.G), millions(game.D)) == (26.2, 23.1)
    assert millions(before.G) == 23.1
    assert game.layers == 18


@float64
def test_adain_is_what_eq_1_says():
    torch.manual_seed(0)
    x, gain, bias = 3 + 2 * torch.randn(3, 5, 6, 7), torch.rand(3, 5) + 0.5, torch.randn(3, 5)
    y = adaptive_instance_norm(x, gain, bias)
    torch.testing.assert_close(y, F.instance_norm(x, eps=1e-8) * gain[..., None, None] + bias[..., None, None])
    torch.testing.assert_close(y.std((2, 3), correction=0), gain, rtol=1e-6, atol=0)


@float64
def test_adain_is_differentiable_twice():
    torch.manual_seed(0)
    inputs = [torch.randn(2, 3, 3, 2), torch.rand(2, 3) + 0.5, torch.randn(2, 3)]
    inputs = [v.requires_grad_() for v in inputs]
    assert torch.autograd.gradcheck(adaptive_instance_norm, inputs)
    assert torch.autograd.gradgradcheck(lambda *v: adaptive_instance_norm(*v).square(), inputs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_adain_of_an_image_does_not_depend_on_the_others(dtype, layout):
    """To the bit; and its gradients neither, which `F.instance_norm` gets wrong for one image in channels_last."""
    torch.manual_seed(0)
    x = (3 + torch.randn(5, 24, 16, 16)).to(dtype).contiguous(memory_format=layout).requires_grad_()
    gain, bias = torch.rand(5, 24) + 0.5, torch.randn(5, 24)
    pull = torch.randn(5, 24, 16, 16).to(dtype).contiguous(memory_format=torch.channels_last)
    y = adaptive_instance_norm(x, gain, bias)
    assert y.dtype == dtype and y.is_contiguous(memory_format=torch.channels_last)
    (grad,) = torch.autograd.grad(y, x, pull)
    for k in range(5):
        part = x[k : k + 1].detach().requires_grad_()
        alone = adaptive_instance_norm(part, gain[k : k + 1], bias[k : k + 1])
        assert torch.equal(alone[0], y[k])
        found = torch.autograd.grad(alone, part, pull[k : k + 1])[0][0]
        torch.testing.assert_close(found, grad[k], atol=1e-5 if dtype == torch.float32 else 0.02, rtol=0.02)


@float64
def test_an_ending_adds_noise_before_it_normalises():
    torch.manual_seed(0)
    end = Ending(5, 4, True, True)
    x, w, noise = torch.randn(2, 5, 4, 4), torch.randn(2, 4), torch.randn(2, 1, 4, 4)
    torch.testing.assert_close(end(x, w, noise), end(x, w, None))
    with torch.no_grad():
        end.strength.copy_(torch.arange(5.0))
        end.bias.normal_()
    s = end.style(w).view(2, 2, 5, 1, 1)
    h = F.leaky_relu(x + noise * torch.arange(5.0).view(1, 5, 1, 1) + end.bias.view(1, 5, 1, 1), 0.2)
    torch.testing.assert_close(end(x, w, noise), F.instance_norm(h, eps=1e-8) * (s[:, 0] + 1) + s[:, 1])


@float64
def test_the_mapping_learns_at_a_hundredth():
    torch.manual_seed(0)
    f, z = Mapping(6, 0, 7, 3), torch.randn(5, 6)
    x = z / z.square().mean(1, keepdim=True).sqrt()
    for layer in f.layers:
        assert float(layer.weight.detach().std()) == pytest.approx(100, rel=0.3)
        x = F.leaky_relu(x @ (layer.weight * 0.01 * (2 / layer.in_features) ** 0.5).T + 0.01 * layer.bias, 0.2)
    torch.testing.assert_close(f(z), x)
    torch.testing.assert_close(f(3 * z), f(z))
    told = Mapping(6, 2, 7, 0)
    y = torch.cat([z, torch.eye(2)[[0, 1, 0, 1, 1]] @ told.embed], 1)
    torch.testing.assert_close(told(z, torch.eye(2)[[0, 1, 0, 1, 1]]), y / y.square().mean(1, keepdim=True).sqrt())
    assert told.w_dim == 12


@float64
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("level", [1, 2])
def test_it_grows_without_a_jump(step, level):
    g = of_preset(step).G
    z = torch.randn(3, 8)
    g.grow(level - 1, 1.0)
    before = g(z)
    g.grow(level, 0.0)
    torch.testing.assert_close(g(z), doubled(before))
    g.grow(level, 1 - 1e-12)
    almost = g(z)
    g.grow(level, 1.0)
    torch.testing.assert_close(g(z), almost)
    assert float((almost - doubled(before)).detach().abs().max()) > 0.1


def test_each_preset_is_one_step_of_table_1():
    """What is there in each, as found in the networks."""
    found = {}
    for step in STEPS:
        game = of_preset(step)
        g = game.G
        first = g.blocks[1]
        found[step] = (
            first.blur and game.D.blocks[1].blur,
            len(g.mapping.layers) > 0 and first.ends[0].style is not None,
            g.blocks[0].constant is not None,
            first.ends[0].strength is not None and bool(g.constant_noise()),
            game.config.mixing > 0,
        )
    assert found == {step: tuple(k < i for k in range(5)) for i, step in enumerate(STEPS)}
    assert of_preset("a").turns[0].name == "critic" and of_preset("b").turns[0].name == "discriminator"
    assert (of_preset("a").judges, of_preset("b").judges) == ("score", "probability")
    assert (of_preset("a").growth.start, of_preset("b").growth.start) == (4, 8)


@pytest.mark.parametrize("step", STEPS)
def test_every_step_trains(step):
    game = played("stylegan", 3, changes={**STYLE.presets[step], "batch": 16, "phase_kimg": 0.01})
    assert bool(game.sample(4).isfinite().all())
    assert game.sample(4).shape == (4, 1, 16, 16)


@float64
def test_blurring_is_between_convolution_and_noise():
    torch.manual_seed(0)
    g = Generator(1, 2, 4, 0, 4, 1, 4, 32)
    block = g.blocks[1]
    x, w = torch.randn(2, 4, 4, 4), torch.randn(2, 4)
    y = fir.blurred(F.conv2d(doubled(x), block.conv1.kernel(), padding=1))
    y = block.ends[1](block.conv2(block.ends[0](y, w, None)), w, None)
    torch.testing.assert_close(block(x, [w, w], [None, None]), y)


# Styles


def test_it_has_styles():
    game = tiny("stylegan")
    assert isinstance(game, Styles)
    z = game.prior.seeded(3, 0)
    w = game.w(z)
    assert game.layers == 6 and w.shape == (3, 8)
    torch.testing.assert_close(game.generate(z), game.synthesize(w))
    torch.testing.assert_close(game.synthesize(w[:, None].expand(-1, 6, -1)), game.synthesize(w))
    for p in game.players.values():
        p.net.grow(2, 1.0)
    plain = game.synthesize(w)
    for k in range(6):
        plus = w[:, None].repeat(1, 6, 1)
        plus[:, k] += 1
        assert not torch.equal(game.synthesize(plus), plain), f"layer {k} has a style of its own"
    traditional = of_preset("b")
    assert traditional.layers == 1
    w = traditional.w(z)
    torch.testing.assert_close(traditional.synthesize(w[:, None]), traditional.synthesize(w))


def test_truncation_draws_towards_the_running_mean():
    game = played("stylegan", 4)
    mean = game.G.mapping.w_mean
    assert float(mean.abs().max()) > 0
    assert torch.equal(mean, game.players["G"].ema.mapping.w_mean)
    z = game.prior.seeded(4, 0)
    torch.testing.assert_close(game.w(z, truncation=0.7), mean + 0.7 * (game.w(z) - mean))
    torch.testing.assert_close(game.sample(4, truncation=0.7), game.synthesize(game.w(z, truncation=0.7)))
    a, b = game.sample(2, truncation=0.0)
    torch.testing.assert_close(a, b)
    with pytest.raises(UserError, match="truncation"):
        game.sample(2, truncation=1.5)


@float64
def test_the_running_mean_is_of_the_generators_own_w():
    game = tiny("stylegan")
    table = session(game, 1)
    table.seat(game)
    w = []
    game.G.mapping.register_forward_hook(lambda m, a, out: w.append(out.detach()))
    for _ in play(game, Patterns(IMAGES), table):
        pass
    assert [len(x) for x in w] == [32, 32], "two latents a sample, for D's turn and for G's"
    torch.testing.assert_close(game.G.mapping.w_mean, 0.005 * w[1][:16].mean(0))


def test_noise_is_fixed_random_or_none():
    game = tiny("stylegan")
    with torch.no_grad():
        for m in game.G.modules():
            if isinstance(m, Ending):
                m.strength.fill_(1.0)
    w = game.w(game.prior.seeded(70, 0))
    const, none, one, two = (game.synthesize(w, *a) for a in (("const",), ("none",), ("random", 1), ("random", 2)))
    assert len({x.sum().item() for x in (const, none, one, two)}) == 4
    torch.testing.assert_close(game.synthesize(w[:5], "random", 1), one[:5])
    same = game.synthesize(w[:1].expand(3, -1), "random", 1)
    assert not torch.equal(same[0], same[1])
    same = game.synthesize(w[:1].expand(3, -1))
    torch.testing.assert_close(same[0], same[1])
    assert not of_preset("d").G.constant_noise()
    assert of_preset("d").synthesize(w[:2], "random").shape == (2, 1, 16, 16)


def test_mixing_happens_as_often_and_where_it_should():
    game = tiny("stylegan", batch=4096)
    table = session(game)
    batch = table.split(table.draw(Patterns(IMAGES)), game.turns[1], 0)[0]
    game.G.grow(2, 1.0)
    w, other = torch.zeros(4096, 8), torch.ones(4096, 8)
    dice = batch.chance.uniform(2, purpose="mixing")
    mixed = game.mixed(w, other, dice)
    own = (mixed[:, :, 0] == 0).sum(1)
    assert torch.equal(mixed[:, :, 0].sort(1)[0], mixed[:, :, 0]), "coarse layers keep the first w"
    share = own.bincount(minlength=7) / 4096
    assert share[0] == 0 and float(share[6]) == pytest.approx(0.1, abs=0.02)
    assert share[1:6].tolist() == pytest.approx([0.18] * 5, abs=0.03)
    game.G.grow(1, 0.5)
    own = (game.mixed(w, other, dice)[:, :, 0] == 0).sum(1)
    assert set(own.tolist()) == {1, 2, 3, 4}, "only layers of the stage"


# Losses and conditions


@float64
@pytest.mark.parametrize("condition", ["none", "labels"])
def test_the_losses(condition):
    game = tiny("stylegan", COLOURED, r1_gamma=4.0, condition=condition)
    for p in game.players.values():
        p.net.grow(2, 0.4)
    table = session(game)
    table.seat(game)
    batch = table.draw(Patterns(COLOURED))
    d_turn, g_turn = (lambda k=k: table.split(batch, game.turns[k], 0)[0] for k in (0, 1))
    loss, _ = game.discriminator(d_turn())
    b = d_turn()
    fake, real, told = game.made(b).detach(), game.D.at_stage(b["x"]), game.given(b)
    assert len(told) == (condition == "labels")
    d = lambda x: game.D(x, *told)  # noqa: E731
    torch.testing.assert_close(loss, adversarial.discriminator(d(real), d(fake)) + 2 * zero_centred(d, real))
    b = g_turn()
    expected = adversarial.non_saturating_generator(d(game.made(b)))
    torch.testing.assert_close(game.generator(g_turn())[0], expected)


def test_classes_are_asked_for():
    game = played("stylegan", 2, COLOURED, {"condition": "labels"})
    z = game.prior.seeded(2, 0)
    assert not torch.equal(game.generate(z, 0), game.generate(z, 1))
    x = game.sample(4, labels=2)
    assert not torch.equal(game.judge(x, 0), game.judge(x, 1))
    one = torch.zeros(4, 4)
    one[:, 2] = 1
    scores = game.D(game.D.at_stage(x), torch.eye(4)[2].expand(4, -1))
    torch.testing.assert_close(
        scores, sum(game.D(game.D.at_stage(x), torch.eye(4)[2].expand(4, -1) * k) for k in (0.5, 0.5))
    )


@pytest.mark.parametrize(
    "changes,words",
    [({"styles": False, "mixing": 0.0}, "--no-constant"), ({"styles": False, "constant": False}, "--mixing 0")],
)
def test_switches_that_contradict_each_other_are_told(changes, words):
    with pytest.raises(UserError, match=words):
        tiny("stylegan", **changes)
    assert issubclass(STYLE, StyleGAN)
